"""A read-only home: reading works, and writing is refused in one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from commands import MACHINE, listing
from disk_commands import COMMANDS, Place, furnish
from disks import Shell, can_mount, check_message, open_folder, read_only, stranger, writable

from weibo_tui import Workbench
from weibo_tui.atomic import atomic_folder, remove_folder
from weibo_tui.errors import WeiboTuiError

QUICK = ("settings", "a verdict", "a history export", "no adapter", "no run")


@pytest.fixture(scope="module")
def shared(stocked: Path, posts_file: Path, corpus_file: Path) -> Iterator[Place]:
    """A home that only its owner may write to."""
    with open_folder() as folder, open_folder() as elsewhere, Shell() as shell:
        shell.disk = shell.seen = folder
        place = furnish(shell, stocked, posts_file, corpus_file, elsewhere)
        place.restore()
        writable(elsewhere)
        with Workbench(place.home) as wb:
            wb.open_file(elsewhere / "few.csv", progress=False)
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


@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(COMMANDS), marks=pytest.mark.slow)], ids=["quick", "all"])
def test_without_rights_commands_change_nothing(names: Sequence[str], place: Place) -> None:
    before = listing(place.shell.seen)
    for name in names:
        message = check_message(place.shell.run(*place.words(name), user=stranger()), place.shell.seen)
        assert "No space" not in message
        assert listing(place.shell.seen) == before, name


def test_read_only_home_can_be_read(place: Place, own: Path) -> None:
    shell, before = place.shell, listing(place.shell.seen)
    for words in (
        ["adapters", "list"],
        ["bases", "list"],
        ["history", "list"],
        ["runs", "list"],
        ["runs", "show", place.run],
        ["files", "list"],
        ["files", "show", place.elsewhere / "few.csv", "--search", "的"],
        ["files", "export", place.elsewhere / "few.csv", own / "rows.csv"],
        ["predict", "雨停了，去江边走走", "--no-history", *MACHINE],
        ["history", "export", own / "history.csv"],
        ["runs", "export", place.run, own / "journal.jsonl"],
        ["adapters", "export", "mood", own / "mood.zip"],
        ["predict", "--file", place.elsewhere / "few.csv", "--out", own / "out.csv", "--no-history", *MACHINE],
    ):
        result = shell.run(*words, user=stranger())
        assert result.code == 0, (words, result.err)
        assert result.out
    assert {path.name for path in own.iterdir()} >= {"history.csv", "journal.jsonl", "mood.zip", "out.csv", "rows.csv"}
    doctor = shell.run("doctor", user=stranger())
    assert doctor.err == ""
    assert f"Cannot write to {place.home}" in doctor.out
    assert "40 entries" in doctor.out
    assert "Cannot open database" not in doctor.out
    assert listing(shell.seen) == before


def test_labeling_with_read_only_home_is_refused_before_work(place: Place, own: Path) -> None:
    few, out = place.elsewhere / "few.csv", own / "out.csv"
    result = place.shell.run("predict", "--file", few, "--out", out, *MACHINE, user=stranger())
    message = check_message(result, place.shell.seen)
    assert "--no-history" in message
    assert list(own.iterdir()) == []


def test_home_that_cannot_be_created_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIBO_TUI_HOME", str(place.home / "new" / "deeper"))
    for words in (["adapters", "list"], ["history", "list"]):
        assert place.shell.run(*words, user=stranger()).code == 0
    result = place.shell.run("bases", "add", place.elsewhere / "folder", user=stranger())
    check_message(result, place.home / "new" / "deeper")
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
        check_message(mounted.shell.run(*mounted.words(name)), mounted.shell.disk or "")
    finally:
        mounted.shell.mount("rw")
    assert listing(mounted.shell.seen) == before
    assert mounted.shell.run(*mounted.words(name)).code == 0


@pytest.fixture(scope="module")
def mounted(shared: Place) -> Iterator[Place]:
    with open_folder() as folder, Shell(folder) as shell:
        yield Place(shell, shared.elsewhere, shared.run)


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
    result = place.shell.run(*words, user=stranger(), environment={"WEIBO_TUI_HOME": str(folder.parent)})
    check_message(result, folder / "fitting")
    assert listing(folder) == before


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "file").write_text("content")
    return folder


def test_folder_that_cannot_be_deleted_is_restored(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(WeiboTuiError, match="Cannot write .*kept"):
        remove_folder(kept)
    assert (kept / "file").read_text() == "content"
    assert list(kept.parent.glob("*kept*")) == [kept]


def test_replacing_folder_of_another_account_is_refused(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_arguments, **_options: False)
    with pytest.raises(WeiboTuiError, match="Cannot write .*kept"), atomic_folder(kept, replace=True):
        pass
    assert list(kept.parent.glob("*kept*")) == [kept]
