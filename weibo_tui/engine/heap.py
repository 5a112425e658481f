"""Return of free memory to the system, so that the peak of a training is what its tensors need."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable

STEP = 2**24
"""Bytes by which the peak may grow before the heap is trimmed again."""


class HeapTrimmer:
    """Trims the heap of the C library before it would grow.

    glibc keeps freed memory for later allocations, and micro-batches of other sizes leave gaps that the tensors of the
    next one do not fit into, which makes the peak of a float32 training a fifth higher. The step after a trim takes a
    tenth longer, so it is done only before a micro-batch that is larger than all before, and after the peak rose."""

    def __init__(self) -> None:
        self._peak = self._tokens = 0

    def trim_if_due(self, peak: int, tokens: int) -> None:
        """Trim before a micro-batch of `tokens`. `peak` is that of the process, in bytes."""
        if tokens > self._tokens or peak > self._peak + STEP:
            self._tokens, self._peak = max(tokens, self._tokens), peak
            trim_heap()


def trim_heap() -> None:
    """Return free memory to the system now, where the C library can."""
    if (trim := _malloc_trim()) is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    """Return glibc's function; other C libraries have none."""
    if sys.platform != "linux":
        return None
    function: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return function
