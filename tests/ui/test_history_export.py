"""The export of the history: what the file contains, where it goes, and that no partial file stays."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browsing import ANALYSIS, FILE, HOSTILE, Scene, at, keep, play_history, predictions, read_csv
from stage import message_line, shows, until
from textual.widgets import Static

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.forms.export_line import ExportLine
from weibo_tui.app.forms.fields import Field
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.history.export import ExportForm
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.storage import history as storage
from weibo_tui.storage.history import Analysis
from weibo_tui.storage.history_export import export_row


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
    await history.press("ctrl+s")


async def finished(history: Scene) -> str:
    """Wait for the message about a finished export, and hide it. Return its text."""
    text = ""

    def is_shown() -> bool:
        nonlocal text
        text = message_line(history.pilot)
        return "written" in text

    await until(history.pilot, is_shown)
    assert not history.screen.query_one(ExportLine).display
    history.screen.query_one(StatusMessage).hide()
    await history.pilot.pause()
    return text


def test_export_contains_what_was_chosen(home: Path, user_folder: Path, tmp_path: Path) -> None:
    hostile = [
        replace(ANALYSIS, text=text, label=text, adapter=text, created_at=at(200 + minute))
        for minute, text in enumerate([HOSTILE, "=1+1", "'=x", "@小林", "\r\n\t", 'a"b,c', "-2 度", ""])
    ]
    entries = keep(home, [*predictions(110), *hostile, FILE])
    analyses = [entry for entry in reversed(entries) if isinstance(entry, Analysis)]  # oldest first, as in a file
    matches = [analysis.text for analysis in analyses if "电影" in analysis.text]
    odd, some = tmp_path / "[doge] 电影 [b]x.csv", tmp_path / "some.csv"

    async def act(history: Scene) -> None:
        await start(history, columns="full")
        line = await finished(history)
        [path] = user_folder.iterdir()
        assert path.name.startswith("weibo-history-")
        assert f"118 posts written, path copied: {path}" in line
        assert history.app.clipboard == str(path)
        assert path.read_bytes().startswith(b"\xef\xbb\xbfid,")
        rows = read_csv(path)
        assert [row["text"] for row in rows] == [analysis.text for analysis in analyses]
        assert [row["label"] for row in rows] == [analysis.effective_label for analysis in analyses]
        assert [row["adapter"] for row in rows] == [analysis.adapter for analysis in analyses]
        assert [float(row["confidence"]) for row in rows] == [analysis.confidence for analysis in analyses]
        raw = [row["text"] for row in read_csv(path, guarded=False)]
        assert not any(text.startswith(tuple("=+-@\t\r")) for text in raw)
        assert "export" not in history.lines[-2] and "written" not in history.text  # nor in the status bar

        await open_form(history, bom="no", guard="no")
        field = history.app.screen.query_one(PathInput)
        assert re.fullmatch(r"weibo-history-\d+-2\.csv", field.path.name)  # another name
        field.value = str(odd)
        await history.press("ctrl+s")
        assert odd.name in await finished(history)
        assert history.app.clipboard == str(odd)
        assert odd.read_bytes().startswith(b"id,")
        assert b',"=1+1",' in odd.read_bytes()

        await history.press("slash", *"电影", "enter")
        await open_form(history, some, what="all")
        await until(history.pilot, lambda: "118 posts" in history.text)
        history.app.screen.query_one("#field-what", Field).text = "shown"
        await until(history.pilot, lambda: f"{len(matches)} posts" in history.text)
        assert "“电影”" in history.text
        await history.press("ctrl+s")
        await finished(history)
        assert [row["text"] for row in read_csv(some)] == matches[::-1]  # as in the list
        assert read_csv(some)[0]["prob_positive"]  # the readable columns are preselected

        await history.press("x")
        await history.press("g", "space", "down", "space")
        await open_form(history, tmp_path / "marked.csv")
        await until(history.pilot, lambda: "only the marked" in history.text and "2 posts" in history.text)
        await history.press("ctrl+s")
        await finished(history)
        marked = [history.entries[0], history.entries[2]]
        assert [row["id"] for row in read_csv(tmp_path / "marked.csv")] == [str(entry.id) for entry in marked]
        assert "2 marked" in history.text

    play_history(act)


def test_readable_export_has_the_order_of_the_list(home: Path, tmp_path: Path) -> None:
    posts = [replace(ANALYSIS, text=text, created_at=at(second)) for second, text in enumerate("丙甲乙丁")]
    keep(home, [*posts, FILE])
    sorted_out, marked_out = tmp_path / "sorted.csv", tmp_path / "marked.csv"

    async def act(history: Scene) -> None:
        await history.answer("o", "post")
        await until(history.pilot, lambda: history.browser.order.column == "text")
        await start(history, sorted_out)
        await finished(history)
        assert "".join(row["text"] for row in read_csv(sorted_out)) == "丁丙乙甲"
        await history.press("O")
        await history.press("g", "space", "down", "space")
        await start(history, marked_out)
        await finished(history)
        assert "".join(row["text"] for row in read_csv(marked_out)) == "甲丙"

    play_history(act)


def test_export_problems_are_shown(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(home, predictions(3))
    existing = tmp_path / "old.csv"
    existing.write_text("old")
    problems = {
        "": "Choose a file to write.",
        str(tmp_path): "is a folder",
        str(tmp_path / "no" / "such.csv"): "Folder not found",
    }

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    async def act(history: Scene) -> None:
        await open_form(history)
        for path, problem in problems.items():
            history.app.screen.query_one(PathInput).value = path
            await history.pilot.pause()
            await history.press("ctrl+s")
            await until(history.pilot, lambda: problem in " ".join(history.text.replace("│", " ").split()))  # noqa: B023
        await history.press("escape")
        await history.until_closed()
        assert history.screen.query_one(ExportLine).job is None

        await start(history, existing)
        await history.until_dialog(ChoiceDialog)
        assert str(history.app.screen.query_one(".question", Static).content) == f"File exists: {existing}."
        await history.press("enter")
        await history.until_dialog(ExportForm)
        assert existing.read_text() == "old"
        await history.press("ctrl+s")
        await history.until_dialog(ChoiceDialog)
        await history.choose("Replace")
        await finished(history)
        assert len(read_csv(existing)) == 3

        monkeypatch.setattr("weibo_tui.atomic.os.fsync", full)
        await start(history, tmp_path / "new.csv")
        await until(history.pilot, lambda: "No space left" in message_line(history.pilot))
        assert [path.name for path in tmp_path.glob("*.csv")] == ["old.csv"]
        assert not list(tmp_path.glob(".*partial"))
        assert "Exporting" not in history.text

    play_history(act)


def test_stopped_export_leaves_no_file(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = keep(home, predictions(400))
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "old.csv").write_text("old")
    fast = threading.Event()

    def slow_row(analysis: Analysis, labels: Sequence[str] | None) -> list[Any]:
        fast.wait(0.1)
        return export_row(analysis, labels)

    monkeypatch.setattr(storage, "_EXPORT_PAGE_SIZE", 1)
    monkeypatch.setattr(storage, "export_row", slow_row)

    async def act(history: Scene) -> None:
        line = history.screen.query_one(ExportLine)
        await start(history, folder / "old.csv")
        await history.until_dialog(ChoiceDialog)
        await history.choose("Replace")
        await until(history.pilot, lambda: len(list(folder.iterdir())) == 2)  # the old file and a temporary one
        await history.press("s")
        await until(history.pilot, lambda: message_line(history.pilot) == "Export stopped. No file was written.")
        assert [path.name for path in folder.iterdir()] == ["old.csv"]
        assert (folder / "old.csv").read_text() == "old"

        # The table answers during an export.
        await start(history, tmp_path / "all.csv")
        await shows(history.pilot, "Exporting all.csv", "Stop the export")
        assert "e Export" not in history.lines[-1]
        await history.press("G")
        await until(history.pilot, lambda: history.entry == entries[-1])
        await history.press("X")
        assert "An export is running" in message_line(history.pilot)
        assert line.job is not None
        fast.set()
        await finished(history)
        assert len(read_csv(tmp_path / "all.csv")) == 400

    play_history(act)
