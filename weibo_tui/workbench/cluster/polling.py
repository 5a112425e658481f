"""Iteration over items that take long to come, with room for other work while they do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import Empty, Queue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def poll(items: Iterable[T], seconds: float) -> Iterator[T | None]:
    """Yield the items, which a thread waits for, and None each time that no item comes for some seconds.

    Raise the error of the iteration in its place."""
    queue: Queue[tuple[T | None, BaseException | None] | None] = Queue()

    def fill() -> None:
        try:
            for item in items:
                queue.put((item, None))
        except BaseException as error:
            queue.put((None, error))
        queue.put(None)

    Thread(target=fill, daemon=True).start()
    while True:
        try:
            entry = queue.get(timeout=seconds)
        except Empty:
            yield None
            continue
        if entry is None:
            return
        item, error = entry
        if error is not None:
            raise error
        yield item
