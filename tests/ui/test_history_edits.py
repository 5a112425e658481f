"""What is done to entries of the history by key: correct, mark, delete, bring back, copy, delete all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, FILE, HOSTILE, Scene, at, judged, keep, kept
from stage import message_line, play, until
from textual.pilot import Pilot
from textual.widgets import OptionList

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench import Workbench

# ---- correcting


def test_a_corrected_label_is_kept_beside_the_verdict_and_can_be_taken_back(home: Path) -> None:
    keep(home, judged(30))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("down", "l")
        assert f"What is the label of “{history.post}”?" in history.text
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


def test_closing_the_question_corrects_nothing(home: Path) -> None:
    entries = keep(home, judged(3))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("l")
        await history.until_asked(ChoiceDialog)
        await pilot.press("escape")
        await history.until_closed()
        assert kept(home) == entries

    play(scene)


def test_a_failed_post_gets_one_of_the_labels_of_its_adapter(furnished: Path) -> None:
    failed = replace(ANALYSIS, label="", confidence=None, probabilities={}, error="The post is empty.")
    keep(furnished, [failed])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await until(pilot, lambda: history.app.catalog.adapters)
        await history.press("l")
        prompts = [str(option.prompt) for option in pilot.app.screen.query_one(OptionList).options]
        assert prompts == ["as judged: failed", "negative", "positive"]
        await history.choose("positive")
        await history.until_closed()
        assert "✗→▲ positive" in history.lines[3]

    play(scene)


def test_labels_of_any_text_can_be_chosen(home: Path) -> None:
    keep(home, [replace(ANALYSIS, label="[b]", probabilities={"[b]": 0.9, HOSTILE: 0.1})])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("l")
        await history.until_asked(ChoiceDialog)
        pilot.app.screen.query_one(OptionList).highlighted = 2
        await pilot.press("enter")
        await history.until_closed()
        [corrected] = kept(home)
        assert isinstance(corrected, Analysis)
        assert corrected.corrected == HOSTILE

    play(scene)


def test_a_labelled_file_has_no_label_to_correct(home: Path) -> None:
    keep(home, [FILE])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        assert "Correct" not in history.lines[-1]
        await history.press("l")
        assert pilot.app.screen is history.screen

    play(scene)


# ---- deleting


def test_deleting_asks_first_and_the_safe_answer_is_the_first(home: Path) -> None:
    entries = keep(home, judged(30))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("d")
        assert f"Delete “{history.post}”?" in history.text
        await pilot.press("enter")
        await history.until_closed()
        assert kept(home) == entries

    play(scene)


def test_what_was_deleted_comes_back_the_last_first(home: Path) -> None:
    entries = keep(home, [*judged(30), replace(FILE, created_at=at(28))])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        assert "Undo" not in history.lines[-1]
        await history.press("down", "down")
        for place in (2, 3):
            await history.press("d")
            await history.choose("Delete")
            await history.until_closed()
            assert message_line(pilot) == "1 entry deleted; u brings it back."
            assert history.entry == entries[place + 1]
            assert history.where.endswith(f" of {32 - place}")
        assert kept(home) == [entry for entry in entries if entry not in entries[2:4]]
        await history.press("u")
        assert history.entry == entries[3]
        await history.press("u")
        assert history.entry == entries[2]
        assert kept(home) == history.entries == entries
        assert "Undo" not in history.lines[-1]

    play(scene)


def test_the_last_of_all_can_be_deleted_and_brought_back(home: Path) -> None:
    entries = keep(home, [ANALYSIS])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("d")
        await history.choose("Delete")
        await history.until_closed()
        assert "Every verdict will stand here" in history.text
        await history.press("u")
        assert history.entries == entries

    play(scene)


def test_marked_entries_are_deleted_together_from_whatever_page_and_come_back_as_they_were(home: Path) -> None:
    entries = keep(home, judged(430))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("space", "down", "space")
        assert history.entry == entries[3]
        assert "✓" in history.lines[3]
        assert "2 marked" in history.text
        await history.press("G", "space")
        assert "3 marked" in history.text
        # Corrected behind the screen's back, after it was marked.
        with Workbench.open(home) as bench:
            bench.history.correct(entries[0].id or 0, "calm")
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


def test_a_mark_is_taken_away_by_the_same_key_and_all_of_them_by_escape(home: Path) -> None:
    keep(home, judged(10))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("space", "space", "up", "space")
        assert "1 marked" in history.text
        await history.press("escape")
        assert "marked" not in history.text
        assert "✓" not in history.text

    play(scene)


def test_deleting_what_another_program_has_deleted_is_no_error(home: Path) -> None:
    entries = keep(home, judged(10))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("d")
        with Workbench.open(home) as bench:
            bench.history.delete([entries[0]])
        await history.choose("Delete")
        await history.until_closed()
        assert history.entries == entries[1:]

    play(scene)


# ---- everything


def test_clearing_the_history_says_how_much_and_cannot_be_undone(home: Path) -> None:
    entries = keep(home, judged(30))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("d")
        await history.choose("Delete")
        await history.until_closed()
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


# ---- taking a post elsewhere


def test_a_post_is_copied_as_it_was_written(home: Path) -> None:
    keep(home, [replace(ANALYSIS, text=HOSTILE), replace(FILE, created_at=at(1))])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("c")
        assert pilot.app.clipboard == "/data/posts.labelled.csv"
        await history.press("down", "y")
        assert pilot.app.clipboard == HOSTILE
        assert message_line(pilot) == "The post is copied."

    play(scene)


def test_a_post_is_brought_to_the_prompt(home: Path) -> None:
    keep(home, [ANALYSIS])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await pilot.press("r")
        predict = history.app.main_screens["predict"]
        assert isinstance(predict, PredictScreen)
        await until(pilot, lambda: pilot.app.screen is predict)
        assert predict.prompt.text == ANALYSIS.text

    play(scene)


def test_other_keys_from_the_settings_are_named_where_the_screen_names_keys(home: Path) -> None:
    (home / "settings.toml").write_text('[keys]\n"history.unfilter" = "z"\n"history.undo" = "ctrl+u"\n')
    entries = keep(home, judged(3))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("d")
        await history.choose("Delete")
        await history.until_closed()
        assert "Ctrl+U brings it back" in message_line(pilot)
        await history.press("ctrl+u")
        assert history.entries == entries

    play(scene)
