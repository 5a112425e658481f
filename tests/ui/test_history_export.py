"""The history as a CSV file: what is in it, where it goes, and that nothing half-written stays."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browsing import ANALYSIS, FILE, HOSTILE, Scene, at, judged, keep, read_csv
from stage import message_line, play, until
from textual.pilot import Pilot
from textual.widgets import Static

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.forms.fields import Field
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.history.export_dialog import ExportForm
from weibo_tui.app.history.export_status import ExportLine
from weibo_tui.storage import history as storage
from weibo_tui.storage.history import Analysis, Entry


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's own folder, where an export goes unless they name another."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    return folder


async def begin(history: Scene, place: Path | None = None, **fields: str) -> None:
    """Open the form, fill it in, and press Enter."""
    await history.press("e")
    await history.until_asked(ExportForm)
    form = history.app.screen
    if place is not None:
        form.query_one(PathInput).value = str(place)
    for name, text in fields.items():
        form.query_one(f"#field-{name}", Field).text = text
    await history.pilot.pause()
    await history.pilot.press("enter")


async def finished(history: Scene) -> str:
    """Wait for the end of an export; what is said of it."""
    line = history.screen.query_one(ExportLine)
    await until(history.pilot, lambda: "✓" in str(line.content))
    await history.settled()
    return str(line.content)


def analyses(entries: list[Entry]) -> list[Analysis]:
    """The analyses in the order of a file, oldest first."""
    return [entry for entry in reversed(entries) if isinstance(entry, Analysis)]


def test_the_whole_history_is_written_and_reads_back_as_it_was(home: Path, user_folder: Path) -> None:
    hostile = [
        replace(ANALYSIS, text=text, label=text, adapter=text, created_at=at(200 + minute))
        for minute, text in enumerate([HOSTILE, "=1+1", "'=x", "@小林", "\r\n\t", 'a"b,c', "-2 度", ""])
    ]
    entries = keep(home, [*judged(150), *hostile, FILE])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await begin(history)
        said = await finished(history)
        [place] = user_folder.iterdir()
        assert place.name.startswith("weibo-history-")
        assert f"158 posts written, and the file's place copied: {place}" in said
        assert pilot.app.clipboard == str(place)
        assert place.read_bytes().startswith(b"\xef\xbb\xbfid,")
        rows = read_csv(place)
        assert [row["text"] for row in rows] == [one.text for one in analyses(entries)]
        assert [row["label"] for row in rows] == [one.settled_label for one in analyses(entries)]
        assert [row["adapter"] for row in rows] == [one.adapter for one in analyses(entries)]
        assert [float(row["confidence"]) for row in rows] == [one.confidence for one in analyses(entries)]
        raw = [row["text"] for row in read_csv(place, guarded=False)]
        assert not any(text.startswith(tuple("=+-@\t\r")) for text in raw)
        assert "export" not in history.lines[-2]  # the status line
        await history.press("escape")
        assert "written" not in history.text

    play(scene)


def test_what_is_shown_can_be_written_alone(home: Path, tmp_path: Path) -> None:
    entries = keep(home, judged(120))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", *"电影", "enter")
        await history.press("e")
        await history.until_asked(ExportForm)
        found = [one for one in analyses(entries) if "电影" in one.text]
        await until(pilot, lambda: f"{len(found)} posts" in history.text)
        assert "“电影”" in history.text
        pilot.app.screen.query_one(PathInput).value = str(tmp_path / "some.csv")
        await pilot.press("enter")
        await finished(history)
        assert [row["text"] for row in read_csv(tmp_path / "some.csv")] == [one.text for one in found]
        await begin(history, tmp_path / "all.csv", what="all")
        await until(pilot, (tmp_path / "all.csv").exists)
        assert len(read_csv(tmp_path / "all.csv")) == 120

    play(scene)


def test_mark_and_guard_can_be_left_out(home: Path, tmp_path: Path) -> None:
    keep(home, [replace(ANALYSIS, text="=1+1")])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await begin(history, tmp_path / "plain.csv", bom="no", guard="no")
        await finished(history)
        assert (tmp_path / "plain.csv").read_bytes().startswith(b"id,")
        assert b',"=1+1",' in (tmp_path / "plain.csv").read_bytes()

    play(scene)


def test_an_existing_file_is_replaced_only_by_choice(home: Path, tmp_path: Path) -> None:
    keep(home, judged(3))
    place = tmp_path / "old.csv"
    place.write_text("old")

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await begin(history, place)
        await history.until_asked(ChoiceDialog)
        question = str(pilot.app.screen.query_one(".question", Static).content)
        assert question == f"{place} is there already."
        await pilot.press("enter")
        await history.until_asked(ExportForm)
        assert place.read_text() == "old"
        pilot.app.screen.query_one(PathInput).focus()
        await pilot.press("enter")
        await history.until_asked(ChoiceDialog)
        await history.choose("Replace it")
        await finished(history)
        assert len(read_csv(place)) == 3

    play(scene)


def test_the_suggested_file_is_one_that_is_not_there_yet(home: Path, user_folder: Path) -> None:
    keep(home, judged(3))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await begin(history)
        await finished(history)
        await begin(history)
        await until(pilot, lambda: len(list(user_folder.glob("weibo-history-*.csv"))) == 2)
        assert len(list(user_folder.glob("weibo-history-*-2.csv"))) == 1

    play(scene)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [("", "Name the file to write."), ("{folder}", "is a folder"), ("{folder}/no/such.csv", "There is no folder")],
)
def test_a_place_that_will_not_do_is_said_in_the_form(home: Path, tmp_path: Path, typed: str, problem: str) -> None:
    keep(home, judged(3))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("e")
        await history.until_asked(ExportForm)
        pilot.app.screen.query_one(PathInput).value = typed.format(folder=tmp_path)
        await pilot.pause()
        await pilot.click("#export")
        await until(pilot, lambda: problem in " ".join(history.text.replace("│", " ").split()))
        await pilot.click("#cancel")
        await history.until_closed()
        assert history.screen.query_one(ExportLine).job is None

    play(scene)


def test_a_file_name_of_any_text_is_written_shown_and_copied(home: Path, tmp_path: Path) -> None:
    keep(home, judged(3))
    place = tmp_path / "[doge] 电影 [b]x.csv"

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await begin(history, place)
        assert "[doge] 电影 [b]x.csv" in await finished(history)
        assert pilot.app.clipboard == str(place)
        assert len(read_csv(place)) == 3

    play(scene)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Makes exports of one row at a time to a slow disk, until it is set."""
    row, event = storage._export_row, threading.Event()

    def slowly(analysis: Analysis) -> list[Any]:
        event.wait(0.02)
        return row(analysis)

    monkeypatch.setattr(storage, "_EXPORTED_AT_ONCE", 1)
    monkeypatch.setattr(storage, "_export_row", slowly)
    return event


def test_a_stopped_export_leaves_nothing_and_what_was_there_as_it_was(
    home: Path, tmp_path: Path, hurry: threading.Event
) -> None:
    keep(home, judged(400))
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "old.csv").write_text("old")

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        line = history.screen.query_one(ExportLine)
        for name in ("new.csv", "old.csv"):
            await begin(history, folder / name)
            if name == "old.csv":
                await history.until_asked(ChoiceDialog)
                await history.choose("Replace it")
            await until(pilot, lambda: line.job is not None and line.job.progress is not None)
            assert len(list(folder.iterdir())) == 2  # the old one, and the one that is being written
            await pilot.press("s")
            await until(pilot, lambda: line.job is None)
            await until(pilot, lambda: message_line(pilot) == "The export was stopped: no file was written.")
            assert [path.name for path in folder.iterdir()] == ["old.csv"]
            assert (folder / "old.csv").read_text() == "old"

    play(scene)


def test_the_table_answers_while_an_export_goes_on(home: Path, tmp_path: Path, hurry: threading.Event) -> None:
    entries = keep(home, judged(400))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        line = history.screen.query_one(ExportLine)
        await begin(history, tmp_path / "all.csv")
        await until(pilot, lambda: line.job is not None and line.job.progress is not None)
        assert "Exporting all.csv" in history.text
        assert "Stop the export" in history.lines[-1]
        assert "e Export" not in history.lines[-1]
        await pilot.press("G")
        await until(pilot, lambda: history.entry == entries[-1])
        await pilot.press("X")
        assert "An export is at work" in message_line(pilot)
        assert line.job is not None
        hurry.set()
        await finished(history)
        assert len(read_csv(tmp_path / "all.csv")) == 400

    play(scene)


def test_a_disk_that_fails_is_said_and_leaves_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(home, judged(3))

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        monkeypatch.setattr("weibo_tui.atomic.os.fsync", full)
        await begin(history, tmp_path / "new.csv")
        await until(pilot, lambda: "There is no space left" in message_line(pilot))
        assert not list(tmp_path.glob("*.csv")) + list(tmp_path.glob(".*partial"))
        assert "Exporting" not in history.text

    play(scene)
