"""Corrections by digits, of one row after the other or of all marked rows, and their undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, FAILED, FILE, Scene, at, keep, play_history, predictions
from stage import message_line, until
from textual.widgets import OptionList, Static

from weibo_tui import Workbench
from weibo_tui.storage.history import Analysis, Entry


def labels_line(history: Scene) -> str:
    return str(history.screen.query_one(".labels", Static).content)


def corrections(entries: Sequence[Entry]) -> list[str | None]:
    return [entry.corrected for entry in entries if isinstance(entry, Analysis)]


def test_digits_correct_one_row_after_the_other(furnished: Path) -> None:
    entries = keep(
        furnished, [*predictions(150), replace(FAILED, created_at=at(160)), replace(FILE, created_at=at(170))]
    )
    uncertain = [entry for entry in entries if isinstance(entry, Analysis) and entry.uncertain]

    async def act(history: Scene) -> None:
        await until(history.pilot, lambda: history.app.catalog.adapters)
        await history.press("1", "down")  # a file has no label
        assert keep(furnished) == entries
        await until(history.pilot, lambda: labels_line(history) == "1 ▼ negative  2 ▲ positive")
        await history.press("3", "2")  # a failed post; the adapter has two labels
        assert history.entry == entries[2]
        assert "✗→▲ positive" in history.lines[4]

        # The rows stay where they are, though they are no longer in their places in this order.
        await history.press("U", "o")
        await history.choose("prediction")
        await history.until_closed()
        before = [entry.id for entry in history.entries]
        await history.press(*"12" * 10)
        assert history.browser.table.cursor == 20
        assert [entry.id for entry in history.entries] == before
        expected = ["negative", "positive"] * 10
        assert corrections(history.entries[:20]) == expected
        with Workbench(furnished) as wb:
            assert corrections([wb.history.get(entry.id or 0) for entry in history.entries[:20]]) == expected
        await history.press("up")
        assert labels_line(history) == "1 ▼ negative  2 ▲ positive  0 as predicted"
        assert "confirmed" in history.details
        await history.press("0")
        assert history.browser.table.cursor == 19
        assert corrections(history.entries[19:20]) == [None]
        await history.press("R")
        assert sorted(entry.id or 0 for entry in history.entries) == sorted(entry.id or 0 for entry in uncertain)
        assert [entry.id for entry in history.entries] != before

        # All is undone in reverse order, also what is not in the list.
        await history.press("x", "C")
        assert len(history.entries) == 20
        await history.press("u")
        assert "is positive again." in message_line(history.pilot)
        await history.press(*"u" * 21)
        assert keep(furnished) == entries
        assert "Correction undone: “http://t.cn/a” is failed again." in message_line(history.pilot)
        assert "u Undo" not in history.lines[-1]

    play_history(act)


def test_marked_rows_are_corrected_together(furnished: Path) -> None:
    moods = {"calm": 0.2, "negative": 0.7, "tense": 0.1}
    others = [
        replace(ANALYSIS, adapter="gone", label="negative", probabilities=moods, created_at=at(minute))
        for minute in (91, 92)
    ]
    entries = keep(furnished, [*predictions(40), *others, replace(FILE, created_at=at(93))])

    async def act(history: Scene) -> None:
        await until(history.pilot, lambda: history.app.catalog.adapters)
        await history.press("down")
        assert labels_line(history) == "1 ● calm  2 ▼ negative  3 ● tense"
        await history.press("up", "space", "space", "space", "space")
        assert "4 marked" in history.text and "M Clear marks" in history.text
        assert labels_line(history) == "1 ▼ negative"  # what all the marked posts may have
        await history.press("1")
        assert message_line(history.pilot) == "3 posts corrected to negative."
        assert corrections(keep(furnished)[:5]) == ["negative", "negative", "negative", None]
        assert "marked" not in history.text
        await history.press("g", "down", "down", "space", "space", "l")
        assert "Label of the 2 marked posts:" in history.text
        assert [str(option.prompt) for option in history.app.screen.query_one(OptionList).options] == [
            *("0 as predicted", "1 negative")
        ]
        await history.choose("0 as predicted")
        await history.until_closed()
        assert message_line(history.pilot) == "2 corrections removed."
        assert corrections(keep(furnished)[:5]) == ["negative", None, None, None]
        await history.press("space", "M")
        assert "marked" not in history.text and "✓" not in history.text

        await history.press("u")
        assert message_line(history.pilot) == "Correction of 2 posts undone."
        assert corrections(keep(furnished)[:5]) == ["negative", "negative", "negative", None]
        # A correction, a deletion and a correction again are undone in reverse order.
        await history.press("G", "2")
        await history.answer("d", "Delete")
        await history.press("2")
        assert len(keep(furnished)) == len(entries) - 1
        await history.press("u", "u")
        assert message_line(history.pilot) == "1 entry restored."
        assert corrections(keep(furnished)[-2:]) == [None, "positive"]
        await history.press("u", "u")
        assert keep(furnished) == entries

        # What another program has deleted is left out.
        await history.press("G")
        with Workbench(furnished) as wb:
            wb.history.delete(entries[-1:])
        await history.press("1")
        await until(history.pilot, lambda: history.entries == entries[:-1])

    play_history(act)
