"""The history screen when entries are added, removed, or opened from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, Scene, at, keep, play_history, predictions
from stage import message_line, play, until
from textual.pilot import Pilot

from weibo_tui import Workbench
from weibo_tui.app.widgets.table_search import SearchField
from weibo_tui.storage.history import Entry

MANY = 430


def check_position(history: Scene, entries: list[Entry]) -> None:
    """The first row in view has the number that the line below the table says."""
    first = int(history.where.partition("–")[0])
    assert entries[first - 1] == history.entries[history.browser.table.top]


def test_history_refresh_keeps_cursor_and_view(home: Path) -> None:
    entries = keep(home, predictions(150))

    async def act(history: Scene) -> None:
        await history.press("down", "down", "f2")
        [new, *_others] = keep(home, [replace(ANALYSIS, text="新的", created_at=at(160))])
        await history.press("f4")
        assert history.entries[:4] == [new, *entries[:3]]
        assert history.entry == entries[2]
        assert "新的" in history.text
        assert history.where.endswith(" of 151")

        await history.press(*["pagedown"] * 4)
        before, entry = history.lines[3:12], history.entry
        everything = keep(home, [replace(ANALYSIS, created_at=at(200 + minute)) for minute in range(3)])
        await history.press("R")
        assert history.entry == entry
        assert history.lines[3:12] == before
        assert history.where.endswith(" of 154")
        check_position(history, everything)

    play_history(act)


def test_history_shows_an_analysis_among_its_neighbors(home: Path) -> None:
    # The oldest half has one timestamp, and only the ids order it.
    entries = keep(home, [replace(one, created_at=max(one.created_at, at(210))) for one in predictions(MANY)])

    async def scene(pilot: Pilot[None]) -> None:
        history = Scene(pilot)
        history.screen.show(999)
        await until(pilot, lambda: "History entry 999 not found" in message_line(pilot))
        await history.settled()
        assert history.entries == entries[:100]
        await history.press("slash", "没", "f2")
        for index in (330, 0, MANY - 1, 160, 425):
            history.screen.show(entries[index].id or 0)
            await until(pilot, lambda: pilot.app.screen is history.screen)
            await history.settled()
            assert history.entry == entries[index]
            assert history.post in history.text
            assert history.screen.query_one(SearchField).value == ""
            check_position(history, entries)
        with Workbench(home) as wb:
            wb.history.count()
            wb._database.execute("DROP TABLE search")
        await history.press("slash", "面")
        assert "is damaged" in message_line(pilot)

    play(scene)
