"""Lines to type in: nothing in them acts on a terminal."""

from __future__ import annotations

from stage import app_of, drawn, play
from textual import events
from textual.pilot import Pilot

from weibo_tui.app.dialogs import InputDialog
from weibo_tui.app.widgets.single_line_input import SingleLineInput

PASTES = {
    "a\x1b[31mb": "a␛[31mb",
    "[b]x[/b]": "[b]x[/b]",
    "first\nsecond": "first",
    "\n": "",
    "无\u200b宽\u202e": "无<U+200B>宽<U+202E>",
}


def test_line_shows_control_characters_and_stays_one_line() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await app_of(pilot).push_screen(InputDialog("Which name?", "a\nb\tc"))
        await pilot.pause()
        line = pilot.app.screen.query_one(SingleLineInput)
        assert line.value == "a b c"
        for pasted, shown in PASTES.items():
            line.value = ""
            pilot.app.post_message(events.Paste(pasted))
            await pilot.pause()
            assert line.value == shown
            assert shown in drawn(pilot)

    play(scene)
