"""The history's filter: what it asks for, and how it is told and cleared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from browsing import ANALYSIS, FILE, Scene, at, judged, keep
from stage import play, until
from textual.pilot import Pilot
from textual.widgets import Button, Static

from weibo_tui.app.forms.fields import Field
from weibo_tui.app.history.filter_dialog import FilterDialog
from weibo_tui.app.history.screen import SearchField
from weibo_tui.storage.history import EVERYTHING, Analysis, Entry


def counted(asked: Callable[[Analysis], bool]) -> Callable[[Entry], bool]:
    return lambda entry: isinstance(entry, Analysis) and asked(entry)


FILTERS: list[tuple[str, str, str, Callable[[Entry], bool]]] = [
    ("label", "1", "label negative", counted(lambda one: one.effective_label == "negative")),
    ("label", "0", "label failed", counted(lambda one: one.error is not None)),
    ("adapter", "0", "adapter [b]", lambda entry: entry.adapter == "[b]"),
    ("source", "2", "source labelled files", lambda entry: not isinstance(entry, Analysis)),
    ("least", "90", "confidence 90–100 %", counted(lambda one: (one.confidence or 0) >= 0.9)),
    ("most", "70 %", "confidence 0–70 %", counted(lambda one: one.confidence is not None and one.confidence <= 0.7)),
    ("uncertain", "0", "uncertain", counted(lambda one: one.uncertain)),
    ("corrected", "0", "corrected", counted(lambda one: one.corrected is not None)),
]


@pytest.mark.parametrize(("field", "value", "words", "matches"), FILTERS, ids=[words for _f, _v, words, _m in FILTERS])
def test_a_filter_shows_what_matches_and_is_told_in_a_line(
    home: Path, field: str, value: str, words: str, matches: Callable[[Entry], bool]
) -> None:
    failed = replace(ANALYSIS, label="", confidence=None, probabilities={}, error="The post is empty.")
    entries = keep(
        home,
        [
            *judged(40),
            replace(failed, created_at=at(50)),
            replace(ANALYSIS, adapter="[b]", source="cli", corrected="negative", created_at=at(51)),
            replace(FILE, created_at=at(52)),
        ],
    )

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await pilot.press("f")
        await history.until_asked(FilterDialog)
        pilot.app.screen.query_one(f"#field-{field}", Field).text = value
        await pilot.pause()
        await pilot.click("#apply")
        await history.until_closed()
        assert history.entries == [entry for entry in entries if matches(entry)]
        assert f" {words}   x clears" in history.text
        await history.press("x")
        assert history.entries == entries
        assert "clears" not in history.text

    play(scene)


def test_days_are_those_of_this_machines_clock(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(home, judged(5))  # on the first of March, at noon in UTC

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        day = f"{datetime.fromisoformat(ANALYSIS.created_at).astimezone():%Y-%m-%d}"
        for first, last, found in ((day, day, 5), ("2026-03-03", "", 0), ("", "2026-02-27", 0)):
            await pilot.press("f")
            await history.until_asked(FilterDialog)
            for name, text in (("since", first), ("until", last)):
                pilot.app.screen.query_one(f"#field-{name}", Field).text = text
            await pilot.pause()
            await pilot.click("#apply")
            await history.until_closed()
            assert len(history.entries) == found

    play(scene)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"since": "tomorrow"}, "From the day: a day, as in 2026-01-31"),
        ({"until": "0001-01-01"}, "To the day: a day, as in 2026-01-31"),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "The first day is after the last"),
        ({"least": "[b]"}, "Confidence from: a number from 0 to 100"),
        ({"most": "nan"}, "Confidence to: a number from 0 to 100"),
        ({"least": "80", "most": "70"}, "The least confidence is above the highest"),
    ],
    ids=str,
)
def test_a_filter_is_checked_as_it_is_typed(home: Path, typed: dict[str, str], problem: str) -> None:
    keep(home, judged(5))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await pilot.press("f")
        await history.until_asked(FilterDialog)
        await until(pilot, lambda: "5 entries" in history.text)
        for name, text in typed.items():
            pilot.app.screen.query_one(f"#field-{name}", Field).text = text
        await pilot.pause()
        assert problem in str(pilot.app.screen.query_one(".outcome", Static).content)
        assert pilot.app.screen.query_one("#apply", Button).disabled
        await pilot.press("escape")
        await history.until_closed()
        assert history.browser.asked == EVERYTHING

    play(scene)


def test_a_filter_that_matches_nothing_says_which_key_clears_it(home: Path) -> None:
    keep(home, judged(5))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await pilot.press("f")
        await history.until_asked(FilterDialog)
        pilot.app.screen.query_one("#field-corrected", Field).text = "0"
        await pilot.pause()
        await pilot.click("#apply")
        await history.until_closed()
        assert "No entry matches. x clears the filter." in history.text
        await history.press("f")
        await history.until_asked(FilterDialog)
        await pilot.click("#everything")
        await history.until_closed()
        assert len(history.entries) == 5

    play(scene)


def test_filter_and_search_go_together(home: Path) -> None:
    entries = keep(home, judged(60))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", "2", "enter", "f")
        await history.until_asked(FilterDialog)
        pilot.app.screen.query_one("#field-uncertain", Field).text = "0"
        await pilot.pause()
        await pilot.click("#apply")
        await history.until_closed()
        expected = [one for one in entries if isinstance(one, Analysis) and one.uncertain and "2" in one.text]
        assert history.entries == expected
        await history.press("x")
        assert history.screen.query_one(SearchField).value == ""
        assert history.entries == entries

    play(scene)
