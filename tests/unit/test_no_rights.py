"""A read-only home: reading works, and writing is refused in one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import listing
from disk_commands import COMMANDS, MACHINE, Place, furnish
from disks import Shell, can_mount, check_told, open_folder, read_only, stranger, writable

from weibo_tui.atomic import atomic_folder, folder_aside, remove_folder
from weibo_tui.errors import WeiboTuiError

QUICK = ("settings", "a verdict", "a history export", "a converted base", "no adapter", "no run", "a trained adapter")


@pytest.fixture(scope="module")
def shared(stocked: Path, posts_file: Path, corpus_file: Path) -> Iterator[Place]:
    """A home that only its owner may write to."""
    with open_folder() as folder, open_folder() as elsewhere, Shell() as shell:
        shell.disk = shell.seen = folder
        place = furnish(shell, stocked, posts_file, corpus_file, elsewhere)
        place.restore()
        writable(elsewhere)
        read_only(folder)
        yield place


@pytest.fixture
def place(shared: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("WEIBO_TUI_HOME", str(shared.home))
    return shared


@pytest.fixture
def own() -> Iterator[Path]:
    """A folder that everybody may write to."""
    with open_folder() as folder:
        folder.chmod(0o777)
        yield folder


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in COMMANDS]
)
def test_without_rights_command_changes_nothing(name: str, place: Place) -> None:
    before = listing(place.shell.seen)
    message = check_told(place.shell.run(*place.words(name), user=stranger()), place.shell.seen)
    assert "no space" not in message
    assert listing(place.shell.seen) == before


def test_read_only_home_can_be_read(place: Place, own: Path) -> None:
    shell, before = place.shell, listing(place.shell.seen)
    for words in (
        ["adapters", "list"],
        ["bases", "list"],
        ["history", "list"],
        ["runs", "list"],
        ["runs", "show", place.run],
        ["predict", "雨停了，去江边走走", "--no-history", *MACHINE],
        ["history", "export", own / "history.csv"],
        ["runs", "export", place.run, own / "journal.jsonl"],
        ["adapters", "export", "mood", own / "mood.zip"],
        ["predict", "--file", place.elsewhere / "few.csv", "--out", own / "out.csv", "--no-history", *MACHINE],
    ):
        done = shell.run(*words, user=stranger())
        assert done.code == 0, (words, done.err)
        assert done.out
    assert {path.name for path in own.iterdir()} >= {"history.csv", "journal.jsonl", "mood.zip", "out.csv"}
    doctor = shell.run("doctor", user=stranger())
    assert doctor.err == ""
    assert f"Nothing can be written to {place.home}" in doctor.out
    assert "40 entries" in doctor.out
    assert "out of reach" not in doctor.out
    assert listing(shell.seen) == before


def test_labeling_with_read_only_home_is_refused_before_work(place: Place, own: Path) -> None:
    few, out = place.elsewhere / "few.csv", own / "out.csv"
    done = place.shell.run("predict", "--file", few, "--out", out, *MACHINE, user=stranger())
    said = check_told(done, place.shell.seen)
    assert "--no-history" in said
    assert list(own.iterdir()) == []


def test_home_that_cannot_be_created_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIBO_TUI_HOME", str(place.home / "new" / "deeper"))
    for words in (["adapters", "list"], ["history", "list"]):
        assert place.shell.run(*words, user=stranger()).code == 0
    done = place.shell.run("bases", "add", place.elsewhere / "folder", user=stranger())
    check_told(done, place.home / "new" / "deeper")
    assert not (place.home / "new").exists()


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="nothing can be mounted here")
@pytest.mark.parametrize("name", COMMANDS)
def test_read_only_disk_is_named(name: str, place: Place, mounted: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIBO_TUI_HOME", f"{mounted.shell.disk}/home")
    mounted.restore()
    before = listing(mounted.shell.seen)
    mounted.shell.mount("ro")
    try:
        check_told(mounted.shell.run(*mounted.words(name)), mounted.shell.disk or "")
    finally:
        mounted.shell.mount("rw")
    assert listing(mounted.shell.seen) == before
    assert mounted.shell.run(*mounted.words(name)).code == 0


@pytest.fixture(scope="module")
def mounted(shared: Place) -> Iterator[Place]:
    with open_folder() as folder, Shell(folder) as shell:
        yield Place(shell, shared.elsewhere, shared.run)


def test_folder_that_cannot_be_deleted_is_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "file").write_text("content")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(WeiboTuiError, match="kept cannot be written"):
        remove_folder(folder)
    assert (folder / "file").read_text() == "content"
    assert list(tmp_path.glob("*kept*")) == [folder]


def test_folder_that_cannot_be_emptied_is_kept(place: Place) -> None:
    """Another account runs the command. It may write to the parent folder only."""
    folder = place.elsewhere / "open" / "adapters"
    shutil.copytree(place.elsewhere / "home", folder.parent, dirs_exist_ok=True)
    writable(folder.parent)
    folder.parent.chmod(0o777)
    folder.chmod(0o777)
    read_only(folder / "fitting")
    before = listing(folder)
    words: list[str | Path] = ["adapters", "import", place.elsewhere / "mood.zip", "--name", "fitting", "--overwrite"]
    done = place.shell.run(*words, user=stranger(), environment={"WEIBO_TUI_HOME": str(folder.parent)})
    check_told(done, folder / "fitting")
    assert listing(folder) == before


def test_replacing_folder_of_another_account_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setattr("os.access", lambda *_arguments, **_options: False)
    with pytest.raises(WeiboTuiError, match="kept cannot be written"), atomic_folder(folder, replace=True):
        pass
    assert [*tmp_path.iterdir()].count(folder) == 1


def test_folder_aside_is_restored_after_error(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    with pytest.raises(ZeroDivisionError), folder_aside(folder):
        assert not folder.exists()
        raise ZeroDivisionError
    assert [*tmp_path.glob("*kept*")] == [folder]
    with folder_aside(folder):
        pass
    assert not [*tmp_path.glob("*kept*")]
