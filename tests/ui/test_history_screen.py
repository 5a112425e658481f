"""The history's table and details: what they show, and how one moves in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from browsing import ANALYSIS, FILE, HOSTILE, Scene, at, judged, keep
from pane import Pane
from stage import drawn, play, until
from textual.pilot import Pilot

from weibo_tui.app.history.details import DetailsDialog, EntryDetails
from weibo_tui.storage.history import Entry
from weibo_tui.workbench import Workbench

MANY = 530


# ---- what is shown


def test_an_empty_history_says_what_will_stand_here_and_the_key_that_leads_to_it(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        assert "Every verdict will stand here" in history.text
        assert "F2 leads to the prompt" in history.text
        assert "Filter" not in history.lines[-1]  # nor any other key that would do nothing

    play(scene)


def test_with_the_history_switched_off_the_empty_screen_says_so(home: Path) -> None:
    (home / "settings.toml").write_text("history = false\n")

    async def scene(pilot: Pilot[None]) -> None:
        assert "no verdicts are kept" in (await Scene.open(pilot)).text

    play(scene)


def test_the_newest_stand_first_and_a_line_says_which_part_of_how_many(home: Path) -> None:
    entries = keep(home, [*judged(MANY), replace(FILE, created_at=at(MANY))])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        assert history.entries == entries[: len(history.entries)]
        assert history.where == f"1–{history.browser.table.rows} of 531"
        await history.press("pagedown")
        rows = history.browser.table.rows
        assert history.where == f"{rows + 1}–{2 * rows} of 531"

    play(scene)


def test_entries_with_odd_figures_leave_both_screens_to_be_used(furnished: Path) -> None:
    changes = [
        *("confidence = NULL", "confidence = 9e999", "probabilities = '{\"positive\": null}'", "probabilities = 'NaN'"),
        *("milliseconds = 9e999", "created_at = x'ff'", "created_at = '0001-01-01T00:00:00.000Z'"),
    ]
    keep(furnished, [*(replace(entry, source="app") for entry in judged(len(changes) + 1)), FILE])
    with Workbench.open(furnished) as wb, wb.history._database.transaction():
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


def test_a_row_tells_time_verdict_confidence_post_adapter_and_source(home: Path) -> None:
    keep(home, [ANALYSIS])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        when = datetime.fromisoformat(ANALYSIS.created_at).astimezone()
        row = history.lines[3].split()
        assert row == [
            *f"{when:%Y-%m-%d %H:%M}".split(),
            *"▲ positive 93.8 % 雨停了，去江边走走[太阳] mood app".split(),
        ]

    play(scene)


def test_uncertain_corrected_and_failed_rows_read_without_colour(home: Path) -> None:
    failed = replace(ANALYSIS, label="", confidence=None, probabilities={}, error="The post is empty.")
    uncertain = replace(ANALYSIS, uncertain=True)
    corrected = replace(ANALYSIS, corrected="negative")
    keep(home, [replace(one, created_at=at(m)) for m, one in enumerate([failed, uncertain, corrected])])

    async def scene(pilot: Pilot[None]) -> None:
        lines = (await Scene.open(pilot)).lines
        assert "▲→▼ negative" in lines[3]
        assert "? positive" in lines[4]
        assert "✗ failed" in lines[5]
        assert "%" not in lines[5]

    play(scene)


def test_a_labelled_file_is_a_row_with_its_counts(home: Path) -> None:
    keep(home, [FILE])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        assert "posts.csv → posts.labelled.csv · 5 posts" in " ".join(history.lines[3].split())
        assert "/data/posts.labelled.csv" in history.details
        assert "▲ positive" in history.details
        assert "3 · 60.0 %" in history.details

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


@pytest.mark.parametrize("size", [(60, 20), (100, 30), (160, 50)])
def test_columns_line_up_whatever_the_posts_hold(home: Path, size: tuple[int, int]) -> None:
    keep(home, [replace(ANALYSIS, text=text, created_at=at(m)) for m, text in enumerate(STRANGE)])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        table = history.browser.table
        strips = [table.render_line(y) for y in range(table.size.height)]
        assert {strip.cell_length for strip in strips} == {table.size.width}
        assert all(sum(segment.cell_length for segment in strip) == table.size.width for strip in strips)
        header = strips[0].text
        for name, value in (("adapter", "mood"), ("source", "app")):
            if name in header:
                begin = header.index(name)
                assert {strip.crop(begin).text[: len(value)] for strip in strips[1:8]} == {value}

    play(scene, size)


@pytest.mark.parametrize("size", [(60, 20), (100, 30), (160, 50)])
def test_hostile_texts_are_shown_as_they_are_and_act_on_no_terminal(home: Path, size: tuple[int, int]) -> None:
    labels = {HOSTILE: 0.9, "[/b]": 0.1}
    analysis = replace(
        ANALYSIS,
        text=HOSTILE,
        label=HOSTILE,
        probabilities=labels,
        adapter=HOSTILE,
        source="[b]",
        error=None,
        corrected="[/b]",
    )
    failed = replace(analysis, error=HOSTILE, created_at=at(1))
    file = replace(FILE, path=Path(f"/data/{HOSTILE}"), adapter=HOSTILE, counts={HOSTILE: 5}, created_at=at(2))
    keep(home, [analysis, failed, file])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        for _row in range(3):
            seen = history.text
            if isinstance(pilot.app.focused, EntryDetails):
                await pilot.press("escape")
            await pilot.press("enter")
            await pilot.pause()
            seen += history.text
            await pilot.press("escape")
            await history.press("down")
            assert "[doge] [/哈哈]" in seen
            assert not set(seen) & set("\x1b\x07\x9b\u202e\u200b")

    play(scene, size)


# ---- moving


def test_moving_past_the_last_row_loads_on_to_the_oldest_entry_and_back_to_the_newest(home: Path) -> None:
    entries = keep(home, [*judged(MANY), replace(FILE, created_at=at(77))])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        table = history.browser.table
        for key, last in (("pagedown", entries[-1]), ("pageup", entries[0])):
            seen: dict[int, Entry] = {}
            while True:
                begin = int(history.where.partition("–")[0])
                seen |= enumerate(table.entries[table.top : table.top + table.rows], start=begin)
                if history.entry == last:
                    break
                await history.press(key)
            assert [seen[place] for place in sorted(seen)] == entries
            assert len(history.entries) <= 300

    play(scene)


def test_rows_are_loaded_ahead_so_that_single_steps_pass_the_end_of_a_page(home: Path) -> None:
    entries = keep(home, judged(130))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        assert len(history.entries) == 100
        await history.press(*["pagedown"] * 6)
        for place in range(history.browser.table.cursor + 1, 110):
            await pilot.press("j")
            assert history.entry == entries[place]
        assert history.where.endswith(" of 130")

    play(scene)


def test_one_key_goes_to_the_newest_and_one_to_the_oldest(home: Path) -> None:
    entries = keep(home, judged(MANY))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        rows = history.browser.table.rows
        await history.press("G")
        assert history.entry == entries[-1]
        assert history.where == f"{MANY - rows + 1}–{MANY} of {MANY}"
        await history.press("k")
        assert history.entry == entries[-2]
        await history.press("g")
        assert history.entry == entries[0]
        assert history.where == f"1–{rows} of {MANY}"

    play(scene)


def test_the_mouse_chooses_a_row_and_opens_it(home: Path) -> None:
    entries = keep(home, judged(40))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        await pilot.click("EntryTable", offset=(20, 4))
        assert history.entry == entries[3]
        await pilot.click("EntryTable", offset=(20, 4), times=2)
        await until(pilot, lambda: isinstance(pilot.app.focused, EntryDetails))

    play(scene)


# ---- details


def test_the_details_tell_everything_and_enter_goes_there_and_back(home: Path) -> None:
    long = replace(ANALYSIS, truncated=True, characters=190, characters_read=126, corrected="negative")
    keep(home, [replace(long, uncertain=True)])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        for words in (
            "? positive  93.8 %",
            "uncertain",
            "corrected to ▼ negative",
            "雨停了，去江边走走[太阳]",
            "▼ negative",
            "6.2 %",
            "126 of 190 characters",
            "8.5 ms",
            "mood",
            "app",
        ):
            assert words in history.details
        await pilot.press("enter")
        assert isinstance(pilot.app.focused, EntryDetails)
        await pilot.press("enter")
        assert history.in_table

    play(scene, size=(160, 50))


def test_a_failed_post_says_why_in_the_details(home: Path) -> None:
    keep(home, [replace(ANALYSIS, label="", confidence=None, probabilities={}, error="The post is empty.")])

    async def scene(pilot: Pilot[None]) -> None:
        assert "The post is empty." in (await Scene.open(pilot)).details

    play(scene)


def test_in_a_small_window_enter_opens_the_details_in_a_box(home: Path) -> None:
    keep(home, judged(3))

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        assert not history.screen.query_one(EntryDetails).display
        await history.press("down", "enter")
        await history.until_asked(DetailsDialog)
        assert history.post in history.text
        assert "characters" in history.text
        await pilot.press("enter")
        await history.until_closed()

    play(scene, size=(60, 20))


def test_a_very_long_post_is_cut_in_the_details_and_said_to_be(home: Path) -> None:
    keep(home, [replace(ANALYSIS, text="长" * 1_000_000)])

    async def scene(pilot: Pilot[None]) -> None:
        history = await Scene.open(pilot)
        details = history.screen.query_one(EntryDetails)
        details.focus()
        details.scroll_end(animate=False)
        await pilot.pause()
        assert "995,000 characters more" in history.details

    play(scene)
