"""The filter of the history: its matches, its line of terms, and its checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from browsing import ANALYSIS, FAILED, FILE, Scene, at, keep, play_history, predictions
from stage import until
from textual.widgets import Button, Static

from weibo_tui.app.forms.fields import Field
from weibo_tui.app.history.filter_dialog import FilterDialog, filter_terms
from weibo_tui.app.widgets.table_search import SearchField
from weibo_tui.storage.history import EVERYTHING, Analysis, Entry

DAY = f"{datetime.fromisoformat(ANALYSIS.created_at).astimezone():%Y-%m-%d}"
FILTERS: list[tuple[str, str, str, Callable[[Analysis], bool]]] = [
    ("label", "=negative", "label negative", lambda analysis: analysis.effective_label == "negative"),
    ("label", "=", "label failed", lambda analysis: analysis.error is not None),
    ("adapter", "=[b]", "adapter [b]", lambda analysis: analysis.adapter == "[b]"),
    ("source", "=file", "source labeled files", lambda _analysis: False),
    ("least", "90", "confidence 90–100%", lambda analysis: (analysis.confidence or 0) >= 0.9),
    ("most", "70%", "confidence 0–70%", lambda analysis: (analysis.confidence or 1) <= 0.7),
    ("uncertain", "=yes", "uncertain", lambda analysis: analysis.uncertain),
    ("corrected", "=yes", "corrected", lambda analysis: analysis.corrected is not None),
    ("uncertain", "=no", "not uncertain", lambda analysis: not analysis.uncertain),
    ("corrected", "=no", "not corrected", lambda analysis: analysis.corrected is None),
    ("since", "2026-03-09", "from 2026-03-09", lambda analysis: analysis.created_at > at(9999)),
    ("until", "2026-02-27", "to 2026-02-27", lambda _analysis: False),
]
PROBLEMS: list[tuple[dict[str, str], str]] = [
    ({"since": "tomorrow"}, "From (date): a date, like 2026-01-31"),
    ({"until": "0001-01-01"}, "To (date): a date, like 2026-01-31"),
    ({"since": "2026-02-02", "until": "2026-02-01"}, "The first date is after the last"),
    ({"least": "[b]"}, "Confidence from: a number from 0 to 100"),
    ({"most": "nan"}, "Confidence to: a number from 0 to 100"),
    ({"least": "80", "most": "70"}, "The minimum confidence is above the maximum"),
]


def fill_in(history: Scene, **fields: str) -> None:
    for name, text in fields.items():
        history.app.screen.query_one(f"#field-{name}", Field).text = text


def outcome(history: Scene) -> str:
    return str(history.app.screen.query_one(".outcome", Static).content)


async def apply(history: Scene, **fields: str) -> None:
    """Open the dialog, fill it in, and press its button."""
    await history.press("f")
    await history.until_dialog(FilterDialog)
    fill_in(history, **fields)
    await history.pilot.pause()
    await history.pilot.click("#apply")
    await history.until_closed()


def test_filter_counts_matches_and_shows_problems(home: Path) -> None:
    others = [
        *(FAILED, replace(ANALYSIS, adapter="[b]", source="cli", corrected="negative")),
        replace(ANALYSIS, created_at=at(20_000)),
    ]
    entries = keep(home, [*predictions(40), *others, FILE])

    async def act(history: Scene) -> None:
        await history.press("f")
        for field, value, terms, matches in FILTERS:
            expected = [entry for entry in entries if isinstance(entry, Analysis) and matches(entry)]
            count = len(expected) or int(field == "source")
            await until(history.pilot, lambda: f"{len(entries)} entries" in outcome(history))
            fill_in(history, **{field: value})
            await until(history.pilot, lambda: outcome(history) == f"{count} entr{'y' if count == 1 else 'ies'}")  # noqa: B023
            dialog = history.app.screen
            assert isinstance(dialog, FilterDialog)
            assert filter_terms(dialog._read()) == [terms]
            fill_in(history, **{field: ""})
        for fields, problem in PROBLEMS:
            await until(history.pilot, lambda: f"{len(entries)} entries" in outcome(history))
            fill_in(history, **fields)
            await history.pilot.pause()
            assert problem in outcome(history)
            assert history.app.screen.query_one("#apply", Button).disabled
            fill_in(history, **dict.fromkeys(fields, ""))
        await history.press("escape")
        await history.until_closed()
        assert history.browser.filter == EVERYTHING

    play_history(act)


def test_filter_shows_its_matches_until_cleared(home: Path) -> None:
    entries = keep(home, predictions(60))  # on the first of March, at noon in UTC

    def matches(entry: Entry) -> bool:
        return isinstance(entry, Analysis) and entry.uncertain and "2" in entry.text

    async def act(history: Scene) -> None:
        await history.press("slash", "2", "enter")  # a search besides the filter
        await apply(history, uncertain="=yes", since=DAY, until=DAY)
        assert history.entries == list(filter(matches, entries))
        assert f" from {DAY} · to {DAY} · uncertain   x clears" in history.text
        await history.press("x")
        assert history.screen.query_one(SearchField).value == ""
        assert history.entries == entries
        assert "clears" not in history.text

        await apply(history, corrected="=yes")
        assert "No entry matches. x clears the filter." in history.text
        await history.press("f")
        await history.pilot.click("#everything")
        await history.until_closed()
        assert history.entries == entries

    play_history(act)
