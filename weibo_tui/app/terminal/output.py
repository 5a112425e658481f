"""What is drawn, on its way to the terminal: one that takes nothing, or is gone, holds nobody up."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

MOST_BYTES = 256 * 1024
"""What may wait for a slow terminal; what is drawn beyond that is left out, and all of it drawn anew later."""
PIECE = 16 * 1024


class TerminalOutput:
    """A file to write to, for Textual's driver: a thread hands on to `fileno` what was written, in `encoding`.

    That thread calls `gone` when the terminal takes nothing any more, and `behind` when it has taken everything after
    something was left out.
    """

    def __init__(self, fileno: int, encoding: str, gone: Callable[[], None], behind: Callable[[], None]) -> None:
        self._fileno = fileno
        self._encoding = encoding
        self._gone = gone
        self._behind = behind
        self._waiting = bytearray()
        self._change = threading.Condition()
        self._left_out = False
        self._keeps_all = False
        self._closed = False
        self._broken = False
        # A daemon: in a write that never ends it is left behind.
        self._thread = threading.Thread(target=self._run, name="terminal-output", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        data = text.encode(self._encoding, "replace")
        with self._change:
            if not self._broken:
                if self._waiting and not self._keeps_all and len(self._waiting) + len(data) > MOST_BYTES:
                    self._left_out = True
                else:
                    self._waiting += data
                    self._change.notify()
        return len(text)

    def flush(self) -> None:
        """Nothing: the thread is at it."""

    def keep_all(self) -> None:
        """Leave out nothing from now on: what sets the terminal in order again comes."""
        with self._change:
            self._keeps_all = True

    def close(self, seconds: float) -> None:
        """Wait until the terminal has taken what was written, but no longer than `seconds`."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        while data := self._next():
            try:
                self._hand_on(data)
            except OSError:
                with self._change:
                    self._broken = True
                self._gone()
                return

    def _next(self) -> bytes:
        """What was written meanwhile; nothing when it is closed."""
        with self._change:
            caught_up = self._left_out and not self._waiting
            self._left_out = self._left_out and not caught_up
        if caught_up:
            self._behind()
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closed)
            data = bytes(self._waiting)
            self._waiting.clear()
        return data

    def _hand_on(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._fileno, left[:PIECE]) :]
            except BlockingIOError:  # another program made the terminal so, which is shared
                select.select([], [self._fileno], [])
