"""The subjects by name; each is imported when it is measured."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from weibo_tui.bench.measuring import BenchmarkOptions, Comparison
from weibo_tui.progress import Progress


def measure(subject: str, wanted: BenchmarkOptions) -> Iterator[Progress | Comparison]:
    """What `weibo_tui.bench.<subject>` finds: progress, and a comparison for each row of the report."""
    found: Iterator[Progress | Comparison] = import_module(f"weibo_tui.bench.{subject}").measure(wanted)
    return found
