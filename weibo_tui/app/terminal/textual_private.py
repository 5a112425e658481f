"""Private names of Textual that the app uses. `tests/hygiene/test_textual_private.py` fails if there are others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.css.query import NoMatches
from textual.filter import LineFilter
from textual.screen import Screen

from weibo_tui.app.explanation import user_message
from weibo_tui.app.terminal.frame import Frame, FrameUpdate
from weibo_tui.log import log_exception
from weibo_tui.text.terminal import sanitize

PRIVATE_NAMES: Mapping[str, Mapping[str, str]] = {
    "textual.app.App": {
        "_display": "send only the cells that change",
        "_driver": "restore the terminal after an interrupt",
        "_exception": "explain a fatal error in one sentence",
        "_exit_renderables": "explain a fatal error only once",
        "_fatal_error": "print a sentence instead of a traceback, which would show texts of the user",
        "_filters": "show marked rows on terminals with 16 colors",
        "_handle_exception": "log errors of widgets that are removed while the app exits",
    },
    "textual.driver.Driver": {
        "_app": "exit and redraw from the driver's threads",
        "_loop": "call the event loop from the driver's threads, and keep the handlers of signals",
    },
    "textual.drivers.linux_driver.LinuxDriver": {
        "_auto_restart": "suspend and resume, as the driver itself does",
        "_file": "write through a thread of our own, so that a stuck terminal blocks nothing",
        "_get_terminal_size": "ask the terminal and not COLUMNS and LINES",
        "_sigcont_application": "redraw after SIGSTOP",
        "_sigtstp_application": "handle SIGTSTP in the event loop",
        "_writer_thread": "ignore writes after the driver is closed",
    },
    "textual.drivers.web_driver.WebDriver": {
        "_input_reader": "exit when the server closes the input, and survive any input",
        "_on_meta": "read the packets that are no input of the terminal",
        "_write": "write through a thread of our own, so that a slow browser blocks nothing",
    },
}
"""Class of Textual, private name, and what breaks without it."""


class TextualApp(App[None], inherit_bindings=False):
    """An App with hooks for what Textual keeps private."""

    exiting = False

    def __init__(self) -> None:
        super().__init__()
        self._frame = Frame()

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        self.exiting = True
        super().exit(result, return_code, message)

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        update: Any = renderable
        if isinstance(update, LayoutUpdate | ChopsUpdate):
            update = FrameUpdate(self._frame, update, self.size)
        super()._display(screen, update)

    def redraw(self) -> None:
        """Send the whole screen again, after another program wrote to the terminal or output was lost."""
        self._frame.forget()
        self.refresh(layout=True)

    def add_line_filter(self, line_filter: LineFilter) -> None:
        """Apply a filter to all lines before Textual's own filters."""
        self._filters.insert(0, line_filter)

    def write_to_terminal(self, sequence: str) -> None:
        """Send an escape sequence that moves no cursor."""
        if self._driver is not None and sequence:
            self._driver.write(sequence)

    def restore_terminal(self) -> None:
        """Leave the terminal as a shell needs it, where `run` was interrupted before it did that."""
        if self._driver is not None:
            self._driver.stop_application_mode()
            self._driver.close()

    def _handle_exception(self, error: Exception) -> None:
        if not self.exiting:
            super()._handle_exception(error)
        elif not isinstance(error, NoMatches):  # of a screen that was not composed yet when the user quit
            log_exception(error)

    def _fatal_error(self) -> None:
        # Textual prints a traceback with the texts in variables. The user gets one sentence instead.
        if not self._exit_renderables and isinstance(self._exception, Exception):
            self.panic(Text(sanitize(user_message(self._exception))))
