"""Exit on signals: Ctrl-C, SIGTERM, and SIGHUP when the terminal goes away."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from weibo_tui.signals import handle_stop_signals


@contextmanager
def exit_on_signals(request_exit: Callable[[], None]) -> Iterator[None]:
    """Call `request_exit` at stop signals during the block. A second Ctrl-C raises KeyboardInterrupt.

    The event loop's own handlers do not last long enough: a lost connection sends its signal more than once, and the
    second one must not end the process while the first exit is still saving.
    """
    interrupted = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        if number == signal.SIGINT and interrupted:
            raise KeyboardInterrupt
        interrupted = interrupted or number == signal.SIGINT
        request_exit()

    with handle_stop_signals(handle):
        yield
