"""Edits of the history by key: correct, mark, delete, undo, clear, copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, FAILED, FILE, HOSTILE, Scene, at, keep, play_history, predictions
from stage import message_line, until
from textual.widgets import OptionList

from weibo_tui import Workbench
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.storage.history import Analysis


def test_entry_is_corrected_copied_and_edited(furnished: Path) -> None:
    hostile = replace(
        ANALYSIS, text=HOSTILE, adapter="gone", label="[b]", probabilities={"[b]": 0.9, HOSTILE: 0.1}, created_at=at(1)
    )
    entries = keep(furnished, [FAILED, hostile, replace(FILE, created_at=at(2)), replace(ANALYSIS, created_at=at(3))])

    async def act(history: Scene) -> None:
        await until(history.pilot, lambda: history.app.catalog.adapters)
        await history.press("l")
        assert f"Label of “{ANALYSIS.text}”:" in history.text
        await history.press("escape")
        await history.until_closed()
        assert keep(furnished) == entries
        await history.answer("l", "1 negative")
        corrected = replace(ANALYSIS, id=entries[0].id, created_at=at(3), corrected="negative")
        assert history.entry == keep(furnished)[0] == corrected
        assert "▲→▼ negative" in history.lines[3]
        assert "corrected to ▼ negative" in history.details
        for digit in ("2", "0"):
            await history.press("l")
            await history.until_dialog(ChoiceDialog)
            await history.press(digit)
            await history.until_closed()
            await until(history.pilot, lambda: ("confirmed" in history.details) == (digit == "2"))  # noqa: B023
        assert keep(furnished) == entries
        assert "corrected" not in history.details

        await history.press("down", "l", "c")  # a file has no label
        assert history.app.screen is history.screen
        assert "l Correct" not in history.lines[-1]
        assert history.app.clipboard == str(FILE.out)
        await history.press("down", "y")
        assert history.app.clipboard == HOSTILE
        assert message_line(history.pilot) == "Copied the post."
        await history.press("l")
        await history.until_dialog(ChoiceDialog)
        history.app.screen.query_one(OptionList).highlighted = 2
        await history.press("enter")
        await history.until_closed()
        assert [entry.corrected for entry in keep(furnished)[2:] if isinstance(entry, Analysis)] == [HOSTILE, None]
        await history.press("down", "l")  # a failed post gets one of the labels of its adapter
        prompts = [str(option.prompt) for option in history.app.screen.query_one(OptionList).options]
        assert prompts == ["0 predicted: failed", "1 negative", "2 positive"]
        await history.choose("2 positive")
        await history.until_closed()
        assert "✗→▲ positive" in history.lines[6]

        await history.press("g", "r")
        predict = history.app.main_screens["predict"]
        assert isinstance(predict, PredictScreen)
        await until(history.pilot, lambda: history.app.screen is predict)
        assert predict.prompt.text == ANALYSIS.text

    play_history(act)


def test_deletions_are_undone_last_first(home: Path) -> None:
    (home / "settings.toml").write_text('[keys]\n"history.unfilter" = "z"\n"history.undo" = "ctrl+u"\n')
    entries = keep(home, [*predictions(30), replace(FILE, created_at=at(28))])

    async def act(history: Scene) -> None:
        assert "Undo" not in history.lines[-1]
        await history.press("d")
        assert f"Delete “{history.post}”?" in history.text
        await history.press("enter")  # the safe answer comes first
        await history.until_closed()
        assert keep(home) == entries
        await history.press("down", "down")
        for index in (2, 3):
            await history.answer("d", "Delete")
            assert message_line(history.pilot) == "1 entry deleted. Press Ctrl+U to undo."  # a key from the settings
            assert history.entry == entries[index + 1]
            assert history.where.endswith(f" of {32 - index}")
        assert keep(home) == entries[:2] + entries[4:]
        for index in (3, 2):
            await history.press("ctrl+u")
            assert history.entry == entries[index]
        assert keep(home) == history.entries == entries
        assert "Undo" not in history.lines[-1]
        await history.press("d")
        with Workbench(home) as wb:  # another program deletes it first
            wb.history.delete([entries[2]])
        await history.choose("Delete")
        await history.until_closed()
        assert history.entries == entries[:2] + entries[3:]

    play_history(act)


def test_marked_and_all_entries_are_deleted(home: Path) -> None:
    entries = keep(home, predictions(330))

    async def act(history: Scene) -> None:
        await history.press("space", "space", "up", "space")  # the same key unmarks
        assert "1 marked" in history.text
        await history.press("escape")
        assert "marked" not in history.text and "✓" not in history.text
        await history.press("g", "space", "down", "space")
        assert history.entry == entries[3]
        assert "✓" in history.lines[3]
        assert "2 marked" in history.text
        await history.press("G")
        await history.press("space")
        with Workbench(home) as wb:  # after it was marked
            wb.history.correct(entries[0].id or 0, "calm")
        await history.press("d")
        assert "Delete 3 marked entries?" in history.text
        await history.choose("Delete")
        await history.until_closed()
        assert message_line(history.pilot) == "3 entries deleted. Press u to undo."
        assert keep(home) == [entries[1], *entries[3:-1]]
        assert "marked" not in history.text
        await history.press("u")
        first, *others = keep(home)
        assert isinstance(first, Analysis)
        assert first.corrected == "calm"
        assert others == entries[1:]

        await history.press("X")
        assert "Delete all 330 history entries? This cannot be undone." in history.text
        await history.choose("Keep")
        await history.until_closed()
        assert keep(home) == [first, *others]
        await history.answer("X", "Delete all")
        assert keep(home) == []
        assert "Predictions appear here" in history.text
        assert "Press F2, type a post" in history.text
        assert not {"Undo", "Filter"} & set(history.lines[-1].split())  # nor any other key that would do nothing
        await history.press("u")
        assert keep(home) == []

        last = keep(home, [ANALYSIS])
        await history.press("R")
        await history.answer("d", "Delete")
        assert "Predictions appear here" in history.text
        await history.press("u")
        assert history.entries == last
        await history.answer("d", "Delete")
        (home / "settings.toml").write_text("history = false\n")
        await history.app.refresh_catalog()
        await history.press("R")
        assert "Predictions are not recorded. Press F6" in history.text

    play_history(act)
