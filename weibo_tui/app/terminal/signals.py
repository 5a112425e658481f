"""The signals that ask the app to leave: of a person, of the system, and of a terminal that goes away."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from weibo_tui.signals import handle_stop_signals


@contextmanager
def exit_on_signals(leave: Callable[[], None]) -> Iterator[None]:
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

    with handle_stop_signals(heed):
        yield
