"""Signals that ask to stop: handled by long commands and the app, but for those that are ignored from the start."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from weibo_tui.app.terminal.signals import exit_on_signals
from weibo_tui.cli.output import InterruptedRunError, until_stopped

STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

each_signal = pytest.mark.parametrize("number", STOP_SIGNALS)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The system's own handlers, and those of the test run again after the test."""
    previous = {number: signal.signal(number, signal.SIG_DFL) for number in STOP_SIGNALS}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


def three_events() -> Iterator[object]:
    yield from range(3)


@each_signal
def test_command_signal_ignored_at_start_goes_on(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with until_stopped(three_events()) as events:
        os.kill(os.getpid(), number)
        assert list(events) == [0, 1, 2]
    assert signal.getsignal(number) is signal.SIG_IGN


@each_signal
def test_command_signal_stops_and_restores_handler(number: signal.Signals) -> None:
    with pytest.raises(InterruptedRunError), until_stopped(three_events()) as events:
        assert next(events) == 0
        os.kill(os.getpid(), number)
        list(events)
    assert signal.getsignal(number) is signal.SIG_DFL


@each_signal
def test_app_signal_ignored_at_start_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    left: list[None] = []
    with exit_on_signals(lambda: left.append(None)):
        os.kill(os.getpid(), number)
    assert not left


@each_signal
def test_app_signal_leaves(number: signal.Signals) -> None:
    left: list[None] = []
    with exit_on_signals(lambda: left.append(None)):
        os.kill(os.getpid(), number)
    assert left == [None]
