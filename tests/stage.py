"""The app under test: the real one, driven by keys without a terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from textual import events
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot

from weibo_tui import Workbench
from weibo_tui.app.app import WeiboApp
from weibo_tui.app.forms import path_input
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.app.widgets import chrome
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.workbench.opened_file import FileInfo, OpenedFile

Scene = Callable[[Pilot[None]], Coroutine[Any, Any, None]]

CHARACTERS = {"space": " ", "slash": "/", "enter": "\r"}


def play(scene: Scene, size: tuple[int, int] = (100, 30)) -> WeiboApp:
    """Run the app, driven by `scene`, and return it after its exit."""

    async def run() -> WeiboApp:
        app, calls = WeiboApp(), _Calls()
        try:
            async with app.run_test(size=size) as pilot:
                at_rest = partial(rest, pilot, calls)
                with (
                    patch("textual.app.wait_for_idle", at_rest),
                    patch("textual.pilot.wait_for_idle", at_rest),
                    patch.object(WorkerThread, "call", calls.count(WorkerThread.call)),
                    patch.object(path_input, "run_in_thread", calls.count(path_input.run_in_thread)),
                    patch.object(chrome, "MESSAGE_SECONDS", 600.0),  # a slow machine must not miss a message
                ):
                    await pilot.pause()
                    await scene(pilot)
        finally:
            app.stop_workers()
        return app

    with patch.object(Stylesheet, "_parse_rules", _parse_rules_once):
        return asyncio.run(run())


_PARSE_RULES = Stylesheet._parse_rules
_PARSED: dict[tuple[object, ...], list[RuleSet]] = {}


def _parse_rules_once(stylesheet: Stylesheet, css: str, **source: Any) -> list[RuleSet]:
    """Keep parsed rules for the next app, because Textual parses all again when an app or a kind of widget is new."""
    key = (css, *source.items(), *stylesheet._variables.items())
    if key not in _PARSED:
        _PARSED[key] = _PARSE_RULES(stylesheet, css, **source)
    return _PARSED[key]


class _Calls:
    """Calls of threads that are not answered yet, without those of the engine, which may load a model."""

    LIMIT_SECONDS = 10.0
    """Longest time to wait for a call, as a test may block a thread."""

    def __init__(self) -> None:
        self._started: list[float] = []

    def count(self, call: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def counted(*arguments: Any, **options: Any) -> Any:
            if isinstance(arguments[0], WorkerThread) and arguments[0].name == "engine":
                return await call(*arguments, **options)
            self._started.append(started := time.monotonic())
            try:
                return await call(*arguments, **options)
            finally:
                self._started.remove(started)

        return counted

    @property
    def waiting(self) -> bool:
        return any(time.monotonic() < started + self.LIMIT_SECONDS for started in self._started)


async def rest(pilot: Pilot[None], calls: _Calls, *_limits: float) -> None:
    """Wait until nothing is left to do: no key or message, no call of a thread, no drawing.

    It replaces Textual's `wait_for_idle`, which guesses from the processor time: with other programs it returns too
    early, and while the engine works it waits for a second. The engine's calls and the jobs may still go on."""
    app, loop = app_of(pilot), asyncio.get_running_loop()

    def at_rest() -> bool:
        if calls.waiting or loop._ready or not app.key_queue.is_empty:  # type: ignore[attr-defined]
            return False
        # A resize reaches the screen a moment later, and nothing is laid out while another screen is about to be shown.
        if app._resize_event is not None or app._batch_count:
            return False
        return all(node._message_queue.empty() for node in (app, *app.screen.walk_children(with_self=True)))

    while not app.exiting:
        while not (app.exiting or at_rest()):
            await asyncio.sleep(0.001)
        await pilot._wait_for_screen()  # also for handlers that wait inside a message
        app.screen._on_timer_update()
        await asyncio.sleep(0)  # for what the drawing started
        if at_rest() and not app.screen._callbacks:
            return


async def see(pilot: Pilot[None], happened: Callable[[], object], seconds: float = 120.0) -> None:
    """Run the app until `happened` is true. Fail after `seconds`."""
    deadline, interval = asyncio.get_running_loop().time() + seconds, 0.002
    while not happened():
        assert asyncio.get_running_loop().time() < deadline, f"it did not happen:\n{drawn(pilot)}"
        await asyncio.sleep(interval)
        interval = min(2 * interval, 0.02)  # looking often takes time from the work that is waited for


async def until(pilot: Pilot[None], happened: Callable[[], object], seconds: float = 120.0) -> None:
    """Run the app until `happened` is true, then until it is idle. Fail after `seconds`."""
    await see(pilot, happened, seconds)
    await pilot.pause()


async def shows(pilot: Pilot[None], *texts: str) -> None:
    """Wait until all these texts are drawn."""
    await until(pilot, lambda: all(text in drawn(pilot) for text in texts))


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


async def open_file(pilot: Pilot[None], path: Path) -> tuple[OpenedFile, FileInfo]:
    """Open a file in the app's thread for it."""

    def opened(wb: Workbench) -> tuple[OpenedFile, FileInfo]:
        file = wb.open_file(path, progress=False)
        return file, file.info

    return await app_of(pilot).records.call(opened)
