"""Messages of worker threads, and their end, which loses nothing and blocks nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from steps import Owner, Work, begin, close, job, play
from textual.message import Message

from weibo_tui import Workbench
from weibo_tui.app.services.worker import POST_SECONDS, WorkerThread
from weibo_tui.errors import WeiboTuiError
from weibo_tui.progress import Progress

# ---- messages


class Clockwork(asyncio.SelectorEventLoop):
    """An event loop with a clock that only tests advance."""

    now = 0.0

    def time(self) -> float:
        return self.now


def test_events_are_posted_in_order_in_few_messages() -> None:
    async def scene(thread: WorkerThread) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Clockwork)
        work, owner = Work(61), Owner()
        thread.start_job(job(work, owner))
        for tenth in range(3):
            for _step in range(20):
                await work.step_started()
                work.allow(1)
            await thread.call(lambda _wb: None)
            assert len(owner.progress) <= tenth + 1
            loop.now += POST_SECONDS
        work.allow(1)
        await owner.finished.get()
        assert owner.events == list(range(1, 62))
        assert len(owner.progress) <= 5

    play(scene, Clockwork)


def test_events_consecutive_progress_posts_the_latest() -> None:
    def work(_wb: Workbench) -> Iterator[object]:
        yield from (Progress("encoding", done, 50) for done in range(50))
        yield "encoded"
        yield from (Progress("training", done, 50) for done in range(50))

    async def scene(thread: WorkerThread) -> None:
        owner = Owner()
        task = job(work, owner)
        hold = Work(1)
        await begin(thread, hold, Owner())
        thread.start_job(task)
        hold.allow(1)
        await owner.finished.get()
        # The clock does not move: the first message has the first events, the last message the rest.
        *_some, encoded, training = owner.events
        assert (encoded, training) == ("encoded", Progress("training", 49, 50))
        assert len(owner.events) <= 4
        assert task.progress == training

    play(scene, Clockwork)


# ---- the end


def test_close_stops_every_job_and_posts_its_events() -> None:
    async def scene(thread: WorkerThread) -> None:
        owner = Owner()
        at_work, paused, waiting = Work(), Work(), Work()
        jobs = [await begin(thread, paused, owner)]
        jobs[0].pause()
        paused.allow(1)
        jobs += [await begin(thread, at_work, owner), job(waiting, owner)]
        thread.start_job(jobs[2])
        closing = await close(thread)
        at_work.allow(1)
        await closing
        assert not thread.is_alive()
        for _job in jobs:
            await owner.finished.get()
        assert [task.state for task in jobs] == ["stopped"] * 3
        assert (paused.closed, at_work.closed, waiting.begun.acquire(blocking=False)) == (True, True, False)
        assert sorted(map(str, owner.events)) == ["1", "1"]

    play(scene)


def test_close_fails_pending_calls() -> None:
    async def scene(thread: WorkerThread) -> None:
        work = Work()
        await begin(thread, work, Owner())
        waiting = asyncio.create_task(thread.call(lambda _wb: None))
        await asyncio.sleep(0)
        closing = await close(thread)
        work.allow(1)
        await closing
        for requests in (waiting, thread.call(lambda _wb: None)):
            with pytest.raises(WeiboTuiError, match="the app is quitting"):
                await requests

    play(scene)


def test_close_ends_an_idle_thread_and_stops_later_jobs() -> None:
    async def scene(thread: WorkerThread) -> None:
        await thread.call(lambda _wb: None)
        for _time in range(2):
            thread.close()
            assert not thread.is_alive()
        owner = Owner()
        task = job(Work(), owner)
        thread.start_job(task)
        assert (await owner.finished.get()).job is task
        assert (task.state, task.started) == ("stopped", False)

    play(scene)


def test_close_works_before_the_start() -> None:
    async def scene() -> None:
        thread, owner = WorkerThread("engine"), Owner()
        requests = asyncio.create_task(thread.call(lambda _wb: None))
        thread.start_job(job(Work(), owner))
        await asyncio.sleep(0)
        thread.close()
        with pytest.raises(WeiboTuiError):
            await requests
        assert (await owner.finished.get()).job.state == "stopped"
        thread.start()  # and ends at once
        thread.join()

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_close_after_the_event_loop_is_silent() -> None:
    """The app exits during a step. The result is ignored, but the checkpoint is saved."""
    work, thread = Work(), WorkerThread("engine")

    async def scene() -> None:
        thread.start()
        await begin(thread, work, Owner())
        requests = asyncio.create_task(thread.call(lambda _wb: None))
        await asyncio.sleep(0)
        requests.cancel()

    asyncio.run(scene())
    work.allow(2)
    thread.close()
    assert work.closed
    gc.collect()  # a coroutine that was never awaited would warn now


class Gone(Owner):
    """A closed screen, which gets no messages."""

    def __init__(self, above: Owner) -> None:
        super().__init__()
        self._parent = above

    @property
    def app(self) -> Any:  # type: ignore[override]
        return self._parent

    def post_message(self, _message: Message) -> bool:
        return False


def test_events_of_a_closed_screen_go_to_the_app() -> None:
    async def scene(thread: WorkerThread) -> None:
        app = Owner()
        task = job(lambda _wb: iter([1]), Gone(app))
        thread.start_job(task)
        assert (await app.finished.get()).job is task
        assert app.events == [1]

    play(scene)


def test_garbage_collector_is_frozen_during_jobs() -> None:
    """Each collection over torch and a dataset would block the event loop for a quarter of a second."""

    async def scene(thread: WorkerThread) -> None:
        work, owner = Work(1), Owner()
        thread.start_job(job(work, owner))
        work.allow(1)
        await owner.finished.get()
        await thread.call(lambda _wb: None)
        assert gc.get_freeze_count() == 0
        thread.start_job(job(iter_that_looks, owner))
        finished = await owner.finished.get()
        assert finished.result
        await thread.call(lambda _wb: None)
        assert gc.get_freeze_count() == 0

    def iter_that_looks(_wb: Workbench) -> Iterator[object]:
        yield "begun"
        yield gc.get_freeze_count()

    play(scene)
