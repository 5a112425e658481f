"""What runs in a process of its own, by name; each returns its figures, and imports what it needs itself."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from weibo_tui.bench.measuring import Measured


def _of(module: str, function: str) -> Callable[..., Measured]:
    """A function of `weibo_tui.bench.<module>`, which is imported when it is called."""

    def contender(**arguments: Any) -> Measured:
        measured: Measured = getattr(import_module(f"weibo_tui.bench.{module}"), function)(**arguments)
        return measured

    return contender


ALL: dict[str, Callable[..., Measured]] = {
    "event loop": _of("event_loop", "in_the_app"),
    "training alone": _of("event_loop", "without_the_app"),
    "history": _of("records", "ask"),
    "train": _of("ours", "train"),
    "predict": _of("ours", "predict"),
    "plain training": _of("plain", "train"),
    "plain predict loop": _of("plain", "predict"),
    "plain pipeline": _of("plain", "classify"),
}
