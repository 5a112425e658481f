"""Output to the terminal in a thread, so that a terminal that is stuck or gone blocks nothing."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

MAX_PENDING_BYTES = 256 * 1024
"""Output that may wait for a slow terminal. What exceeds it is dropped, and the screen is drawn again later."""
CHUNK_BYTES = 16 * 1024
CLOSE_SECONDS = 2.0
"""Longest time to wait at exit for the terminal to take the rest of the output."""


class TerminalOutput:
    """A file for Textual's driver. A thread writes everything to `fileno`, in `encoding`.

    The thread calls `on_gone` when the terminal is gone, and `on_dropped` when it has caught up after it dropped
    output.
    """

    def __init__(self, fileno: int, encoding: str, on_gone: Callable[[], None], on_dropped: Callable[[], None]) -> None:
        self._fileno = fileno
        self._encoding = encoding
        self._on_gone = on_gone
        self._on_dropped = on_dropped
        self._pending = bytearray()
        self._change = threading.Condition()
        self._dropped = False
        self._keep_all = False
        self._closed = False
        self._broken = False
        # A daemon, because a write may never return.
        self._thread = threading.Thread(target=self._run, name="terminal-output", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        self.write_bytes(text.encode(self._encoding, "replace"))
        return len(text)

    def write_bytes(self, data: bytes) -> int:
        """Write `data` as a whole, or drop it as a whole."""
        with self._change:
            if not self._broken:
                if self._pending and not self._keep_all and len(self._pending) + len(data) > MAX_PENDING_BYTES:
                    self._dropped = True
                else:
                    self._pending += data
                    self._change.notify()
        return len(data)

    def flush(self) -> None:
        """Do nothing: the thread writes."""

    def keep_all(self) -> None:
        """Drop nothing from now on, because the sequences that restore the terminal follow."""
        with self._change:
            self._keep_all = True

    def close(self, seconds: float) -> None:
        """Wait until everything is written, at most `seconds`."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        while data := self._next():
            try:
                self._write(data)
            except OSError:
                with self._change:
                    self._broken = True
                self._on_gone()
                return

    def _next(self) -> bytes:
        """Wait for output and return it, empty when closed."""
        with self._change:
            caught_up = self._dropped and not self._pending
            self._dropped = self._dropped and not caught_up
        if caught_up:
            self._on_dropped()
        with self._change:
            self._change.wait_for(lambda: self._pending or self._closed)
            data = bytes(self._pending)
            self._pending.clear()
        return data

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fileno, rest[:CHUNK_BYTES]) :]
            except BlockingIOError:  # another program made the shared terminal non-blocking
                select.select([], [self._fileno], [])
