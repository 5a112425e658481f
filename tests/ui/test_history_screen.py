"""The table and the details of the history: what they show, and how the cursor moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from browsing import ANALYSIS, FAILED, FILE, HOSTILE, Scene, at, keep, play_history, predictions
from pane import Pane
from stage import play, until
from textual.pilot import Pilot

from weibo_tui import Workbench
from weibo_tui.app.history.details import EntryDetails
from weibo_tui.app.widgets.details_pane import DetailsDialog
from weibo_tui.storage.history import Entry

MANY = 330
STRANGE = [
    "中文和 English 混着写",
    "👍🏽 ❤️ 1️⃣ 🇨🇳 👨‍👩‍👧 表情",
    "e\u0301\u0301 각 हिन्दी ﾊﾝｶｸ \u3000全角",
    HOSTILE,
    "字" * 300,
    "x" * 300,
    "",
]


def test_history_survives_damaged_values(furnished: Path) -> None:
    changes = [
        *("confidence = NULL", "confidence = 9e999", "probabilities = '{\"positive\": null}'", "probabilities = 'NaN'"),
        *("milliseconds = 9e999", "created_at = x'ff'", "created_at = '0001-01-01T00:00:00.000Z'"),
    ]
    keep(furnished, [*predictions(len(changes) + 1), FILE])
    with Workbench(furnished) as wb, wb.history._database.transaction():
        for number, change in enumerate(changes, start=1):
            wb.history._database.execute(f"UPDATE analyses SET {change} WHERE id = {number}")
        wb.history._database.execute("UPDATE labelled_files SET counts = '[NaN]'")

    async def scene(pilot: Pilot[None]) -> None:
        pane = await Pane(pilot).ready()
        await pane.send("今天的面真好吃")
        await until(pilot, lambda: len(keep(furnished)) == len(changes) + 3)
        history = await Scene.open(pilot)
        assert len(history.entries) == len(changes) + 3
        assert sum(getattr(entry, "error", None) is not None for entry in history.entries) == len(changes) - 1
        await history.press("down", "down", "enter")

    play(scene)


def test_rows_and_details_show_all_kinds_of_entries(home: Path) -> None:
    uncertain = replace(
        ANALYSIS, uncertain=True, truncated=True, characters=190, characters_read=126, corrected="negative"
    )
    strange = [replace(ANALYSIS, text=text) for text in STRANGE]
    kinds: list[Entry] = [*strange, FILE, FAILED, replace(ANALYSIS, uncertain=True), uncertain, ANALYSIS]
    keep(home, [replace(entry, created_at=at(minute)) for minute, entry in enumerate(kinds)])
    details: list[tuple[str, ...]] = [
        ("▲ positive  93.8%", "▼ negative", "6.2%", "雨停了，去江边走走[太阳]", "13 of 13 characters", "8.5 ms"),
        ("? positive  93.8%", "uncertain", "corrected to ▼ negative", "126 of 190 characters", "mood", "app"),
        ("? positive",),
        ("failed", "The post is empty."),
        ("/data/posts.labeled.csv", "▲ positive", "3 · 60.0%"),
    ]

    async def act(history: Scene) -> None:
        table = history.browser.table
        newest, corrected, unsure, failed, file = (table.render_line(y).text for y in range(1, 6))
        when = datetime.fromisoformat(at(len(kinds) - 1)).astimezone()
        assert newest.split() == [
            *f"{when:%Y-%m-%d %H:%M}".split(),
            *"▲ positive 93.8% 雨停了，去江边走走[太阳] mood app".split(),
        ]
        assert "?→▼ negative" in corrected
        assert "? positive" in unsure
        assert "✗ failed" in failed and "%" not in failed
        assert "posts.csv → posts.labeled.csv · 5 posts" in " ".join(file.split())
        for words in details:
            for text in words:
                assert text in history.details
            await history.press("down")
        await history.press("enter")
        assert isinstance(history.app.focused, EntryDetails)
        await history.press("enter")
        assert history.in_table

        for size in ((160, 50), (100, 30), (60, 20)):  # the columns line up for any text
            await history.pilot.resize_terminal(*size)
            await history.settled()
            strips = [table.render_line(y) for y in range(table.size.height)]
            assert {strip.cell_length for strip in strips} == {table.size.width}
            assert all(sum(segment.cell_length for segment in strip) == table.size.width for strip in strips)
            header = strips[0].text
            assert ("adapter" in header) == (table.size.width >= 76)
            for name, value in (("adapter", "mood"), ("source", "app")):
                if name in header:
                    begin = header.index(name)
                    assert {strip.crop(begin).text[: len(value)] for strip in strips[6:13]} == {value}

    play_history(act, size=(160, 50))


def test_cursor_moves_through_the_whole_history(home: Path) -> None:
    entries = keep(home, [*predictions(MANY), replace(FILE, created_at=at(77))])

    async def act(history: Scene) -> None:
        table = history.browser.table
        height = table.page_rows
        assert history.entries == entries[:100]
        assert history.where == f"1–{height} of {MANY + 1}"
        await history.press(*["pagedown"] * 6)
        for index in range(table.cursor + 1, 110):  # single steps pass the end of a page
            await history.press("j")
            assert history.entry == entries[index]
        await history.press("g")
        assert history.entry == entries[0]
        for key, last in (("pagedown", entries[-1]), ("pageup", entries[0])):
            passed: dict[int, Entry] = {}
            while True:
                begin = int(history.where.partition("–")[0])
                passed |= enumerate(history.entries[table.top : table.top + height], start=begin)
                if history.entry == last:
                    break
                await history.press(key)
            assert [passed[index] for index in sorted(passed)] == entries
            assert len(history.entries) <= 300
        await history.press("G")
        assert history.entry == entries[-1]
        assert history.where == f"{MANY + 2 - height}–{MANY + 1} of {MANY + 1}"
        await history.press("k")
        assert history.entry == entries[-2]
        await history.press("g")
        assert history.entry == entries[0]
        assert history.where == f"1–{height} of {MANY + 1}"

    play_history(act)


def test_mouse_and_small_window_open_an_entry(home: Path) -> None:
    entries = keep(home, [*predictions(40), replace(ANALYSIS, text="长" * 1_000_000, created_at=at(-1))])

    async def act(history: Scene) -> None:
        await history.pilot.click("EntryTable", offset=(20, 5))
        assert history.entry == entries[3]
        await history.pilot.click("EntryTable", offset=(20, 5), times=2)
        await until(history.pilot, lambda: isinstance(history.app.focused, EntryDetails))
        await history.press("escape", "G")
        await history.press("enter")  # a very long post is cut
        details = history.screen.query_one(EntryDetails)
        details.scroll_to(y=details.max_scroll_y - 3, animate=False)
        await until(history.pilot, lambda: "995,000 more characters" in history.details)

        await history.press("escape", "g")
        await history.pilot.resize_terminal(60, 20)
        await until(history.pilot, lambda: not details.display)
        await history.settled()
        await history.press("down", "enter")
        await history.until_dialog(DetailsDialog)
        assert history.post in history.text
        assert "characters" in history.text
        await history.press("enter")
        await history.until_closed()

    play_history(act)
