"""The signals that ask the app to leave: of a person, of the system, and of a terminal that goes away."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def signals_heeded(leave: Callable[[], None]) -> Iterator[None]:
    """For the block, `leave` at the signals that ask for it.

    Not by the event loop's own handlers, which are gone with it: a lost connection sends its signal more than once,
    and the second must not end the process in the midst of what the first has begun. Only Ctrl-C does not wait twice.
    """
    interrupted = False

    def heed(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        if number == signal.SIGINT and interrupted:
            raise KeyboardInterrupt
        interrupted = interrupted or number == signal.SIGINT
        leave()

    before = {}
    with suppress(ValueError):  # a thread that is not the main one
        for name in ("SIGTERM", "SIGHUP", "SIGINT"):
            if hasattr(signal, name):  # Windows lacks one
                before[getattr(signal, name)] = signal.signal(getattr(signal, name), heed)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
