"""The terminal as the app uses it, where there is more to be reckoned with than Textual's own driver does: bytes that
are no text, a terminal that is slow, goes away or is taken by another program, and encodings other than UTF-8."""

from __future__ import annotations

import codecs
import os
import re
import select
import signal
import sys
import termios
import time
from collections.abc import Iterable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from textual import events
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from weibo_tui.app.terminal.encoding import terminal_encoding
from weibo_tui.app.terminal.output import TerminalOutput

LARGEST = (2000, 1000)
"""Columns and rows of the largest terminal; one that says that it is larger is not believed."""
PATIENCE_SECONDS = 2.0
"""How long one waits at the end for a terminal to take what is left."""
PASTE_SECONDS = 5.0
"""How long nothing has to come in the midst of a paste for it to be over, though its end was not told."""
STALL_SECONDS = 1.0
KEY_BYTES = 8
"""After so long, so few bytes are a key, which ends it too."""
READ_SECONDS = 0.1
_OF_PARSER = ("last_x", "last_y", "mouse_pixels", "terminal_size", "terminal_pixel_size")

assert sys.platform != "win32"  # Textual's driver needs termios too, so the app imports this module on POSIX alone


class TerminalDriver(LinuxDriver):
    """Textual's driver, which leaves the app when the terminal is gone, and which no input and no terminal can stop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        assert sys.__stdout__ is not None
        self._encoding = terminal_encoding()
        self._screen = sys.__stdout__.fileno()
        self._output: TerminalOutput | None = None
        self._context = copy_context()  # Textual finds the app by it
        self._parser = XTermParser()
        self._pasting = False
        self._seen = ""
        # In the event loop: a handler that interrupts it where it holds a lock would wait for itself.
        self._loop.add_signal_handler(signal.SIGTSTP, self._sigtstp_application)
        self._loop.add_signal_handler(signal.SIGCONT, self._sigcont_application)

    # ---- there and away

    def start_application_mode(self) -> None:
        self._output = TerminalOutput(self._screen, self._encoding, self._leave, self._draw_anew)
        self._file = self._output  # type: ignore[assignment]  # a file as far as the driver needs one
        super().start_application_mode()  # type: ignore[no-untyped-call]
        try:
            termios.tcgetattr(self.fileno)
        except termios.error:
            self._leave()

    def stop_application_mode(self) -> None:
        if self._output is not None:
            self._output.keep_all()
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        self._writer_thread = None
        if self._output is not None:
            self._output.close(PATIENCE_SECONDS)
            self._output = None

    def _sigcont_application(self, *_arguments: object) -> None:
        if self._auto_restart:
            if self._output is not None:  # it was stopped by SIGSTOP, of which nobody is told beforehand
                self.suspend_application_mode()
            self.resume_application_mode()
            self._app.refresh(layout=True)

    def _leave(self) -> None:
        """The terminal is gone; for use in any thread."""
        self._in_loop(self._app.exit)

    def _draw_anew(self) -> None:
        self._in_loop(lambda: self._app.refresh(layout=True))

    def _in_loop(self, call: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: the app is left already
            self._loop.call_soon_threadsafe(call, context=self._context)

    # ---- out

    def write(self, data: str) -> None:
        if self._writer_thread is not None:
            super().write(data)

    def _get_terminal_size(self) -> tuple[int, int]:
        # Not shutil's, which believes COLUMNS and LINES more than the terminal, also when that is another size now.
        for fileno in (self._screen, self.fileno):
            with suppress(OSError):
                columns, rows = os.get_terminal_size(fileno)
                if columns and rows:
                    return min(columns, LARGEST[0]), min(rows, LARGEST[1])
        return 80, 24

    # ---- in

    def run_input_thread(self) -> None:
        decode = codecs.getincrementaldecoder(self._encoding)("replace").decode
        last = time.monotonic()
        while not self.exit_event.is_set():
            ready, _, _ = select.select([self.fileno], [], [], READ_SECONDS)
            if ready:
                try:
                    data = os.read(self.fileno, 4096)
                except BlockingIOError:  # another program made the terminal so, and was faster
                    continue
                except OSError:
                    data = b""
                if not data:
                    self._leave()
                    return
                before, last = last, time.monotonic()
                if self._pasting and last - before > STALL_SECONDS and len(data) <= KEY_BYTES:
                    self._take(BRACKETED_PASTE_END)
                self._take(decode(data))
            elif self._pasting and time.monotonic() - last > PASTE_SECONDS:
                self._take(BRACKETED_PASTE_END)
            self._tell(self._parser.tick())

    def _take(self, text: str) -> None:
        # Each sequence by itself, so that one that cannot be read takes no other with it.
        for part in re.split("(?=\x1b)", text):
            if part:
                self._heed_paste(part)
                self._tell(self._parser.feed(part))

    def _heed_paste(self, part: str) -> None:
        self._seen += part
        start, end = self._seen.rfind(BRACKETED_PASTE_START), self._seen.rfind(BRACKETED_PASTE_END)
        if start != end:
            self._pasting = start > end
        self._seen = self._seen[-len(BRACKETED_PASTE_START) + 1 :]

    def _tell(self, messages: Iterable[Message]) -> None:
        try:
            for message in messages:
                self.process_message(message)
        except Exception:  # what no terminal sends, and the parser was not made for
            before, self._parser = self._parser, XTermParser()
            for name in _OF_PARSER:
                setattr(self._parser, name, getattr(before, name))
            self._pasting = False

    def process_message(self, message: Message) -> None:
        if isinstance(message, events.Resize):
            columns, rows = message.size
            if not (0 < columns <= LARGEST[0] and 0 < rows <= LARGEST[1]):
                return
        super().process_message(message)
