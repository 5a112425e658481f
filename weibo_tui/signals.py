"""Signals that ask the program to stop: Ctrl-C, SIGTERM, and SIGHUP of a terminal that closes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def handle_stop_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` at each stop signal during the block. A second Ctrl-C raises KeyboardInterrupt instead.

    Signals that are ignored already stay ignored: nohup ignores SIGHUP, and a shell ignores SIGINT for background
    jobs. A lost connection sends its signal more than once, and only the first Ctrl-C counts as a request to stop."""
    is_interrupted = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal is_interrupted
        if number == signal.SIGINT:
            if is_interrupted:
                raise KeyboardInterrupt
            is_interrupted = True
        stop()

    previous = {}
    with suppress(ValueError):  # only the main thread may set handlers
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)
