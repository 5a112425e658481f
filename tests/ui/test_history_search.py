"""The search of the history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, FILE, Scene, at, keep, predictions
from stage import play
from textual.pilot import Pilot

from weibo_tui.app.history.screen import SearchField
from weibo_tui.storage.history import Analysis


def marked(history: Scene) -> list[str]:
    """The underlined texts of the first row."""
    row = history.browser.table.render_line(1)
    return [segment.text for segment in row if segment.style and segment.style.underline]


def test_search_finds_and_marks_while_typing(home: Path) -> None:
    entries = keep(home, [*predictions(120), replace(FILE, created_at=at(300))])

    def containing(text: str) -> list[Analysis]:
        return [entry for entry in entries if isinstance(entry, Analysis) and text in entry.text]

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", "电")
        assert history.where.endswith("that match")
        await history.press("影")
        assert history.entries == containing("电影")
        assert history.where.endswith(f" of {len(history.entries)} that match")
        assert marked(history) == ["电影"]
        await history.press("escape")
        await pilot.press(*"#1", "backspace", "backspace", *"#12", "backspace", "1")  # the last key decides
        await history.settled()
        assert history.entries == containing("#11")

    play(scene)


def test_search_keys_lead_to_table_and_clear(home: Path) -> None:
    entries = keep(home, predictions(30))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        for key in ("enter", "down"):
            await history.press("slash")
            assert isinstance(pilot.app.focused, SearchField)
            await history.press(key)
            assert history.in_table
        await history.press("slash", *"delfxgGuRX ")  # letters are no commands here
        assert history.screen.query_one(SearchField).value == "delfxgGuRX "
        assert pilot.app.screen is history.screen
        assert "No post holds this. Esc clears the search." in history.text
        await history.press("escape")
        assert history.entries == entries
        assert isinstance(pilot.app.focused, SearchField)
        await history.press("escape")
        assert history.in_table

    play(scene)


def test_search_shows_matches_far_into_a_post(home: Path) -> None:
    texts = ["前面很长" * 60 + "终于\n找到 了" + "后面也很长" * 60, "前面很长" * 60 + "尽", "短尽", "甲\u202e乙"]
    keep(home, [replace(ANALYSIS, text=text, created_at=at(minute)) for minute, text in enumerate(texts)])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await history.press("slash", *"到 了")
        assert "找到 了" in history.lines[3]
        await history.press("escape", "尽")
        short, long = (line.split("%")[1].split("mood")[0].strip() for line in history.lines[3:5])
        assert short == "短尽"
        assert long.startswith("…") and long.endswith("很长尽")
        assert len(long) > 15  # all that there is room for
        history.screen.query_one(SearchField).value = "\u202e乙"
        await history.settled()
        assert marked(history) == ["<U+202E>乙"]

    play(scene)
