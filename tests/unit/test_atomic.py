"""Atomic writes of files and folders."""

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
    make_private_folder,
    open_output,
    remove_folder,
    restore_replaced_folders,
    sha256,
)
from weibo_tui.errors import UserInputError, WeiboTuiError


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def os_error(number: int, path: Path | None = None) -> OSError:
    return OSError(number, os.strerror(number), *([] if path is None else [str(path)]))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def test_private_folder_parents_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private_folder(tmp_path / "new" / "downloads" / "one")
    finally:
        os.umask(before)
    for folder in ("new", "new/downloads", "new/downloads/one"):
        assert mode_of(tmp_path / folder) == 0o700


def test_atomic_write_creates_private_file_and_parents(place: Path) -> None:
    target = place / "a" / "b" / ("微" * 85)  # the longest name
    atomic_write(target, b"content")
    assert target.read_bytes() == b"content"
    assert mode_of(target) == 0o600
    assert mode_of(target.parent) == mode_of(target.parent.parent) == 0o700
    assert [*target.parent.iterdir()] == [target]


def test_atomic_open_replaces_content_at_block_end(place: Path) -> None:
    target = place / "file"
    target.write_text("old")
    with atomic_open(target, encoding="gb18030", newline="\r\n") as file:
        file.write("微博\n")
        file.flush()
        assert target.read_text() == "old"
    assert target.read_bytes() == "微博\r\n".encode("gb18030")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_exception_leaves_no_file_or_folder(place: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic_open(place / "new" / "file", "wb") as file:
        file.write(b"half")
        raise error
    with pytest.raises(error), atomic_folder(place / "also" / "folder") as staging:
        (staging / "half").touch()
        raise error
    assert not [*place.iterdir()]


def test_replaced_file_keeps_permissions_and_link(place: Path) -> None:
    goal, link = place / "goal", place / "link"
    goal.touch()
    goal.chmod(0o640)
    link.symlink_to(goal)
    atomic_write(link, b"new")
    assert link.is_symlink()
    assert goal.read_bytes() == b"new"
    assert mode_of(goal) == 0o640


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "No space left to write .*file. Free some space"),
        (errno.EACCES, "Cannot write .*file: permission denied, .* choose another path"),
        (errno.EIO, r"Cannot write .*file \(Input/output error\). Check the folder"),
    ],
)
def test_os_error_in_block_names_the_file(place: Path, number: int, message: str) -> None:
    target = place / "file"
    for path in (None, target):
        with pytest.raises(WeiboTuiError, match=message) as caught, atomic_open(target):
            raise os_error(number, path)
        assert caught.value.exit_code == 1
        assert "\n" not in str(caught.value)
    with pytest.raises(WeiboTuiError, match=message), atomic_folder(target) as staging:
        raise os_error(number, staging / "weights")


def test_os_error_about_another_file_passes(place: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_open(place / "file"):
        (place / "source").read_bytes()
    with pytest.raises(BrokenPipeError), atomic_open(place / "file"):
        raise os_error(errno.EPIPE)


def test_atomic_write_to_invalid_path_is_refused(place: Path) -> None:
    os.mkfifo(place / "pipe")
    (place / "link").symlink_to(place / "pipe")
    (place / "file").touch()
    for target in (place, place / "pipe", place / "link"):
        with pytest.raises(UserInputError, match=f"Not a regular file: .*{target.name}. Choose another output file."):
            atomic_write(target, b"")
    with pytest.raises(WeiboTuiError, match=r"Cannot write .*file/below \(Not a directory\)"):
        atomic_write(place / "file" / "below", b"")
    assert (place / "pipe").is_fifo()
    assert sorted(path.name for path in place.iterdir()) == ["file", "link", "pipe"]


@pytest.mark.parametrize("has_hard_links", [True, False])
def test_output_that_appears_during_block_is_kept(
    place: Path, has_hard_links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_paths: object) -> None:
        raise os_error(errno.EPERM)

    if not has_hard_links:
        monkeypatch.setattr(os, "link", refuse)
    with open_output(place / "out", "wb") as file:
        file.write(b"ours")
    assert (place / "out").read_bytes() == b"ours"
    with pytest.raises(UserInputError, match="File exists: .*other. Use --over"), open_output(place / "other", "wb"):
        (place / "other").write_bytes(b"theirs")
    assert (place / "other").read_bytes() == b"theirs"
    assert len([*place.iterdir()]) == 2


def test_atomic_folder_appears_at_block_end(place: Path) -> None:
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


def test_existing_folder_is_refused_unless_replaced(place: Path) -> None:
    target = place / "mine"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(UserInputError, match="mine exists. Choose another name"), atomic_folder(target):
        pass
    with pytest.raises(ValueError), atomic_folder(target, replace=True):
        raise ValueError
    with pytest.raises(WeiboTuiError, match="Cannot write .*mine "), atomic_folder(target, replace=True) as staging:
        staging.rmdir()  # so that the rename fails
    assert [path.name for path in target.iterdir()] == ["old"]
    with atomic_folder(target, replace=True) as staging:
        (staging / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [*place.iterdir()] == [target]


def test_folder_of_a_killed_replacement_is_restored(place: Path) -> None:
    target, aside = place / "mine", place / ".mine.replaced"
    (aside / "old").mkdir(parents=True)  # where a kill after the first rename leaves it
    restore_replaced_folders(place)
    assert [path.name for path in target.iterdir()] == ["old"]
    (aside / "older").mkdir(parents=True)  # left by a kill after the second rename
    restore_replaced_folders(place)
    assert [path.name for path in target.iterdir()] == ["old"]
    with atomic_folder(target, replace=True) as staging:
        (staging / "new").touch()
    assert [*place.rglob("*")] == [target, target / "new"]


def test_folder_that_appears_during_block_is_kept(place: Path) -> None:
    target = place / "mine"
    with pytest.raises(UserInputError, match="mine exists. Choose another name"), atomic_folder(target) as folder:
        (folder / "of").write_text("this program", encoding="utf-8")
        target.mkdir()
        (target / "of").write_text("another", encoding="utf-8")
    assert (target / "of").read_text(encoding="utf-8") == "another"
    assert [*place.iterdir()] == [target]


def test_sha256_hashes_the_bytes(place: Path) -> None:
    (place / "file").write_bytes(b"x" * 3_000_000)
    assert sha256(place / "file") == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    with pytest.raises(WeiboTuiError, match="Cannot read .*none "):
        sha256(place / "none")


def test_stale_partials_are_deleted_by_next_write(place: Path) -> None:
    stale, folder = place / ".file.0123abcd.partial", place / ".kept.0123abcd.partial"
    others = [place / name for name in (".other.file.0123abcd.partial", f"{stale.name}x", ".file.old.partial")]
    recent = [place / ".file.89abcdef.partial", place / ".kept.89abcdef.partial"]
    folder.mkdir()
    for path in (stale, folder / "inside", *others, *recent):
        path.touch()
    for path in (stale, folder, *others):
        os.utime(path, (0, 0))
    atomic_write(place / "file", b"new")
    with atomic_folder(place / "kept"):
        pass
    assert sorted(place.iterdir()) == sorted([place / "file", place / "kept", *others, *recent])


def test_remove_folder_of_link_keeps_its_target(place: Path) -> None:
    (place / "shared").mkdir()
    (place / "shared" / "file").touch()
    (place / "link").symlink_to(place / "shared")
    remove_folder(place / "link")
    assert [str(path.relative_to(place)) for path in sorted(place.rglob("*"))] == ["shared", "shared/file"]
