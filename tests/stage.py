"""The app under test: the real one, driven by keys without a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any
from unittest.mock import patch

from textual.pilot import Pilot

from weibo_tui.app.app import WeiboApp
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.errors import WeiboTuiError

Scene = Callable[[Pilot[None]], Coroutine[Any, Any, None]]


def play(scene: Scene, size: tuple[int, int] = (100, 30)) -> WeiboApp:
    """Start the app, let `scene` drive it, and leave it; what it was like at the end."""

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
    """Wait until the screen has nothing more to do and the records have answered what it asked.

    In place of Textual's `wait_for_idle`, which guesses it from the processor time: where other programs want the
    processor too it goes on too early, and where the engine is at work it waits for a second."""
    app = app_of(pilot)

    def at_rest() -> bool:
        nodes = (app, *app.screen.walk_children(with_self=True))
        return app.key_queue.is_empty and all(node._message_queue.empty() for node in nodes)

    while not app.exiting:
        while not (app.exiting or at_rest()):
            await asyncio.sleep(0.001)
        with suppress(TimeoutError, WeiboTuiError):  # a test that holds up the records, or has ended them
            await asyncio.wait_for(app.records.call(lambda _bench: None), 1)
        await pilot._wait_for_screen()  # for those who wait in the midst of a message, too
        app.screen._on_timer_update()
        if at_rest():
            return


async def see(pilot: Pilot[None], happened: Callable[[], object], seconds: float = 60.0) -> None:
    """Let the app go on until `happened` says so, and not a moment longer; fails where it does not in good time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not happened():
        assert asyncio.get_running_loop().time() < deadline, f"it did not come to it:\n{drawn(pilot)}"
        await asyncio.sleep(0.01)


async def until(pilot: Pilot[None], happened: Callable[[], object], seconds: float = 60.0) -> None:
    """Let the app go on until `happened` says so, and then to rest; fails where it does not in good time."""
    await see(pilot, happened, seconds)
    await pilot.pause()


def app_of(pilot: Pilot[None]) -> WeiboApp:
    assert isinstance(pilot.app, WeiboApp)
    return pilot.app


def drawn(pilot: Pilot[None]) -> str:
    """The lines of the open screen as they go to the terminal."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


def flashed(pilot: Pilot[None]) -> str:
    """What stands on the line for news of the open place; empty where that is not shown."""
    return next((str(line.content) for line in pilot.app.screen.query(StatusMessage) if line.display), "")
