"""Questions to a disk, which may be far away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def aside(question: Callable[[], T]) -> T:
    """What `question` answers, asked on a thread of its own. Neither the event loop nor leaving the program waits for
    it: a disk that is gone may never answer."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from here on it is not cancelled, only no longer waited for

    def run() -> None:
        try:
            done.set_result(question())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(done)
