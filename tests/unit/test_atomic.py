"""Files and folders that are whole or not there."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from weibo_tui.atomic import (
    atomic_folder,
    atomic_open,
    atomic_write,
    check_output,
    make_private_folder,
    open_output,
    remove_folder,
    sha256,
)
from weibo_tui.errors import UserInputError, WeiboTuiError


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def test_private_folder_is_private_with_those_above_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private_folder(tmp_path / "new" / "downloads" / "one")
    finally:
        os.umask(before)
    for folder in ("new", "new/downloads", "new/downloads/one"):
        assert mode_of(tmp_path / folder) == 0o700


def test_a_file_appears_whole_with_its_folders_and_for_its_owner_only(place: Path) -> None:
    target = place / "a" / "b" / "file"
    atomic_write(target, b"content")
    assert target.read_bytes() == b"content"
    assert mode_of(target) == 0o600
    assert mode_of(target.parent) == mode_of(target.parent.parent) == 0o700
    assert [*target.parent.iterdir()] == [target]


def test_until_the_block_ends_the_old_content_stands(place: Path) -> None:
    target = place / "file"
    target.write_text("old")
    with atomic_open(target, encoding="utf-8") as file:
        file.write("new")
        file.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("trouble", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_leaves_the_place_as_it_was(place: Path, trouble: type[BaseException]) -> None:
    with pytest.raises(trouble), atomic_open(place / "new" / "file", "wb") as file:
        file.write(b"half")
        raise trouble
    with pytest.raises(trouble), atomic_folder(place / "also" / "folder") as staging:
        (staging / "half").touch()
        raise trouble
    assert not [*place.iterdir()]


def test_newlines_and_encoding_are_the_callers(place: Path) -> None:
    with atomic_open(place / "file", "w", encoding="gb18030", newline="\r\n") as file:
        file.write("微博\n")
    assert (place / "file").read_bytes() == "微博\r\n".encode("gb18030")


def test_a_replaced_file_keeps_its_permissions_and_a_link_its_goal(place: Path) -> None:
    goal, link = place / "goal", place / "link"
    goal.touch()
    goal.chmod(0o640)
    link.symlink_to(goal)
    atomic_write(link, b"new")
    assert link.is_symlink()
    assert goal.read_bytes() == b"new"
    assert mode_of(goal) == 0o640


def test_a_name_of_the_greatest_length_can_be_written(place: Path) -> None:
    target = place / ("微" * 85)
    atomic_write(target, b"")
    assert target.exists()


def test_a_full_disk_is_named(place: Path) -> None:
    with (
        pytest.raises(WeiboTuiError, match="no space left to write .*file") as caught,
        atomic_open(place / "file"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_named_when_a_file_of_the_folder_meets_it(place: Path) -> None:
    with (
        pytest.raises(WeiboTuiError, match="no space left to write .*folder:"),
        atomic_folder(place / "folder") as staging,
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(staging / "weights"))


def test_missing_rights_are_named(place: Path) -> None:
    target = place / "file"
    with (
        pytest.raises(WeiboTuiError, match="file cannot be written: this account may not"),
        atomic_open(target),
    ):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))


def test_a_file_where_a_folder_should_be_is_named(place: Path) -> None:
    (place / "file").touch()
    with pytest.raises(WeiboTuiError, match=r"file/below cannot be written \(Not a directory\)"):
        atomic_write(place / "file" / "below", b"")


def test_atomic_write_to_folder_is_refused(place: Path) -> None:
    with pytest.raises(UserInputError, match="Not a regular file: .*place"):
        atomic_write(place, b"")
    assert not [*place.iterdir()]


def test_atomic_write_to_pipe_is_refused(place: Path) -> None:
    os.mkfifo(place / "pipe")
    (place / "link").symlink_to(place / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(UserInputError, match=f"Not a regular file: .*{name}. Choose another output file."):
            atomic_write(place / name, b"")
    assert (place / "pipe").is_fifo()


def test_output_that_appears_meanwhile_is_kept(place: Path) -> None:
    out = place / "out"
    with pytest.raises(UserInputError, match="File exists: .*out. Use --overwrite"), open_output(out, "wb"):
        out.write_bytes(b"theirs")
    assert out.read_bytes() == b"theirs"
    assert [*place.iterdir()] == [out]


def test_output_without_hard_links_keeps_existing_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_paths: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    with open_output(place / "out", "wb") as file:
        file.write(b"ours")
    assert (place / "out").read_bytes() == b"ours"
    with pytest.raises(UserInputError, match="File exists"), open_output(place / "other", "wb"):
        (place / "other").write_bytes(b"theirs")
    assert (place / "other").read_bytes() == b"theirs"


def test_output_with_any_name_of_an_input_is_refused(place: Path) -> None:
    data, folder = place / "data", place / "folder"
    data.write_bytes(b"mine")
    folder.mkdir()
    (place / "link").symlink_to(data)
    (place / "hard").hardlink_to(data)
    for out in (data, place / "link", place / "hard", folder / ".." / "data"):
        for overwrite in (False, True):
            with pytest.raises(UserInputError, match="Output and input are the same file"):
                check_output(out, overwrite, [place / "other", data])
    check_output(place / "new", inputs=[data])


def test_trouble_with_another_file_is_not_put_down_to_this_one(place: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_open(place / "file"):
        (place / "source").read_bytes()
    with pytest.raises(BrokenPipeError), atomic_open(place / "file"):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def test_a_folder_appears_whole(place: Path) -> None:
    target = place / "adapters" / "mine"
    with atomic_folder(target) as staging:
        assert staging.name.startswith(".mine.")
        assert staging.name.endswith(".partial")
        (staging / "inner").mkdir()
        (staging / "inner" / "file").write_text("content")
        assert not target.exists()
    assert (target / "inner" / "file").read_text() == "content"
    assert mode_of(target) == 0o700
    assert [*target.parent.iterdir()] == [target]


def test_a_folder_that_exists_is_refused_unless_replaced(place: Path) -> None:
    target = place / "mine"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(UserInputError, match="mine exists already"), atomic_folder(target):
        pass
    with pytest.raises(ValueError), atomic_folder(target, replace=True):
        raise ValueError
    assert [one.name for one in target.iterdir()] == ["old"]
    with atomic_folder(target, replace=True) as staging:
        (staging / "new").touch()
    assert [one.name for one in target.iterdir()] == ["new"]
    assert [*place.iterdir()] == [target]


def test_folder_that_appears_meanwhile_is_kept(place: Path) -> None:
    made = place / "made"
    with pytest.raises(UserInputError, match="exists already"), atomic_folder(made) as folder:
        (folder / "of").write_text("this program", encoding="utf-8")
        made.mkdir()
        (made / "of").write_text("another", encoding="utf-8")
    assert (made / "of").read_text(encoding="utf-8") == "another"
    assert [path.name for path in place.iterdir()] == ["made"]


def test_a_replacement_that_cannot_come_leaves_the_old_folder(place: Path) -> None:
    target = place / "mine"
    target.mkdir()
    (target / "old").touch()
    with (
        pytest.raises(WeiboTuiError, match="mine cannot be written"),
        atomic_folder(target, replace=True) as staging,
    ):
        staging.rmdir()
    assert [one.name for one in target.iterdir()] == ["old"]
    assert [*place.iterdir()] == [target]


def test_sha256_is_that_of_the_bytes(place: Path) -> None:
    (place / "file").write_bytes(b"x" * 3_000_000)
    assert sha256(place / "file") == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    with pytest.raises(WeiboTuiError, match="none cannot be read"):
        sha256(place / "none")


def test_what_a_killed_writer_left_goes_when_the_place_is_written_again(place: Path) -> None:
    half, folder = place / ".file.0123abcd.partial", place / ".kept.0123abcd.partial"
    others = [place / name for name in (".other.file.0123abcd.partial", f"{half.name}x", ".file.old.partial")]
    folder.mkdir()
    for one in (half, folder / "inside", *others):
        one.touch()
    for one in (half, folder, *others):
        os.utime(one, (0, 0))
    atomic_write(place / "file", b"new")
    with atomic_folder(place / "kept"):
        pass
    assert sorted(place.iterdir()) == sorted([place / "file", place / "kept", *others])


def test_what_another_is_writing_stays(place: Path) -> None:
    with atomic_open(place / "file", "wb") as file, atomic_folder(place / "kept") as folder:
        file.write(b"first")
        for one in place.glob(".*.partial"):
            os.utime(one, (0, 0))
        atomic_write(place / "file", b"second")
        with atomic_folder(place / "kept", replace=True):
            pass
        (folder / "inside").touch()
        (place / "kept").rmdir()
    assert (place / "file").read_bytes() == b"first"
    assert [path.name for path in (place / "kept").iterdir()] == ["inside"]


def test_a_folder_is_replaced_in_one_step(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with atomic_folder(place / "kept") as folder:
        (folder / "old").touch()

    def away(_path: Path, _target: object) -> None:
        pytest.fail("for a moment nothing was there")

    monkeypatch.setattr(Path, "rename", away)
    with atomic_folder(place / "kept", replace=True) as folder:
        (folder / "new").touch()
    assert [str(path.relative_to(place)) for path in sorted(place.rglob("*"))] == ["kept", "kept/new"]


def test_of_a_link_to_a_folder_the_link_is_removed(place: Path) -> None:
    (place / "shared").mkdir()
    (place / "shared" / "file").touch()
    (place / "link").symlink_to(place / "shared")
    remove_folder(place / "link")
    assert [str(path.relative_to(place)) for path in sorted(place.rglob("*"))] == ["shared", "shared/file"]
