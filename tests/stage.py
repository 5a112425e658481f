"""The app under test: the real one, driven by keys without a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from textual.pilot import Pilot

from weibo_tui.app.main import WeiboApp
from weibo_tui.app.widgets.frame import Flash

Scene = Callable[[Pilot[None]], Coroutine[Any, Any, None]]


def play(scene: Scene, size: tuple[int, int] = (100, 30)) -> WeiboApp:
    """Start the app, let `scene` drive it, and leave it; what it was like at the end."""

    async def run() -> WeiboApp:
        app = WeiboApp()
        try:
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                await scene(pilot)
        finally:
            app.engine.close()
            app.records.close()
        return app

    return asyncio.run(run())


async def until(pilot: Pilot[None], happened: Callable[[], object], seconds: float = 60.0) -> None:
    """Let the app go on until `happened` says so; fails where it does not come to it in good time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not happened():
        assert asyncio.get_running_loop().time() < deadline, "it did not come to it"
        await pilot.pause(0.01)


def app_of(pilot: Pilot[None]) -> WeiboApp:
    assert isinstance(pilot.app, WeiboApp)
    return pilot.app


def drawn(pilot: Pilot[None]) -> str:
    """The lines of the open screen as they go to the terminal."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


def flashed(pilot: Pilot[None]) -> str:
    """What stands on the line for news of the open place; empty where that is not shown."""
    return next((str(line.content) for line in pilot.app.screen.query(Flash) if line.display), "")
