"""The app under test: the real one, driven by keys without a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any
from unittest.mock import patch

from textual import events
from textual.pilot import Pilot

from weibo_tui.app.app import WeiboApp
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.errors import WeiboTuiError

Scene = Callable[[Pilot[None]], Coroutine[Any, Any, None]]

CHARACTERS = {"space": " ", "slash": "/", "enter": "\r"}


def play(scene: Scene, size: tuple[int, int] = (100, 30)) -> WeiboApp:
    """Run the app, driven by `scene`, and return it after its exit."""

    async def run() -> WeiboApp:
        app = WeiboApp()
        try:
            async with app.run_test(size=size) as pilot:
                at_rest = partial(rest, pilot)
                with patch("textual.app.wait_for_idle", at_rest), patch("textual.pilot.wait_for_idle", at_rest):
                    await pilot.pause()
                    await scene(pilot)
        finally:
            app.stop_workers()
        return app

    return asyncio.run(run())


async def rest(pilot: Pilot[None], *_limits: float) -> None:
    """Wait until the screen and the records' thread have nothing left to do.

    It replaces Textual's `wait_for_idle`, which guesses from the processor time: with other programs it returns too
    early, and while the engine works it waits for a second."""
    app = app_of(pilot)

    def at_rest() -> bool:
        nodes = (app, *app.screen.walk_children(with_self=True))
        return app.key_queue.is_empty and all(node._message_queue.empty() for node in nodes)

    while not app.exiting:
        while not (app.exiting or at_rest()):
            await asyncio.sleep(0.001)
        with suppress(TimeoutError, WeiboTuiError):  # a test that blocks the records' thread, or has ended it
            await asyncio.wait_for(app.records.call(lambda _wb: None), 1)
        await pilot._wait_for_screen()  # also for handlers that wait inside a message
        app.screen._on_timer_update()
        if at_rest():
            return


async def see(pilot: Pilot[None], happened: Callable[[], object], seconds: float = 60.0) -> None:
    """Run the app until `happened` is true. Fail after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not happened():
        assert asyncio.get_running_loop().time() < deadline, f"it did not happen:\n{drawn(pilot)}"
        await asyncio.sleep(0.01)


async def until(pilot: Pilot[None], happened: Callable[[], object], seconds: float = 60.0) -> None:
    """Run the app until `happened` is true, then until it is idle. Fail after `seconds`."""
    await see(pilot, happened, seconds)
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys without a pause in between, then wait until the app is idle. `pilot.press` waits after each key."""
    for key in keys:
        pilot.app.post_message(events.Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)))
    await pilot.pause()


def app_of(pilot: Pilot[None]) -> WeiboApp:
    assert isinstance(pilot.app, WeiboApp)
    return pilot.app


def drawn(pilot: Pilot[None]) -> str:
    """Return the lines of the current screen as the terminal gets them."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


def message_line(pilot: Pilot[None]) -> str:
    """Return the text of the message line, empty if it is hidden."""
    return next((str(line.content) for line in pilot.app.screen.query(StatusMessage) if line.display), "")
