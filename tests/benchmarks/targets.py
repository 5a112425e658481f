"""Functions that a benchmark runs in a process of its own; each returns its figures and imports what it needs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from benchmarks.runner import Figures

TARGETS = {
    "app at work": ("app_at_work", "run_app"),
    "training alone": ("app_at_work", "train_alone"),
    "history": ("history_data", "query"),
    "train": ("engine", "train"),
    "predict": ("engine", "predict"),
    "reference training": ("reference", "train"),
    "reference loop": ("reference", "predict"),
    "reference pipeline": ("reference", "classify"),
}


def load(name: str) -> Callable[..., Figures]:
    """Import the target `name`."""
    module, function = TARGETS[name]
    target: Callable[..., Figures] = getattr(import_module(f"benchmarks.{module}"), function)
    return target
