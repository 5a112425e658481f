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


def test_heap_is_trimmed_by_the_c_library(trims: list[int]) -> None:
    heap.trim_heap()
    assert trims == [0]


def test_heap_without_trim_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_malloc_trim", lambda: None)
    heap.trim_heap()
