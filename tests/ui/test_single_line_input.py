"""Lines to type in: nothing in them acts on a terminal."""

from __future__ import annotations

import pytest
from stage import app_of, drawn, play
from textual import events
from textual.pilot import Pilot

from weibo_tui.app.dialogs import InputDialog
from weibo_tui.app.widgets.single_line_input import SingleLineInput


async def line(pilot: Pilot[None], value: str = "") -> SingleLineInput:
    await app_of(pilot).push_screen(InputDialog("Which name?", value))
    await pilot.pause()
    return pilot.app.screen.query_one(SingleLineInput)


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
