"""The common base of the drivers of a terminal and of a browser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from textual.driver import Driver

from weibo_tui.app.terminal.textual_private import TextualApp


class AppDriver(Driver):
    """Base class of the drivers. Their threads call the app through it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._context = copy_context()  # Textual finds the app through it

    def _exit_app(self) -> None:
        """Exit because nothing shows the app any longer. Safe in any thread."""
        self._call_in_loop(self._app.exit)

    def _redraw(self) -> None:
        """Draw the whole screen again. Safe in any thread."""
        assert isinstance(self._app, TextualApp)
        self._call_in_loop(self._app.redraw)

    def _call_in_loop(self, function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed, so the app has exited
            self._loop.call_soon_threadsafe(function, context=self._context)
