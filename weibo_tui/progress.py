"""How far long work is. Readers, audits and the engine yield it; whoever pulls decides the pace."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` pieces of a stage; `total` is None where the end is not known yet."""

    stage: str
    done: int
    total: int | None = None


def finish(steps: Generator[object, None, Result]) -> Result:
    """Pull a generator to its end, look at nothing on the way, and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
