"""Worker threads: calls between the steps of jobs, and jobs in turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from steps import Owner, Work, job, play

from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.errors import UserInputError
from weibo_tui.paths import Paths
from weibo_tui.workbench import Workbench

# ---- calls


def test_call_runs_in_the_thread_with_its_workbench() -> None:
    async def scene(thread: WorkerThread) -> None:
        wb = await thread.call(lambda wb: wb)
        assert isinstance(wb, Workbench)
        assert await thread.call(lambda again: again is wb)
        assert await thread.call(lambda _wb: threading.current_thread()) is thread

    play(scene)


@pytest.mark.parametrize("error", [UserInputError("no"), pytest.fail.Exception("no")])
def test_call_failure_is_raised_to_its_caller_only(error: BaseException) -> None:
    def fails(_wb: Workbench) -> None:
        raise error

    async def scene(thread: WorkerThread) -> None:
        with pytest.raises(type(error)):
            await asyncio.gather(thread.call(fails))
        assert await thread.call(lambda _wb: 1) == 1

    play(scene)


def test_call_stop_iteration_becomes_runtime_error() -> None:
    """A future does not accept StopIteration."""

    async def scene(thread: WorkerThread) -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await thread.call(lambda _wb: next(iter([])))

    play(scene)


def test_call_is_answered_between_two_steps() -> None:
    async def scene(thread: WorkerThread) -> None:
        work, owner = Work(), Owner()
        thread.start_job(job(work, owner))
        await work.step_started()
        requests = asyncio.gather(*(thread.call(lambda _wb, n=n: (n, work.done)) for n in range(3)))  # type: ignore[misc]
        await asyncio.sleep(0)
        work.allow(1)
        assert await requests == [(0, 1), (1, 1), (2, 1)]
        work.allow(1)

    play(scene)


def test_call_cancelled_before_its_turn_is_skipped() -> None:
    async def scene(thread: WorkerThread) -> None:
        work, requests = Work(), []
        thread.start_job(job(work, Owner()))
        await work.step_started()
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


def test_call_without_workbench_fails_and_next_retries(home: Path) -> None:
    """As if the settings are damaged while the app starts."""
    settings = Paths.find().settings_file
    settings.write_text("adapter = ", encoding="utf-8")

    async def scene(thread: WorkerThread) -> None:
        owner = Owner()
        one = job(lambda _wb: iter([1]), owner)
        for _time in range(2):
            with pytest.raises(UserInputError, match="not valid TOML"):
                await thread.call(lambda wb: wb)
        thread.start_job(one)
        finished = await owner.finished.get()
        assert isinstance(finished.error, UserInputError)
        assert one.error is finished.error
        assert (one.state, one.started) == ("failed", False)
        settings.unlink()
        wb = await thread.call(lambda wb: wb)
        assert await thread.call(lambda again: again is wb)
        thread.start_job(job(lambda _wb: iter([1]), owner))
        assert (await owner.finished.get()).job.state == "done"

    play(scene)


# ---- jobs


def test_job_last_event_is_the_result() -> None:
    async def scene(thread: WorkerThread) -> None:
        owner = Owner()
        one = job(lambda _wb: iter(["first", "last"]), owner)
        assert one.state == "waiting"
        thread.start_job(one)
        finished = await owner.finished.get()
        assert (finished.job, finished.result, finished.error, one.state) == (one, "last", None, "done")
        assert owner.events == ["first", "last"]

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
        thread.start_job(job(holding, owner))
        await holding.step_started()
        thread.start_job(job(work("a"), owner))
        thread.start_job(job(work("b"), owner))
        holding.allow(1)
        for _ended in range(3):
            await owner.finished.get()
        assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]

    play(scene)


def test_job_paused_does_nothing_while_another_runs() -> None:
    async def scene(thread: WorkerThread) -> None:
        paused, other, owner = Work(), Work(5), Owner()
        one = job(paused, owner)
        thread.start_job(one)
        await paused.step_started()
        one.pause()
        assert one.state == "paused"
        paused.allow(1000)
        other.allow(5)
        thread.start_job(job(other, owner))
        await owner.finished.get()
        assert (paused.done, other.done) == (1, 5)
        one.resume()
        thread.wake()
        assert (await owner.finished.get()).job is one
        assert paused.done == 1000

    play(scene)


def test_job_events_before_a_pause_are_posted_during_it() -> None:
    async def scene(thread: WorkerThread) -> None:
        work, owner = Work(), Owner()
        one = job(work, owner)
        thread.start_job(one)
        for _step in range(3):
            await work.step_started()
            work.allow(1)
        await work.step_started()
        one.pause()
        work.allow(1)
        while owner.events != [1, 2, 3, 4]:
            await asyncio.sleep(0)

    play(scene)


@pytest.mark.parametrize("paused", [False, True])
def test_job_stopped_is_closed_after_its_step(paused: bool) -> None:
    async def scene(thread: WorkerThread) -> None:
        work, owner = Work(), Owner()
        one = job(work, owner)
        thread.start_job(one)
        await work.step_started()
        if paused:
            one.pause()
            work.allow(1)
            await thread.call(lambda _wb: None)
        one.stop()
        assert one.state == "stopping"
        thread.wake()
        work.allow(1)
        finished = await owner.finished.get()
        assert (finished.result, finished.error, one.state) == (None, None, "stopped")
        assert work.closed
        assert work.done == 1

    play(scene)


def test_job_stopped_before_its_start_never_starts() -> None:
    async def scene(thread: WorkerThread) -> None:
        first, never, owner = Work(1), Work(), Owner()
        thread.start_job(job(first, owner))
        await first.step_started()
        one = job(never, owner)
        thread.start_job(one)
        one.stop()
        first.allow(1)
        assert {(await owner.finished.get()).job.state for _job in range(2)} == {"done", "stopped"}
        assert not one.started

    play(scene)


def fails_at_once(_wb: Workbench) -> Iterator[object]:
    raise UserInputError("no data")


def fails_later(_wb: Workbench) -> Iterator[object]:
    yield 1
    raise UserInputError("no space")


@pytest.mark.parametrize(("begin", "events"), [(fails_at_once, []), (fails_later, [1])])
def test_job_failure_is_reported_and_the_thread_continues(
    begin: Callable[[Workbench], Iterator[object]], events: list[object]
) -> None:
    async def scene(thread: WorkerThread) -> None:
        owner = Owner()
        one = job(begin, owner)
        thread.start_job(one)
        finished = await owner.finished.get()
        assert one.state == "failed"
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
        one = job(fails_when_closed, owner)
        thread.start_job(one)
        await work.step_started()
        one.stop()
        work.allow(1)
        finished = await owner.finished.get()
        assert one.state == "failed"
        assert isinstance(finished.error, UserInputError)

    play(scene)
