"""The POSIX terminal driver: Textual's own, and exits when the terminal is gone, slow terminals, and encodings."""

from __future__ import annotations

import codecs
import os
import select
import signal
import sys
import termios
from contextlib import suppress
from typing import Any

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from weibo_tui.app.terminal.app_driver import AppDriver
from weibo_tui.app.terminal.encoding import terminal_encoding
from weibo_tui.app.terminal.input import MAX_COLUMNS, MAX_ROWS, InputParser, is_possible_size
from weibo_tui.app.terminal.output import CLOSE_SECONDS, TerminalOutput

READ_SECONDS = 0.1
SAVE_TITLE, RESTORE_TITLE = "\x1b[22;2t", "\x1b[23;2t"

assert sys.platform != "win32"  # Textual's driver needs termios too, so the app imports this module on POSIX only


class TerminalDriver(AppDriver, LinuxDriver):
    """Exits the app when the terminal is gone, and survives any input and a terminal that is stuck."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        assert sys.__stdout__ is not None
        self._encoding = terminal_encoding()
        self._stdout = sys.__stdout__.fileno()
        self._output: TerminalOutput | None = None
        # In the event loop, because a handler that interrupts code which holds a lock would wait for itself.
        self._loop.add_signal_handler(signal.SIGTSTP, self._sigtstp_application)
        self._loop.add_signal_handler(signal.SIGCONT, self._sigcont_application)

    # ---- start and stop

    def start_application_mode(self) -> None:
        self._output = TerminalOutput(self._stdout, self._encoding, self._exit_app, self._redraw)
        self._file = self._output  # type: ignore[assignment]  # has the methods of a file that the driver needs
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.write(SAVE_TITLE)
        self._redraw()
        try:
            termios.tcgetattr(self.fileno)
        except termios.error:
            self._exit_app()

    def stop_application_mode(self) -> None:
        if self._output is not None:
            self._output.keep_all()
            self.write(RESTORE_TITLE)
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        self._writer_thread = None
        if self._output is not None:
            self._output.close(CLOSE_SECONDS)
            self._output = None

    def _sigcont_application(self, *_arguments: object) -> None:
        if self._auto_restart:
            if self._output is not None:  # stopped by SIGSTOP, which cannot be handled
                self.suspend_application_mode()
            self.resume_application_mode()

    # ---- output

    def write(self, data: str) -> None:
        if self._writer_thread is not None:
            super().write(data)

    def _get_terminal_size(self) -> tuple[int, int]:
        # shutil.get_terminal_size prefers COLUMNS and LINES, which may be out of date.
        for fileno in (self._stdout, self.fileno):
            with suppress(OSError):
                columns, rows = os.get_terminal_size(fileno)
                if columns and rows:
                    return min(columns, MAX_COLUMNS), min(rows, MAX_ROWS)
        return 80, 24

    # ---- input

    def run_input_thread(self) -> None:
        decode = codecs.getincrementaldecoder(self._encoding)("replace").decode
        parser = InputParser(self.process_message)
        while not self.exit_event.is_set():
            ready, _, _ = select.select([self.fileno], [], [], READ_SECONDS)
            if ready:
                try:
                    data = os.read(self.fileno, 4096)
                except BlockingIOError:  # another program made the terminal non-blocking and read first
                    continue
                except OSError:
                    data = b""
                if not data:
                    self._exit_app()
                    return
                parser.feed(decode(data))
            parser.tick()

    def process_message(self, message: Message) -> None:
        if not isinstance(message, events.Resize) or is_possible_size(*message.size):
            super().process_message(message)
