"""How far long work is. Readers, audits and the engine yield it; whoever pulls decides the pace."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` pieces of a stage; `total` is None where the end is not known yet. The `unit` of bytes is B."""

    stage: str
    done: int
    total: int | None = None
    unit: str = ""


def finish(steps: Generator[object, None, Result]) -> Result:
    """Pull a generator to its end, look at nothing on the way, and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result


class Rate:
    """How fast work goes, over the last while."""

    SECONDS = 10.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: deque[tuple[float, float]] = deque()

    def at(self, done: float) -> float | None:
        """Pieces a second, now that `done` are; None while there is nothing to tell it from."""
        now = self._clock()
        if self._marks and done < self._marks[-1][1]:
            self._marks.clear()
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[0][0] > self.SECONDS:
            self._marks.popleft()
        began, first = self._marks[0]
        return (done - first) / (now - began) if now > began else None
