"""Stop signals end long commands and the app, unless they were ignored at the start."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from weibo_tui.cli.output import InterruptedRunError, interruptible
from weibo_tui.signals import handle_stop_signals

STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

each_signal = pytest.mark.parametrize("number", STOP_SIGNALS)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Reset the handlers for the test, and restore them after it."""
    previous = {number: signal.signal(number, signal.SIG_DFL) for number in STOP_SIGNALS}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


@each_signal
def test_signal_calls_stop_unless_ignored_at_start(number: signal.Signals) -> None:
    calls: list[None] = []
    for handler, count in ((signal.SIG_IGN, 0), (signal.SIG_DFL, 1)):
        signal.signal(number, handler)
        with handle_stop_signals(lambda: calls.append(None)):
            os.kill(os.getpid(), number)
        assert len(calls) == count
        assert signal.getsignal(number) is handler


def test_signal_repeated_stops_and_second_interrupt_raises() -> None:
    calls: list[None] = []
    with pytest.raises(KeyboardInterrupt), handle_stop_signals(lambda: calls.append(None)):
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            os.kill(os.getpid(), number)
    assert len(calls) == 4


@each_signal
def test_command_stops_after_its_step_at_signal(number: signal.Signals) -> None:
    def three_events() -> Iterator[object]:
        yield from range(3)

    with pytest.raises(InterruptedRunError), interruptible(three_events()) as events:
        assert next(events) == 0
        os.kill(os.getpid(), number)
        list(events)
