"""Keys that arrive in one burst are handled in their order, and nothing in an input acts on the terminal."""

from __future__ import annotations

from pathlib import Path

from histories import ANALYSIS
from stage import app_of, drawn, play, until
from textual import events
from textual.pilot import Pilot

from weibo_tui import Workbench
from weibo_tui.app.dialogs import InputDialog
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.history.browser import HistoryBrowser
from weibo_tui.app.history.export import ExportForm
from weibo_tui.app.predict.card import PostCard
from weibo_tui.app.predict.prompt import Prompt
from weibo_tui.app.widgets.single_line_input import SingleLineInput
from weibo_tui.app.widgets.table_search import SearchField
from weibo_tui.storage.history import EVERYTHING

PASTES = {
    "a\x1b[31mb": "a␛[31mb",
    "[b]x[/b]": "[b]x[/b]",
    "first\nsecond": "first",
    "\n": "",
    "无\u200b宽\u202e": "无宽<U+202E>",
}


def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))


async def check_pastes(pilot: Pilot[None], field: SingleLineInput) -> None:
    """An input shows control characters and stays one line."""
    assert field.value == "a b c"
    for pasted, shown in PASTES.items():
        field.value = ""
        pilot.app.post_message(events.Paste(pasted))
        await pilot.pause()
        assert field.value == shown
        assert shown in drawn(pilot)


async def check_inputs(pilot: Pilot[None]) -> None:
    await app_of(pilot).push_screen(InputDialog("Which name?", "a\nb\tc"))
    await pilot.pause()
    field = pilot.app.screen.query_one(SingleLineInput)
    await check_pastes(pilot, field)
    press(pilot, "end", "ctrl+u", *"next", "home", "x", "end", "backspace")
    await until(pilot, lambda: field.value == "xnex")
    press(pilot, "end", "ctrl+u", "a")
    pilot.app.post_message(events.Paste("b"))
    press(pilot, "c")
    await until(pilot, lambda: field.value == "abc")
    # The second key follows the first, which closes the dialog.
    press(pilot, "escape", "f3")
    await until(pilot, lambda: app_of(pilot).current_mode == "train")
    await app_of(pilot).push_screen(ExportForm(EVERYTHING))
    await pilot.pause()
    press(pilot, "end", "ctrl+u", *"out.csv")
    await until(pilot, lambda: pilot.app.screen.query_one(PathInput).value == "out.csv")
    await pilot.press("escape", "escape")


async def check_screens(pilot: Pilot[None]) -> None:
    """Keys follow the focus to other widgets and screens."""
    screens = app_of(pilot).main_screens
    history, prompt = screens["history"], screens["predict"].query_one(Prompt)
    press(pilot, *"one", "enter", *"two", "enter")
    await until(pilot, lambda: [card.text for card in pilot.app.query(PostCard)][-2:] == ["one", "two"])
    await pilot.press("f4")
    await until(pilot, lambda: history.is_running and history.query_one(HistoryBrowser).row)
    press(pilot, "slash", *"find")
    await until(pilot, lambda: history.query_one(SearchField).value == "find")
    press(pilot, "f2", *"post")
    await until(pilot, lambda: prompt.text == "post")


def test_keys_are_handled_in_order_everywhere(furnished: Path) -> None:
    with Workbench(furnished) as wb:
        wb.history.add([ANALYSIS])

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).catalog.adapter)
        await check_screens(pilot)
        await check_inputs(pilot)

    play(scene)
