"""The filter of the history: its matches, its line of terms, and its checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from browsing import ANALYSIS, FILE, Scene, at, keep, predictions
from stage import play, until
from textual.pilot import Pilot
from textual.widgets import Button, Static

from weibo_tui.app.forms.fields import Field
from weibo_tui.app.history.filter_dialog import FilterDialog
from weibo_tui.app.history.screen import SearchField
from weibo_tui.storage.history import EVERYTHING, Analysis, Entry


def analyses(matches: Callable[[Analysis], bool]) -> Callable[[Entry], bool]:
    return lambda entry: isinstance(entry, Analysis) and matches(entry)


FILTERS: list[tuple[str, str, str, Callable[[Entry], bool]]] = [
    ("label", "1", "label negative", analyses(lambda one: one.effective_label == "negative")),
    ("label", "0", "label failed", analyses(lambda one: one.error is not None)),
    ("adapter", "0", "adapter [b]", lambda entry: entry.adapter == "[b]"),
    ("source", "2", "source labelled files", lambda entry: not isinstance(entry, Analysis)),
    ("least", "90", "confidence 90–100 %", analyses(lambda one: (one.confidence or 0) >= 0.9)),
    ("most", "70 %", "confidence 0–70 %", analyses(lambda one: one.confidence is not None and one.confidence <= 0.7)),
    ("uncertain", "0", "uncertain", analyses(lambda one: one.uncertain)),
    ("corrected", "0", "corrected", analyses(lambda one: one.corrected is not None)),
]
PROBLEMS: list[tuple[dict[str, str], str]] = [
    ({"since": "tomorrow"}, "From the day: a day, as in 2026-01-31"),
    ({"until": "0001-01-01"}, "To the day: a day, as in 2026-01-31"),
    ({"since": "2026-02-02", "until": "2026-02-01"}, "The first day is after the last"),
    ({"least": "[b]"}, "Confidence from: a number from 0 to 100"),
    ({"most": "nan"}, "Confidence to: a number from 0 to 100"),
    ({"least": "80", "most": "70"}, "The least confidence is above the highest"),
]


async def fill_in(history: Scene, **fields: str) -> None:
    for name, text in fields.items():
        history.app.screen.query_one(f"#field-{name}", Field).text = text
    await history.pilot.pause()


async def apply(history: Scene, **fields: str) -> None:
    """Open the dialog, fill it in, and press its button."""
    await history.pilot.press("f")
    await history.until_dialog(FilterDialog)
    await fill_in(history, **fields)
    await history.pilot.click("#apply")
    await history.until_closed()


def test_filter_shows_its_matches_and_terms(home: Path) -> None:
    failed = replace(ANALYSIS, label="", confidence=None, probabilities={}, error="The post is empty.")
    entries = keep(
        home,
        [
            *predictions(40),
            replace(failed, created_at=at(50)),
            replace(ANALYSIS, adapter="[b]", source="cli", corrected="negative", created_at=at(51)),
            replace(FILE, created_at=at(52)),
        ],
    )

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        for field, value, terms, matches in FILTERS:
            await apply(history, **{field: value})
            assert history.entries == [entry for entry in entries if matches(entry)], terms
            assert f" {terms}   x clears" in history.text
            await history.press("x")
            assert history.entries == entries
            assert "clears" not in history.text

    play(scene)


def test_filter_days_are_local_days(home: Path) -> None:
    keep(home, predictions(5))  # on the first of March, at noon in UTC

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        day = f"{datetime.fromisoformat(ANALYSIS.created_at).astimezone():%Y-%m-%d}"
        for since, until_day, count in ((day, day, 5), ("2026-03-03", "", 0), ("", "2026-02-27", 0)):
            await apply(history, since=since, until=until_day)
            assert len(history.entries) == count

    play(scene)


def test_filter_problems_are_shown_while_typing(home: Path) -> None:
    keep(home, predictions(5))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await pilot.press("f")
        await history.until_dialog(FilterDialog)
        for fields, problem in PROBLEMS:
            await until(pilot, lambda: "5 entries" in history.text)
            await fill_in(history, **fields)
            assert problem in str(pilot.app.screen.query_one(".outcome", Static).content)
            assert pilot.app.screen.query_one("#apply", Button).disabled
            await fill_in(history, **dict.fromkeys(fields, ""))
        await pilot.press("escape")
        await history.until_closed()
        assert history.browser.filter == EVERYTHING

    play(scene)


def test_filter_without_matches_names_clear_key(home: Path) -> None:
    entries = keep(home, predictions(60))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await apply(history, corrected="0")
        assert "No entry matches. x clears the filter." in history.text
        await history.press("f")
        await history.until_dialog(FilterDialog)
        await pilot.click("#everything")
        await history.until_closed()
        assert history.entries == entries

        await history.press("slash", "2", "enter")  # a search besides the filter
        await apply(history, uncertain="0")
        expected = [one for one in entries if isinstance(one, Analysis) and one.uncertain and "2" in one.text]
        assert history.entries == expected
        await history.press("x")
        assert history.screen.query_one(SearchField).value == ""
        assert history.entries == entries

    play(scene)
