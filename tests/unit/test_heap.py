"""Return of free memory to the system."""

from __future__ import annotations

import pytest

from weibo_tui.engine import heap


@pytest.fixture
def trims(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the calls of the C library's function."""
    calls: list[int] = []
    monkeypatch.setattr(heap, "_malloc_trim", lambda: calls.append)
    return calls


def test_heap_is_trimmed_only_where_it_would_grow(trims: list[int]) -> None:
    trimmer, peak = heap.HeapTrimmer(), 10 * heap.STEP
    for tokens in (500, 400, 500, 600, 300):
        trimmer.trim_if_due(peak, tokens)
    assert len(trims) == 2
    for growth in (heap.STEP, heap.STEP + 1, 2 * heap.STEP):
        trimmer.trim_if_due(peak + growth, 100)
    assert len(trims) == 3


def test_heap_without_trim_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_malloc_trim", lambda: None)
    heap.trim_heap()
