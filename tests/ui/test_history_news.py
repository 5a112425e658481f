"""What the history's screen makes of entries that came, went, or are asked for by others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, Scene, at, judged, keep
from stage import flashed, play, until
from textual.pilot import Pilot

from weibo_tui.app.history.screen import SearchField
from weibo_tui.workbench import Workbench

MANY = 530


def test_what_is_new_is_seen_on_coming_back_and_the_cursor_stays_on_its_entry(home: Path) -> None:
    entries = keep(home, judged(50))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("down", "down", "f2")
        [new, *_others] = keep(home, [replace(ANALYSIS, text="新的", created_at=at(60))])
        await history.press("f4")
        assert history.entries == [new, *entries]
        assert history.entry == entries[2]
        assert "新的" in history.text
        assert history.where.endswith(" of 51")

    play(scene)


def test_what_is_new_is_seen_by_key_without_a_jump(home: Path) -> None:
    entries = keep(home, judged(150))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press(*["pagedown"] * 4)
        before, row = history.lines[3:12], history.entry
        keep(home, [replace(ANALYSIS, created_at=at(200 + minute)) for minute in range(3)])
        await history.press("R")
        assert history.entry == row
        assert history.lines[3:12] == before
        assert history.where.endswith(" of 153")
        begin = int(history.where.partition("–")[0])
        assert entries[begin - 4] == history.entries[history.browser.table.top]

    play(scene)


def test_an_analysis_is_shown_among_its_neighbours_wherever_it_stands(home: Path) -> None:
    entries = keep(home, judged(MANY))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", "没", "f2")
        for place in (400, 0, MANY - 1, 210):
            wanted = entries[place]
            history.screen.show(wanted.id or 0)
            await until(pilot, lambda: pilot.app.screen is history.screen)
            await history.settled()
            assert history.entry == wanted
            assert history.post in history.text
            assert history.screen.query_one(SearchField).value == ""
            begin = int(history.where.partition("–")[0])
            assert entries[begin - 1] == history.entries[history.browser.table.top]

    play(scene)


def test_the_place_is_right_also_among_analyses_of_one_moment(home: Path) -> None:
    entries = keep(home, [replace(one, created_at=at(0)) for one in judged(260)])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        history.screen.show(entries[255].id or 0)
        await history.settled()
        assert history.entry == entries[255]
        begin = int(history.where.partition("–")[0])
        assert entries[begin - 1] == history.entries[history.browser.table.top]

    play(scene)


def test_an_analysis_that_is_gone_is_said_to_be_and_the_history_is_shown(home: Path) -> None:
    entries = keep(home, judged(5))

    async def scene(pilot: Pilot[None]) -> None:
        history = Scene(pilot)
        history.screen.show(999)
        await until(pilot, lambda: "no analysis 999" in flashed(pilot))
        await history.settled()
        assert history.entries == entries

    play(scene)


def test_a_damaged_database_is_said_to_be(home: Path) -> None:
    keep(home, judged(5))
    with Workbench.open(home) as wb:
        wb.history.count()
        wb._database.execute("DROP TABLE search")

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", "面")
        assert "is damaged" in flashed(pilot)

    play(scene)
