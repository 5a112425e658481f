"""The history's search, as one types."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, FILE, Scene, at, judged, keep
from stage import play
from textual.pilot import Pilot

from weibo_tui.app.history.screen import SearchField
from weibo_tui.storage.history import Analysis


def test_posts_are_found_while_one_types_and_what_was_found_is_marked(home: Path) -> None:
    entries = keep(home, [*judged(120), replace(FILE, created_at=at(300))])
    holding = [one for one in entries if isinstance(one, Analysis) and "电影" in one.text]

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", "电")
        assert history.where.endswith("that match")
        await history.press("影")
        assert history.entries == holding
        assert history.where.endswith(f" of {len(holding)} that match")
        first = history.browser.table.render_line(1)
        assert [segment.text for segment in first if segment.style and segment.style.underline] == ["电影"]

    play(scene)


def test_the_answer_to_the_last_key_is_what_stays(home: Path) -> None:
    entries = keep(home, judged(200))
    wanted = [one for one in entries if isinstance(one, Analysis) and "#17" in one.text]

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await pilot.press("slash", *"#1", "backspace", "backspace", *"#18", "backspace", "7")
        await history.settled()
        assert history.entries == wanted

    play(scene)


def test_what_stands_far_behind_in_a_post_is_shown_in_its_row(home: Path) -> None:
    keep(home, [replace(ANALYSIS, text="前面很长" * 60 + "终于\n找到 了" + "后面也很长" * 60)])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", *"到 了")
        assert "找到 了" in history.lines[3]

    play(scene)


def test_what_stands_at_the_end_of_a_post_is_shown_with_all_there_is_room_for(home: Path) -> None:
    keep(home, [replace(ANALYSIS, text="前面很长" * 60 + "了"), replace(ANALYSIS, text="短了", created_at=at(1))])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", "了")
        short, long = (line.split("%")[1].split("mood")[0] for line in history.lines[3:5])
        assert short.strip() == "短了"
        assert long.strip().startswith("…")
        assert long.rstrip().endswith("很长了")
        assert len(long.strip()) > 15

    play(scene)


def test_what_acts_on_a_terminal_is_found_and_marked_as_it_is_shown(home: Path) -> None:
    keep(home, [replace(ANALYSIS, text="甲\u202e乙")])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        history.screen.query_one(SearchField).value = "\u202e乙"
        await history.settled()
        first = history.browser.table.render_line(1)
        assert [segment.text for segment in first if segment.style and segment.style.underline] == ["<U+202E>乙"]

    play(scene)


def test_enter_and_down_lead_from_the_search_to_the_table(home: Path) -> None:
    keep(home, judged(30))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        for key in ("enter", "down"):
            await history.press("slash")
            assert isinstance(pilot.app.focused, SearchField)
            await history.press(key)
            assert history.in_table

    play(scene)


def test_escape_clears_the_search_and_then_leaves_it(home: Path) -> None:
    entries = keep(home, judged(30))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", *"没有这样的")
        assert "No post holds this. Esc clears the search." in history.text
        await history.press("escape")
        assert history.entries == entries
        assert isinstance(pilot.app.focused, SearchField)
        await history.press("escape")
        assert history.in_table

    play(scene)


def test_letters_typed_into_the_search_are_no_commands(home: Path) -> None:
    keep(home, judged(5))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", *"delfxgGuRX ")
        assert history.screen.query_one(SearchField).value == "delfxgGuRX "
        assert pilot.app.screen is history.screen

    play(scene)
