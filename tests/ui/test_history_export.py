"""The export of the history: what the file contains, where it goes, and that no partial file stays."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browsing import ANALYSIS, FILE, HOSTILE, Scene, at, keep, predictions, read_csv
from stage import message_line, play, until
from textual.pilot import Pilot
from textual.widgets import Button, Static

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.forms.fields import Field
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.history.export_dialog import ExportForm
from weibo_tui.app.history.export_status import ExportLine
from weibo_tui.storage import history as storage
from weibo_tui.storage.history import Analysis, Entry


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, the default place of an export."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    return folder


async def open_form(history: Scene, path: Path | None = None, **fields: str) -> None:
    await history.press("e")
    await history.until_dialog(ExportForm)
    form = history.app.screen
    if path is not None:
        form.query_one(PathInput).value = str(path)
    for name, text in fields.items():
        form.query_one(f"#field-{name}", Field).text = text
    await history.pilot.pause()


async def start(history: Scene, path: Path | None = None, **fields: str) -> None:
    await open_form(history, path, **fields)
    await history.pilot.press("enter")


async def finished(history: Scene) -> str:
    """Wait for the end of an export. Return the line about it."""
    line = history.screen.query_one(ExportLine)
    await until(history.pilot, lambda: "✓" in str(line.content))
    await history.settled()
    return str(line.content)


def analyses(entries: list[Entry]) -> list[Analysis]:
    """The analyses in the order of a file, oldest first."""
    return [entry for entry in reversed(entries) if isinstance(entry, Analysis)]


def test_export_contains_the_whole_history(home: Path, user_folder: Path, tmp_path: Path) -> None:
    hostile = [
        replace(ANALYSIS, text=text, label=text, adapter=text, created_at=at(200 + minute))
        for minute, text in enumerate([HOSTILE, "=1+1", "'=x", "@小林", "\r\n\t", 'a"b,c', "-2 度", ""])
    ]
    entries = keep(home, [*predictions(150), *hostile, FILE])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await start(history)
        line = await finished(history)
        [path] = user_folder.iterdir()
        assert path.name.startswith("weibo-history-")
        assert f"158 posts written, and the file's place copied: {path}" in line
        assert pilot.app.clipboard == str(path)
        assert path.read_bytes().startswith(b"\xef\xbb\xbfid,")
        rows = read_csv(path)
        assert [row["text"] for row in rows] == [one.text for one in analyses(entries)]
        assert [row["label"] for row in rows] == [one.effective_label for one in analyses(entries)]
        assert [row["adapter"] for row in rows] == [one.adapter for one in analyses(entries)]
        assert [float(row["confidence"]) for row in rows] == [one.confidence for one in analyses(entries)]
        raw = [row["text"] for row in read_csv(path, guarded=False)]
        assert not any(text.startswith(tuple("=+-@\t\r")) for text in raw)
        assert "export" not in history.lines[-2]  # the status bar
        await history.press("escape")
        assert "written" not in history.text

        await start(history)  # the suggested name is a new one
        await until(pilot, lambda: len(list(user_folder.glob("weibo-history-*-2.csv"))) == 1)
        await finished(history)
        odd = tmp_path / "[doge] 电影 [b]x.csv"
        await history.press("escape")
        await start(history, odd, bom="no", guard="no")
        await until(pilot, lambda: "[doge] 电影 [b]x.csv" in str(history.screen.query_one(ExportLine).content))
        assert odd.name in await finished(history)
        assert pilot.app.clipboard == str(odd)
        assert odd.read_bytes().startswith(b"id,")
        assert b',"=1+1",' in odd.read_bytes()

    play(scene)


def test_export_of_the_filtered_history(home: Path, tmp_path: Path) -> None:
    entries = keep(home, predictions(120))
    matches = [one.text for one in analyses(entries) if "电影" in one.text]

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", *"电影", "enter")
        await open_form(history, tmp_path / "some.csv")
        await until(pilot, lambda: f"{len(matches)} posts" in history.text)
        assert "“电影”" in history.text
        await pilot.press("enter")
        await finished(history)
        assert [row["text"] for row in read_csv(tmp_path / "some.csv")] == matches
        await start(history, tmp_path / "all.csv", what="all")
        await until(pilot, (tmp_path / "all.csv").exists)
        assert len(read_csv(tmp_path / "all.csv")) == 120

    play(scene)


def test_export_path_problems_are_shown_in_the_form(home: Path, tmp_path: Path) -> None:
    keep(home, predictions(3))
    existing = tmp_path / "old.csv"
    existing.write_text("old")
    problems = {
        "": "Name the file to write.",
        str(tmp_path): "is a folder",
        str(tmp_path / "no" / "such.csv"): "There is no folder",
    }

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await open_form(history)
        for path, problem in problems.items():
            pilot.app.screen.query_one(PathInput).value = path
            await pilot.pause()
            pilot.app.screen.query_one("#export", Button).press()
            await until(pilot, lambda: problem in " ".join(history.text.replace("│", " ").split()))  # noqa: B023
        await pilot.click("#cancel")
        await history.until_closed()
        assert history.screen.query_one(ExportLine).job is None

        await start(history, existing)
        await history.until_dialog(ChoiceDialog)
        assert str(pilot.app.screen.query_one(".question", Static).content) == f"{existing} is there already."
        await pilot.press("enter")
        await history.until_dialog(ExportForm)
        assert existing.read_text() == "old"
        pilot.app.screen.query_one(PathInput).focus()
        await pilot.press("enter")
        await history.until_dialog(ChoiceDialog)
        await history.choose("Replace it")
        await finished(history)
        assert len(read_csv(existing)) == 3

    play(scene)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Makes exports slow, one row at a time, until it is set."""
    row, event = storage._export_row, threading.Event()

    def slow_row(analysis: Analysis) -> list[Any]:
        event.wait(0.02)
        return row(analysis)

    monkeypatch.setattr(storage, "_EXPORT_PAGE_SIZE", 1)
    monkeypatch.setattr(storage, "_export_row", slow_row)
    return event


def test_stopped_export_leaves_no_file(home: Path, tmp_path: Path, fast: threading.Event) -> None:
    entries = keep(home, predictions(400))
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "old.csv").write_text("old")

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        line = history.screen.query_one(ExportLine)
        for name in ("new.csv", "old.csv"):
            await start(history, folder / name)
            if name == "old.csv":
                await history.until_dialog(ChoiceDialog)
                await history.choose("Replace it")
            await until(pilot, lambda: line.job is not None and line.job.progress is not None)
            assert len(list(folder.iterdir())) == 2  # the old file and a temporary one
            await pilot.press("s")
            await until(pilot, lambda: line.job is None)
            await until(pilot, lambda: message_line(pilot) == "The export was stopped: no file was written.")
            assert [path.name for path in folder.iterdir()] == ["old.csv"]
            assert (folder / "old.csv").read_text() == "old"

        # The table answers during an export.
        await start(history, tmp_path / "all.csv")
        await until(pilot, lambda: line.job is not None and line.job.progress is not None)
        assert "Exporting all.csv" in history.text
        assert "Stop the export" in history.lines[-1]
        assert "e Export" not in history.lines[-1]
        await pilot.press("G")
        await until(pilot, lambda: history.entry == entries[-1])
        await pilot.press("X")
        assert "An export is at work" in message_line(pilot)
        assert line.job is not None
        fast.set()
        await finished(history)
        assert len(read_csv(tmp_path / "all.csv")) == 400

    play(scene)


def test_export_to_a_full_disk_leaves_no_file(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(home, predictions(3))

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        monkeypatch.setattr("weibo_tui.atomic.os.fsync", full)
        await start(history, tmp_path / "new.csv")
        await until(pilot, lambda: "There is no space left" in message_line(pilot))
        assert not list(tmp_path.glob("*.csv")) + list(tmp_path.glob(".*partial"))
        assert "Exporting" not in history.text

    play(scene)
