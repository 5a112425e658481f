"""Progress of long work. Generators yield it, so that the caller sets the pace."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TypeVar

Result = TypeVar("Result")

PAUSE_SECONDS = 0.2
"""Interval at which a paused run looks for the end of its pause."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` items of a stage. `total` is None while unknown. The `unit` of bytes is B.

    `note` is a line for the user about what was done.
    """

    stage: str
    done: int
    total: int | None = None
    unit: str = ""
    note: str = ""


def drain(steps: Generator[object, None, Result]) -> Result:
    """Exhaust a generator and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result


def as_part(steps: Generator[Progress, None, Result], before: int, total: int) -> Generator[Progress, None, Result]:
    """Yield the progress of a part as that of the whole of `total` items, and return the result of the part."""
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        yield replace(step, done=before + step.done, total=total)


class Rate:
    """Moving average of the speed of work over the last seconds."""

    SECONDS = 10.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, float]] = deque()

    def update(self, done: float) -> float | None:
        """Add the number of items done by now. Returns items per second, None until there are two measurements."""
        now = self._clock()
        if self._samples and done < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > self.SECONDS:
            self._samples.popleft()
        started, first = self._samples[0]
        return (done - first) / (now - started) if now > started else None
