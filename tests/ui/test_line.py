"""Lines to type in: keys in their order, and nothing that acts on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from stage import app_of, drawn, play, until
from textual import events
from textual.pilot import Pilot

from weibo_tui.app.dialogs import AskText
from weibo_tui.app.widgets.card import PostCard
from weibo_tui.app.widgets.line import Line


async def line(pilot: Pilot[None], value: str = "") -> Line:
    await app_of(pilot).push_screen(AskText("Which name?", value))
    await pilot.pause()
    return pilot.app.screen.query_one(Line)


def press_in_one_burst(pilot: Pilot[None], *keys: str) -> None:
    """As they arrive after a moment in which the machine was busy."""
    for key in keys:
        pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))


def test_keys_are_done_in_their_order() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        written = await line(pilot, "before")
        press_in_one_burst(pilot, "end", "ctrl+u", *"next", "home", "x", "end", "backspace")
        await until(pilot, lambda: written.value == "xnex")

    play(scene)


def test_posts_that_are_written_in_one_burst_do_not_run_into_each_other(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).stock.adapter)
        await pilot.pause()
        press_in_one_burst(pilot, *"one", "enter", *"two", "enter")
        await until(pilot, lambda: [card.text for card in pilot.app.query(PostCard)] == ["one", "two"])

    play(scene)


@pytest.mark.parametrize(
    ("pasted", "shown"),
    [
        ("a\x1b[31mb", "a␛[31mb"),
        ("[b]x[/b]", "[b]x[/b]"),
        ("first\nsecond", "first"),
        ("\n", ""),
        ("无\u200b宽\u202e", "无<U+200B>宽<U+202E>"),
    ],
)
def test_what_is_pasted_is_made_visible(pasted: str, shown: str) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        written = await line(pilot)
        pilot.app.post_message(events.Paste(pasted))
        await pilot.pause()
        assert written.value == shown
        assert shown in drawn(pilot)

    play(scene)


def test_it_is_one_line_whatever_it_is_given() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        written = await line(pilot, "a\nb\tc")
        assert written.value == "a b c"

    play(scene)
