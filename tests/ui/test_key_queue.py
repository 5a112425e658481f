"""Keys that arrive in one burst are handled in their order."""

from __future__ import annotations

from pathlib import Path

from histories import ANALYSIS
from stage import app_of, play, until
from textual import events
from textual.pilot import Pilot

from weibo_tui.app.dialogs import InputDialog
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.history.browser import HistoryBrowser
from weibo_tui.app.history.export_dialog import ExportForm
from weibo_tui.app.history.screen import SearchField
from weibo_tui.app.predict.card import PostCard
from weibo_tui.app.predict.prompt import Prompt
from weibo_tui.app.widgets.single_line_input import SingleLineInput
from weibo_tui.storage.history import EVERYTHING
from weibo_tui.workbench import Workbench


def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))


async def open_input(pilot: Pilot[None], value: str) -> SingleLineInput:
    await app_of(pilot).push_screen(InputDialog("Which name?", value))
    await pilot.pause()
    return pilot.app.screen.query_one(SingleLineInput)


def test_keys_in_inputs_are_handled_in_order() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        field = await open_input(pilot, "before")
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

    play(scene)


def test_keys_follow_focus_and_screen(furnished: Path) -> None:
    with Workbench(furnished) as wb:
        wb.history.add([ANALYSIS])

    async def scene(pilot: Pilot[None]) -> None:
        screens = app_of(pilot).main_screens
        history, prompt = screens["history"], screens["predict"].query_one(Prompt)
        await until(pilot, lambda: app_of(pilot).catalog.adapter)
        await pilot.pause()
        press(pilot, *"one", "enter", *"two", "enter")
        await until(pilot, lambda: [card.text for card in pilot.app.query(PostCard)][-2:] == ["one", "two"])
        await pilot.press("f4")
        await until(pilot, lambda: history.is_running and history.query_one(HistoryBrowser).entry)
        press(pilot, "slash", *"find")
        await until(pilot, lambda: history.query_one(SearchField).value == "find")
        press(pilot, "f2", *"post")
        await until(pilot, lambda: prompt.text == "post")

    play(scene)
