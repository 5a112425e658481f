"""The table and the details of the history: what they show, and how the cursor moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from browsing import ANALYSIS, FILE, HOSTILE, Scene, at, keep, predictions
from pane import Pane
from stage import drawn, play, until
from textual.pilot import Pilot

from weibo_tui.app.history.details import DetailsDialog, EntryDetails
from weibo_tui.storage.history import Entry
from weibo_tui.workbench import Workbench

MANY = 530
SIZES = [(60, 20), (100, 30), (160, 50)]
FAILED = replace(ANALYSIS, label="", confidence=None, probabilities={}, error="The post is empty.")


def rows(history: Scene) -> list[str]:
    """The lines of the table, the header first."""
    table = history.browser.table
    return [table.render_line(y).text for y in range(table.size.height)]


# ---- what is shown


def test_empty_history_explains_itself(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        assert "Every verdict will stand here" in history.text
        assert "F2 leads to the prompt" in history.text
        assert "Filter" not in history.lines[-1]  # nor any other key that would do nothing
        (home / "settings.toml").write_text("history = false\n")
        await history.app.refresh_catalog()
        await history.press("R")
        assert "no verdicts are kept" in history.text

    play(scene)


def test_history_survives_damaged_values(furnished: Path) -> None:
    changes = [
        *("confidence = NULL", "confidence = 9e999", "probabilities = '{\"positive\": null}'", "probabilities = 'NaN'"),
        *("milliseconds = 9e999", "created_at = x'ff'", "created_at = '0001-01-01T00:00:00.000Z'"),
    ]
    keep(furnished, [*(replace(entry, source="app") for entry in predictions(len(changes) + 1)), FILE])
    with Workbench(furnished) as wb, wb.history._database.transaction():
        for number, change in enumerate(changes, start=1):
            wb.history._database.execute(f"UPDATE analyses SET {change} WHERE id = {number}")
        wb.history._database.execute("UPDATE labelled_files SET counts = '[NaN]'")

    async def scene(pilot: Pilot[None]) -> None:
        pane = await Pane(pilot).ready()
        await pane.send("今天的面真好吃")
        await until(pilot, lambda: "今天的面真好吃" in drawn(pilot))
        history = await Scene.open(pilot)
        assert len(history.entries) == len(changes) + 3
        assert sum(getattr(entry, "error", None) is not None for entry in history.entries) == len(changes) - 1
        await history.press("down", "down", "enter")

    play(scene)


def test_rows_and_details_show_all_kinds_of_entries(home: Path) -> None:
    uncertain = replace(
        ANALYSIS, uncertain=True, truncated=True, characters=190, characters_read=126, corrected="negative"
    )
    kinds: list[Entry] = [FILE, FAILED, replace(ANALYSIS, uncertain=True), uncertain, ANALYSIS]
    keep(home, [replace(entry, created_at=at(minute)) for minute, entry in enumerate(kinds)])
    details: list[tuple[str, ...]] = [
        ("▲ positive  93.8 %", "▼ negative", "6.2 %", "雨停了，去江边走走[太阳]", "13 of 13 characters", "8.5 ms"),
        ("? positive  93.8 %", "uncertain", "corrected to ▼ negative", "126 of 190 characters", "mood", "app"),
        ("? positive",),
        ("failed", "The post is empty."),
        ("/data/posts.labelled.csv", "▲ positive", "3 · 60.0 %"),
    ]

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        _header, newest, corrected, unsure, failed, file, *_blank = rows(history)
        when = datetime.fromisoformat(at(4)).astimezone()
        assert newest.split() == [
            *f"{when:%Y-%m-%d %H:%M}".split(),
            *"▲ positive 93.8 % 雨停了，去江边走走[太阳] mood app".split(),
        ]
        assert "?→▼ negative" in corrected
        assert "? positive" in unsure
        assert "✗ failed" in failed and "%" not in failed
        assert "posts.csv → posts.labelled.csv · 5 posts" in " ".join(file.split())
        for words in details:
            for text in words:
                assert text in history.details
            await history.press("down")
        await pilot.press("enter")
        assert isinstance(pilot.app.focused, EntryDetails)
        await pilot.press("enter")
        assert history.in_table

    play(scene, size=(160, 50))


STRANGE = [
    "中文和 English 混着写",
    "👍🏽 ❤️ 1️⃣ 🇨🇳 👨‍👩‍👧 表情",
    "e\u0301\u0301 각 हिन्दी ﾊﾝｶｸ \u3000全角",
    HOSTILE,
    "字" * 300,
    "x" * 300,
    "",
]


def test_columns_line_up_for_any_text(home: Path) -> None:
    keep(home, [replace(ANALYSIS, text=text, created_at=at(m)) for m, text in enumerate(STRANGE)])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        table = history.browser.table
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await history.settled()
            strips = [table.render_line(y) for y in range(table.size.height)]
            assert {strip.cell_length for strip in strips} == {table.size.width}
            assert all(sum(segment.cell_length for segment in strip) == table.size.width for strip in strips)
            header = strips[0].text
            assert ("adapter" in header) == (table.size.width >= 76)
            for name, value in (("adapter", "mood"), ("source", "app")):
                if name in header:
                    begin = header.index(name)
                    assert {strip.crop(begin).text[: len(value)] for strip in strips[1:8]} == {value}

    play(scene)


def test_hostile_texts_are_shown_as_text(home: Path) -> None:
    analysis = replace(
        ANALYSIS,
        text=HOSTILE,
        label=HOSTILE,
        probabilities={HOSTILE: 0.9, "[/b]": 0.1},
        adapter=HOSTILE,
        source="[b]",
        corrected="[/b]",
    )
    failed = replace(analysis, error=HOSTILE, created_at=at(1))
    file = replace(FILE, path=Path(f"/data/{HOSTILE}"), adapter=HOSTILE, counts={HOSTILE: 5}, created_at=at(2))
    keep(home, [analysis, failed, file])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await history.press("g")
            for _row in range(3):
                text = history.text
                if isinstance(pilot.app.focused, EntryDetails):
                    await pilot.press("escape")
                await pilot.press("enter")
                await pilot.pause()
                text += history.text
                await pilot.press("escape")
                await history.press("down")
                assert "[doge] [/哈哈]" in text
                assert not set(text) & set("\x1b\x07\x9b\u202e\u200b")

    play(scene)


# ---- moving


def test_cursor_moves_through_the_whole_history(home: Path) -> None:
    entries = keep(home, [*predictions(MANY), replace(FILE, created_at=at(77))])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        table = history.browser.table
        height = table.rows
        assert history.entries == entries[:100]
        assert history.where == f"1–{height} of 531"
        await history.press(*["pagedown"] * 6)
        for index in range(table.cursor + 1, 110):  # single steps pass the end of a page
            await pilot.press("j")
            assert history.entry == entries[index]
        await history.press("g")
        assert history.entry == entries[0]
        for key, last in (("pagedown", entries[-1]), ("pageup", entries[0])):
            passed: dict[int, Entry] = {}
            while True:
                begin = int(history.where.partition("–")[0])
                passed |= enumerate(table.entries[table.top : table.top + height], start=begin)
                if history.entry == last:
                    break
                await history.press(key)
            assert [passed[index] for index in sorted(passed)] == entries
            assert len(history.entries) <= 300
        await history.press("G")
        assert history.entry == entries[-1]
        assert history.where == f"{531 - height + 1}–531 of 531"
        await history.press("k")
        assert history.entry == entries[-2]
        await history.press("g")
        assert history.entry == entries[0]
        assert history.where == f"1–{height} of 531"

    play(scene)


def test_mouse_selects_a_row_and_opens_it(home: Path) -> None:
    entries = keep(home, [*predictions(40), replace(ANALYSIS, text="长" * 1_000_000, created_at=at(-1))])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await pilot.click("EntryTable", offset=(20, 4))
        assert history.entry == entries[3]
        await pilot.click("EntryTable", offset=(20, 4), times=2)
        await until(pilot, lambda: isinstance(pilot.app.focused, EntryDetails))
        await pilot.press("escape")
        await history.press("G", "enter")  # a very long post is cut
        history.screen.query_one(EntryDetails).scroll_end(animate=False)
        await pilot.pause()
        assert "995,000 characters more" in history.details

    play(scene)


def test_small_window_opens_details_in_a_dialog(home: Path) -> None:
    keep(home, predictions(3))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        assert not history.screen.query_one(EntryDetails).display
        await history.press("down", "enter")
        await history.until_dialog(DetailsDialog)
        assert history.post in history.text
        assert "characters" in history.text
        await pilot.press("enter")
        await history.until_closed()

    play(scene, size=(60, 20))
