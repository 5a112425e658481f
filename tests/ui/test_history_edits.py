"""Edits of the history by key: correct, mark, delete, undo, clear, copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, FILE, HOSTILE, Scene, at, keep, kept, predictions
from stage import message_line, play, until
from textual.pilot import Pilot
from textual.widgets import OptionList

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench import Workbench


async def delete(history: Scene, answer: str = "Delete") -> None:
    await history.press("d")
    await history.choose(answer)
    await history.until_closed()


def test_corrected_label_is_stored_with_the_predicted(home: Path) -> None:
    entries = keep(home, predictions(30))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("down", "l")
        assert f"What is the label of “{history.post}”?" in history.text
        await pilot.press("escape")
        await history.until_closed()
        assert kept(home) == entries
        await history.press("l")
        await history.choose("negative")
        await history.until_closed()
        assert isinstance(history.entry, Analysis)
        assert (history.entry.label, history.entry.corrected) == ("positive", "negative")
        assert "▲→▼ negative" in history.lines[4]
        assert "corrected to ▼ negative" in history.details
        assert kept(home)[1] == history.entry
        await history.press("l")
        await history.choose("as judged: positive")
        await history.until_closed()
        assert kept(home)[1] == replace(history.entry, corrected=None)
        assert "corrected" not in history.details

    play(scene)


def test_label_choices_fit_the_kind_of_entry(furnished: Path) -> None:
    failed = replace(ANALYSIS, label="", confidence=None, probabilities={}, error="The post is empty.")
    hostile = replace(ANALYSIS, adapter="gone", label="[b]", probabilities={"[b]": 0.9, HOSTILE: 0.1}, created_at=at(1))
    keep(furnished, [failed, hostile, replace(FILE, created_at=at(2))])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await until(pilot, lambda: history.app.catalog.adapters)
        assert "Correct" not in history.lines[-1]
        await history.press("l")  # a file has no label
        assert pilot.app.screen is history.screen
        await history.press("down", "l")
        await history.until_dialog(ChoiceDialog)
        pilot.app.screen.query_one(OptionList).highlighted = 2
        await pilot.press("enter")
        await history.until_closed()
        assert [entry.corrected for entry in kept(furnished) if isinstance(entry, Analysis)] == [HOSTILE, None]
        await history.press("down", "l")  # a failed post gets one of the labels of its adapter
        prompts = [str(option.prompt) for option in pilot.app.screen.query_one(OptionList).options]
        assert prompts == ["as judged: failed", "negative", "positive"]
        await history.choose("positive")
        await history.until_closed()
        assert "✗→▲ positive" in history.lines[5]

    play(scene)


def test_deletion_is_asked_for_and_undone_last_first(home: Path) -> None:
    entries = keep(home, [*predictions(30), replace(FILE, created_at=at(28))])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        assert "Undo" not in history.lines[-1]
        await history.press("d")
        assert f"Delete “{history.post}”?" in history.text
        await pilot.press("enter")  # the safe answer comes first
        await history.until_closed()
        assert kept(home) == entries
        await history.press("down", "down")
        for index in (2, 3):
            await delete(history)
            assert message_line(pilot) == "1 entry deleted; u brings it back."
            assert history.entry == entries[index + 1]
            assert history.where.endswith(f" of {32 - index}")
        assert kept(home) == [entry for entry in entries if entry not in entries[2:4]]
        for index in (3, 2):
            await history.press("u")
            assert history.entry == entries[index]
        assert kept(home) == history.entries == entries
        assert "Undo" not in history.lines[-1]
        await history.press("d")
        with Workbench(home) as wb:  # another program deletes it first
            wb.history.delete([entries[2]])
        await history.choose("Delete")
        await history.until_closed()
        assert history.entries == [*entries[:2], *entries[3:]]

    play(scene)


def test_last_entry_is_deleted_and_restored(home: Path) -> None:
    (home / "settings.toml").write_text('[keys]\n"history.unfilter" = "z"\n"history.undo" = "ctrl+u"\n')
    entries = keep(home, [ANALYSIS])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await delete(history)
        assert "Ctrl+U brings it back" in message_line(pilot)  # a key from the settings
        assert "Every verdict will stand here" in history.text
        await history.press("ctrl+u")
        assert history.entries == entries

    play(scene)


def test_marked_entries_are_deleted_and_restored_together(home: Path) -> None:
    entries = keep(home, predictions(430))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("space", "space", "up", "space")  # the same key unmarks
        assert "1 marked" in history.text
        await history.press("escape")
        assert "marked" not in history.text and "✓" not in history.text
        await history.press("g", "space", "down", "space")
        assert history.entry == entries[3]
        assert "✓" in history.lines[3]
        assert "2 marked" in history.text
        await history.press("G", "space")
        assert "3 marked" in history.text
        with Workbench(home) as wb:  # after it was marked
            wb.history.correct(entries[0].id or 0, "calm")
        await history.press("d")
        assert "Delete 3 marked entries?" in history.text
        await history.choose("Delete")
        await history.until_closed()
        assert message_line(pilot) == "3 entries deleted; u brings them back."
        assert kept(home) == [entry for entry in entries if entry not in (entries[0], entries[2], entries[-1])]
        assert "marked" not in history.text
        await history.press("u")
        first, *others = kept(home)
        assert isinstance(first, Analysis)
        assert first.corrected == "calm"
        assert others == entries[1:]

    play(scene)


def test_clearing_the_history_cannot_be_undone(home: Path) -> None:
    entries = keep(home, predictions(30))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await delete(history)
        await history.press("X")
        assert "Delete all 29 entries of the history? This cannot be undone." in history.text
        await history.choose("Keep them")
        await history.until_closed()
        assert kept(home) == entries[1:]
        await history.press("X")
        await history.choose("Delete all")
        await history.until_closed()
        assert kept(home) == []
        assert "Every verdict will stand here" in history.text
        assert "Undo" not in history.lines[-1]
        await history.press("u")
        assert kept(home) == []

    play(scene)


def test_entries_are_copied_and_brought_to_the_prompt(home: Path) -> None:
    keep(home, [replace(ANALYSIS, text=HOSTILE), replace(FILE, created_at=at(1)), replace(ANALYSIS, created_at=at(2))])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("down", "c")
        assert pilot.app.clipboard == "/data/posts.labelled.csv"
        await history.press("down", "y")
        assert pilot.app.clipboard == HOSTILE
        assert message_line(pilot) == "The post is copied."
        await history.press("g")
        await pilot.press("r")
        predict = history.app.main_screens["predict"]
        assert isinstance(predict, PredictScreen)
        await until(pilot, lambda: pilot.app.screen is predict)
        assert predict.prompt.text == ANALYSIS.text

    play(scene)
