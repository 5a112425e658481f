"""Worker threads: calls between the steps of jobs, and jobs in turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from steps import Owner, Work, begin, job, play

from weibo_tui import Workbench
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.engine.events import RunStarted
from weibo_tui.errors import UserInputError
from weibo_tui.paths import Paths

# ---- calls


def test_call_runs_in_the_thread_with_its_workbench() -> None:
    async def scene(thread: WorkerThread) -> None:
        wb = await thread.call(lambda wb: wb)
        assert isinstance(wb, Workbench)
        assert await thread.call(lambda again: again is wb)
        assert await thread.call(lambda _wb: threading.current_thread()) is thread

    play(scene)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (UserInputError("no"), UserInputError),
        (pytest.fail.Exception("no"), pytest.fail.Exception),
        (StopIteration(), RuntimeError),  # a future does not accept StopIteration
    ],
    ids=repr,
)
def test_call_failure_is_raised_to_its_caller_only(error: BaseException, raised: type[BaseException]) -> None:
    def fails(_wb: Workbench) -> None:
        raise error

    async def scene(thread: WorkerThread) -> None:
        with pytest.raises(raised):
            await asyncio.gather(thread.call(fails))
        assert await thread.call(lambda _wb: 1) == 1

    play(scene)


def test_call_is_answered_between_two_steps() -> None:
    async def scene(thread: WorkerThread) -> None:
        work = Work()
        await begin(thread, work, Owner())
        requests = asyncio.gather(*(thread.call(lambda _wb, n=n: (n, work.done)) for n in range(3)))  # type: ignore[misc]
        await asyncio.sleep(0)
        work.allow(1)
        assert await requests == [(0, 1), (1, 1), (2, 1)]
        work.allow(1)

    play(scene)


def test_call_cancelled_before_its_turn_is_skipped() -> None:
    async def scene(thread: WorkerThread) -> None:
        work, requests = Work(), []
        await begin(thread, work, Owner())
        gone = asyncio.create_task(thread.call(lambda _wb: requests.append("gone")))
        there = asyncio.create_task(thread.call(lambda _wb: requests.append("there")))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        work.allow(1)
        await there
        assert requests == ["there"]
        work.allow(1)

    play(scene)


def test_call_cancelled_during_its_turn_is_ignored() -> None:
    async def scene(thread: WorkerThread) -> None:
        started, proceed = threading.Event(), threading.Event()

        def question(_wb: Workbench) -> None:
            started.set()
            proceed.wait()

        requests = asyncio.create_task(thread.call(question))
        await asyncio.to_thread(started.wait)
        requests.cancel()
        proceed.set()
        assert await thread.call(lambda _wb: 1) == 1
        assert requests.cancelled()

    play(scene)


@pytest.mark.parametrize("for_app_only", [True, False])
def test_close_waits_only_for_calls_that_outlive_the_app(for_app_only: bool) -> None:
    async def scene(thread: WorkerThread) -> None:
        started, proceed = threading.Event(), threading.Event()

        def load(_wb: Workbench) -> None:
            started.set()
            proceed.wait()

        call = asyncio.create_task(thread.call(load, for_app_only))
        await asyncio.to_thread(started.wait)
        closing = asyncio.create_task(asyncio.to_thread(thread.close, wait=False))
        if for_app_only:
            await closing
            assert thread.is_alive()
        else:
            assert await asyncio.wait([closing], timeout=0.2) == (set(), {closing})
        proceed.set()
        await call
        await closing

    play(scene)


def test_call_without_workbench_fails_and_next_retries(home: Path) -> None:
    """As if the settings are damaged while the app starts."""
    settings = Paths.find().settings_file
    settings.write_text("adapter = ", encoding="utf-8")

    async def scene(thread: WorkerThread) -> None:
        owner = Owner()
        task = job(lambda _wb: iter([1]), owner)
        for _time in range(2):
            with pytest.raises(UserInputError, match="not valid TOML"):
                await thread.call(lambda wb: wb)
        thread.start_job(task)
        finished = await owner.finished.get()
        assert isinstance(finished.error, UserInputError)
        assert task.error is finished.error
        assert (task.state, task.started) == ("failed", False)
        settings.unlink()
        wb = await thread.call(lambda wb: wb)
        assert await thread.call(lambda again: again is wb)
        thread.start_job(job(lambda _wb: iter([1]), owner))
        assert (await owner.finished.get()).job.state == "done"

    play(scene)


# ---- jobs


def test_job_last_event_is_the_result_and_gives_the_run() -> None:
    started = RunStarted("r1", "mood", "train", "tiny", "cpu", "float32", 1, 0, 1, 1, {}, 1, 1)

    async def scene(thread: WorkerThread) -> None:
        owner = Owner()
        task = job(lambda _wb: iter(["first", started]), owner)
        assert task.state == "waiting"
        thread.start_job(task)
        finished = await owner.finished.get()
        assert (finished.job, finished.result, finished.error, task.state) == (task, started, None, "done")
        assert owner.events == ["first", started]
        assert task.run == "r1"

    play(scene)


def test_jobs_take_turns() -> None:
    async def scene(thread: WorkerThread) -> None:
        order, owner = [], Owner()

        def work(name: str) -> Callable[[Workbench], Iterator[object]]:
            def steps(_wb: Workbench) -> Iterator[object]:
                for step in range(3):
                    order.append(f"{name}{step}")
                    yield step

            return steps

        holding = Work(1)
        await begin(thread, holding, owner)
        for name in "ab":
            thread.start_job(job(work(name), owner))
        holding.allow(1)
        for _ended in range(3):
            await owner.finished.get()
        assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]

    play(scene)


def test_job_paused_does_nothing_while_another_runs() -> None:
    async def scene(thread: WorkerThread) -> None:
        paused, other, owner = Work(), Work(5), Owner()
        task = await begin(thread, paused, owner)
        task.pause()
        assert task.state == "paused"
        paused.allow(1000)
        other.allow(5)
        thread.start_job(job(other, owner))
        await owner.finished.get()
        assert (paused.done, other.done) == (1, 5)
        task.resume()
        thread.wake()
        assert (await owner.finished.get()).job is task
        assert paused.done == 1000

    play(scene)


def test_job_events_before_a_pause_are_posted_during_it() -> None:
    async def scene(thread: WorkerThread) -> None:
        work, owner = Work(), Owner()
        task = await begin(thread, work, owner)
        for _step in range(3):
            work.allow(1)
            await work.step_started()
        task.pause()
        work.allow(1)
        while owner.events != [1, 2, 3, 4]:
            await asyncio.sleep(0)

    play(scene)


@pytest.mark.parametrize("paused", [False, True])
def test_job_stopped_is_closed_after_its_step(paused: bool) -> None:
    async def scene(thread: WorkerThread) -> None:
        work, owner = Work(), Owner()
        task = await begin(thread, work, owner)
        if paused:
            task.pause()
            work.allow(1)
            await thread.call(lambda _wb: None)
        task.stop()
        assert task.state == "stopping"
        thread.wake()
        work.allow(1)
        finished = await owner.finished.get()
        assert (finished.result, finished.error, task.state) == (None, None, "stopped")
        assert work.closed
        assert work.done == 1

    play(scene)


def test_job_stopped_before_its_start_never_starts() -> None:
    async def scene(thread: WorkerThread) -> None:
        first, never, owner = Work(1), Work(), Owner()
        await begin(thread, first, owner)
        task = job(never, owner)
        thread.start_job(task)
        task.stop()
        first.allow(1)
        assert {(await owner.finished.get()).job.state for _job in range(2)} == {"done", "stopped"}
        assert not task.started

    play(scene)


@pytest.mark.parametrize("events", [[], [1]])
def test_job_failure_is_reported_and_the_thread_continues(events: list[object]) -> None:
    def fails(_wb: Workbench) -> Iterator[object]:
        yield from events
        raise UserInputError("no space")

    async def scene(thread: WorkerThread) -> None:
        owner = Owner()
        task = job(fails, owner)
        thread.start_job(task)
        finished = await owner.finished.get()
        assert task.state == "failed"
        assert isinstance(finished.error, UserInputError)
        assert owner.events == events
        assert await thread.call(lambda _wb: 1) == 1

    play(scene)


def test_job_failure_while_stopping_is_reported() -> None:
    """As if the disk is full when the checkpoint is written."""
    work, owner = Work(), Owner()

    def fails_when_closed(wb: Workbench) -> Iterator[object]:
        try:
            yield from work(wb)
        finally:
            raise UserInputError("no space")

    async def scene(thread: WorkerThread) -> None:
        task = job(fails_when_closed, owner)
        thread.start_job(task)
        await work.step_started()
        task.stop()
        work.allow(1)
        finished = await owner.finished.get()
        assert task.state == "failed"
        assert isinstance(finished.error, UserInputError)

    play(scene)
