"""Stop signals end long commands and the app, unless they were ignored at the start."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from weibo_tui.app.terminal.signals import exit_on_signals
from weibo_tui.cli.output import InterruptedRunError, interruptible

STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

each_signal = pytest.mark.parametrize("number", STOP_SIGNALS)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Reset the handlers for the test, and restore them after it."""
    previous = {number: signal.signal(number, signal.SIG_DFL) for number in STOP_SIGNALS}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


def three_events() -> Iterator[object]:
    yield from range(3)


@each_signal
def test_command_ignores_signal_ignored_at_start(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with interruptible(three_events()) as events:
        os.kill(os.getpid(), number)
        assert list(events) == [0, 1, 2]
    assert signal.getsignal(number) is signal.SIG_IGN


@each_signal
def test_command_stops_at_signal_and_restores_handler(number: signal.Signals) -> None:
    with pytest.raises(InterruptedRunError), interruptible(three_events()) as events:
        assert next(events) == 0
        os.kill(os.getpid(), number)
        list(events)
    assert signal.getsignal(number) is signal.SIG_DFL


@each_signal
def test_app_ignores_signal_ignored_at_start(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    calls: list[None] = []
    with exit_on_signals(lambda: calls.append(None)):
        os.kill(os.getpid(), number)
    assert not calls


@each_signal
def test_app_exits_at_signal(number: signal.Signals) -> None:
    calls: list[None] = []
    with exit_on_signals(lambda: calls.append(None)):
        os.kill(os.getpid(), number)
    assert calls == [None]
