"""The search of the history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, FILE, Scene, at, keep, play_history, predictions

from weibo_tui.app.widgets.table_search import SearchField
from weibo_tui.storage.history import Analysis

FAR = ["前面很长" * 60 + "终于\n找到 了" + "后面也很长" * 60, "前面很长" * 60 + "尽", "短尽", "甲\u202e乙"]


def marked(history: Scene) -> list[str]:
    """The underlined texts of the first row."""
    row = history.browser.table.render_line(1)
    return [segment.text for segment in row if segment.style and segment.style.underline]


def test_search_marks_matches_while_typing(home: Path) -> None:
    far = [replace(ANALYSIS, text=text, created_at=at(400 + minute)) for minute, text in enumerate(FAR)]
    entries = keep(home, [*predictions(90), replace(FILE, created_at=at(300)), *far])

    def containing(text: str) -> list[Analysis]:
        return [entry for entry in entries if isinstance(entry, Analysis) and text in entry.text]

    async def act(history: Scene) -> None:
        await history.press("slash", "电")
        assert history.where.endswith("that match")
        await history.press("影")
        assert history.entries == containing("电影")
        assert history.where.endswith(f" of {len(history.entries)} that match")
        assert marked(history) == ["电影"]
        await history.press("escape")  # leaves the field, and keeps the search
        assert history.in_table
        assert history.entries == containing("电影")
        await history.press("escape")  # clears it
        assert history.entries == entries[:100]
        await history.press("slash", *"#1", "backspace", "backspace", *"#12", "backspace", "1")  # the last key decides
        assert history.entries == containing("#11")
        # The matches are far into a post.
        await history.press("escape", "escape", "slash", *"到 了")
        assert "找到 了" in history.lines[3]
        await history.press("escape", "escape", "slash", "尽")
        short, long = (line.split("%")[1].split("mood")[0].strip() for line in history.lines[3:5])
        assert short == "短尽"
        assert long.startswith("…") and long.endswith("很长尽")
        assert len(long) > 15  # all that there is room for
        history.screen.query_one(SearchField).value = "\u202e乙"
        await history.pilot.pause()
        await history.settled()
        assert marked(history) == ["<U+202E>乙"]

        # The keys lead to the table, or clear the search.
        for key in ("enter", "down", "slash"):
            await history.press("slash")
            assert isinstance(history.app.focused, SearchField)
            await history.press(key)
            assert history.in_table == (key != "slash")
        await history.press("escape", "escape", "slash", *"delfxgGuRX ")  # letters are no commands here
        assert history.screen.query_one(SearchField).value == "delfxgGuRX "
        assert history.app.screen is history.screen
        assert "No matches. Press Esc twice to clear the search." in history.text
        await history.press("escape")
        assert "No matches. Esc clears the search." in history.text
        await history.press("escape")
        assert history.entries == entries
        assert history.in_table

    play_history(act)
