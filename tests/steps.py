"""Jobs whose steps a test controls, an owner that collects messages, and a worker thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from textual.message import Message
from textual.message_pump import MessagePump

from weibo_tui import Workbench
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress
from weibo_tui.app.services.worker import WorkerThread

Scene = Callable[[WorkerThread], Coroutine[Any, Any, None]]


class Owner(MessagePump):
    """Collects the messages that a screen would get."""

    def __init__(self) -> None:
        super().__init__()
        self.progress: list[JobProgress] = []
        self.finished: asyncio.Queue[JobFinished] = asyncio.Queue()

    @property
    def is_running(self) -> bool:
        return True

    def post_message(self, message: Message) -> bool:
        if isinstance(message, JobProgress):
            self.progress.append(message)
        if isinstance(message, JobFinished):
            self.finished.put_nowait(message)
        return True

    @property
    def events(self) -> list[object]:
        return [event for message in self.progress for event in message.events]


class Work:
    """A generator whose steps the test releases one by one. A closing worker releases all."""

    def __init__(self, steps: int = 1000) -> None:
        self._steps = steps
        self._allowed = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        """Released when a step starts."""
        self.done = 0
        self.closed = False

    def __call__(self, _wb: Workbench) -> Iterator[object]:
        try:
            for step in range(1, self._steps + 1):
                self.begun.release()
                while not self._allowed.acquire(timeout=0.05) and not _closing():
                    pass
                self.done = step
                yield step
        finally:
            self.closed = True

    def allow(self, steps: int) -> None:
        self._allowed.release(steps)

    async def step_started(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=120)


def _closing() -> bool:
    thread = threading.current_thread()
    return isinstance(thread, WorkerThread) and thread._closing


def play(scene: Scene, loop: type[asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop) -> None:
    """Run `scene` with a worker thread, and stop the thread."""
    thread = WorkerThread("engine")
    with asyncio.Runner(loop_factory=loop) as runner:
        thread.start()
        try:
            runner.run(asyncio.wait_for(scene(thread), 60))
        finally:
            thread.close()
    assert not thread.is_alive()


def job(begin: Callable[[Workbench], Iterator[object]], owner: MessagePump) -> Job:
    return Job("train", "a training", begin, owner)


async def begin(thread: WorkerThread, work: Work, owner: MessagePump) -> Job:
    """Start a job and wait for its first step."""
    started = job(work, owner)
    thread.start_job(started)
    await work.step_started()
    return started


async def close(thread: WorkerThread) -> asyncio.Task[None]:
    """Start to close the thread, and return the task that waits for its end."""
    closing = asyncio.create_task(asyncio.to_thread(thread.close))
    while not thread._closing:
        await asyncio.sleep(0)
    return closing
