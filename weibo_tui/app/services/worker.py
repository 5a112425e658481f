"""Worker threads: each owns a workbench, answers calls of screens, and runs jobs.

Only the engine's thread uses the device, and only the records' thread uses SQLite for screens. The hub's thread waits
for the network, the cluster's thread for Ray, and the reports' thread reads whole files. No thread touches a widget:
results return through the event loop, and jobs post messages.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from textual.message import Message

from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress, Outcome
from weibo_tui.engine.events import RunStarted, StepDone
from weibo_tui.errors import RunStoppedError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.log import log_exception
from weibo_tui.progress import PAUSE_SECONDS, Progress

if TYPE_CHECKING:
    from weibo_tui.workbench.workbench import Workbench

POST_SECONDS = 0.2
"""Minimum interval between messages of a job. To draw one takes the event loop 5 to 10 ms, in which the engine waits
for Python's lock."""

GIL_PAUSE_SECONDS, GIL_INTERVAL_SECONDS = 0.0005, 0.02
"""Duration and interval of pauses for the event loop."""

T = TypeVar("T")


class WorkerThread(threading.Thread):
    """Answers calls as they come, also between two steps of a job. Several jobs take turns."""

    def __init__(self, name: str, home: Path | None = None) -> None:
        super().__init__(name=name, daemon=True)
        self._home = home
        self._workbench: Workbench | None = None
        self._resources = ExitStack()
        self._calls: deque[_Call] = deque()
        self._current: _Call | None = None
        self._jobs: deque[_RunningJob] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._last_pause = 0.0

    async def call(self, function: Callable[[Workbench], T], for_app_only: bool = False) -> T:
        """Return `function(workbench)`, called in the thread. A cancelled call is skipped.

        A call `for_app_only` changes nothing that outlives the app, so quitting need not wait for it. Raises what
        `function` raises, and WeiboTuiError if the thread ends first."""
        future: Future[T] = Future()
        with self._wake:
            if self._closing:
                raise _app_closing_error()
            self._calls.append(_Call(function, future, for_app_only))
            self._wake.notify()
        return await asyncio.wrap_future(future)

    def start_job(self, job: Job) -> None:
        """Start a job, whose owner gets JobProgress and JobFinished. Call it in the event loop."""
        running = _RunningJob(job)
        with self._wake:
            if not self._closing:
                self._jobs.append(running)
                self._wake.notify()
                return
        running.stop(self._open)

    def wake(self) -> None:
        """Check the jobs again. Call it after pause, resume or stop."""
        with self._wake:
            self._wake.notify()

    def close(self, wait: bool = True) -> None:
        """Stop all jobs, with checkpoints, and wait until the thread has ended after its current step.

        Without `wait`, this returns at once if the thread has only calls `for_app_only`."""
        with self._wake:
            self._closing = True
            calls = [self._current, *self._calls]
            needed = self._jobs or any(not call.for_app_only for call in calls if call)
            self._wake.notify()
        if not self.is_alive():
            self._cancel_pending()  # it was never started
        elif wait or needed or self._current is None:
            self.join()

    def run(self) -> None:
        try:
            with self._resources:
                try:
                    while self._wait():
                        self._answer_calls()
                        self._advance_job()
                        self._yield_gil()
                finally:
                    self._cancel_pending()
        except Exception as error:  # Python would print it over the screen
            log_exception(error)

    def _open(self) -> Workbench:
        """Return the thread's workbench, opened when it is first needed. If that fails, the next call tries again."""
        if self._workbench is None:
            from weibo_tui.workbench.workbench import Workbench

            self._workbench = self._resources.enter_context(Workbench(self._home))
        return self._workbench

    def _wait(self) -> bool:
        """Wait for work. Return False if the thread must end."""
        with self._wake:
            while not (self._closing or self._calls or any(running.ready for running in self._jobs)):
                held = any(running.job.held for running in self._jobs)
                self._wake.wait(PAUSE_SECONDS if held else None)
            return not self._closing

    def _answer_calls(self) -> None:
        while self._calls:
            with self._wake:
                self._current = call = self._calls.popleft()
            if call.future.set_running_or_notify_cancel():
                try:
                    call.future.set_result(call.function(self._open()))
                except StopIteration:  # asyncio does not accept it
                    call.future.set_exception(RuntimeError("the function raised StopIteration"))
                except BaseException as error:  # any error belongs to the caller
                    call.future.set_exception(error)
            self._current = None

    def _advance_job(self) -> None:
        """Advance the next job by one event."""
        with self._wake:
            running = next((job for job in self._jobs if job.ready), None)
            if running is None:
                return
            self._jobs.remove(running)
            self._jobs.append(running)  # at the end of the queue
        if not running.advance(self._open):
            with self._wake:
                self._jobs.remove(running)
            if not self._jobs:
                gc.unfreeze()

    def _yield_gil(self) -> None:
        """Let the event loop run. Work that releases the GIL often, as for each block of a file, otherwise keeps it
        for up to a second, because each release starts Python's switch interval again."""
        if time.monotonic() - self._last_pause > GIL_INTERVAL_SECONDS:
            time.sleep(GIL_PAUSE_SECONDS)
            self._last_pause = time.monotonic()

    def _cancel_pending(self) -> None:
        """Stop the jobs and fail the calls, so that nothing waits for a thread that has ended."""
        with self._wake:
            self._closing = True
            jobs, self._jobs = self._jobs, deque()
            calls, self._calls = self._calls, deque()
        for running in jobs:
            running.stop(self._open)
        for call in calls:
            if call.future.set_running_or_notify_cancel():
                call.future.set_exception(_app_closing_error())


@dataclass(frozen=True, slots=True)
class _Call:
    """A function to call in the thread, and the future of its result."""

    function: Callable[[Workbench], Any]
    future: Future[Any]
    for_app_only: bool


def _app_closing_error() -> WeiboTuiError:
    return WeiboTuiError(_("Not done, because the app is quitting."))


class _RunningJob:
    """A job and its generator."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._events: Iterator[object] | None = None
        self._last: object = None
        self._poster = _EventPoster(job)
        self._not_before = 0.0

    @property
    def ready(self) -> bool:
        job = self.job
        return job.stopping or not (job.queued or job.pausing or time.monotonic() < self._not_before)

    def advance(self, open_workbench: Callable[[], Workbench]) -> bool:
        """Take one event. Return False at the end."""
        if self.job.stopping:
            self.stop(open_workbench)
            return False
        try:
            if self._events is None:
                wb = open_workbench()
                self.job.started = True
                self._events = iter(self.job.iterate(wb))
                # Otherwise the garbage collector walks over torch and stops all threads for a quarter of a second,
                # several times a minute.
                gc.freeze()
            self._last = next(self._events)
        except StopIteration:
            self._end("done", self._last)
            return False
        except RunStoppedError:
            self._end("stopped")
            return False
        except Exception as error:
            self._end("failed", error=error)
            return False
        self._apply(self._last)
        if isinstance(self._last, RunStarted) and self.job.pausing:  # paused before it had a run
            open_workbench().runs.pause(self.job.run)
            self.job.pausing = False
        return True

    def stop(self, open_workbench: Callable[[], Workbench]) -> None:
        """Close the generator, so that a training saves a checkpoint, and start the process of a detached run."""
        job = self.job
        try:
            if job.detached:  # closing clears the request
                job.held = job.pausing or open_workbench().runs.requested(job.run) == "pause"
            if isinstance(self._events, Generator):
                self._events.close()
            if job.detached:
                open_workbench().detach_run(job.run, paused=job.held)
        except Exception as error:
            self._end("failed", error=error)
        else:
            self._end("stopped")

    def _apply(self, event: object) -> None:
        if isinstance(event, RunStarted):
            self.job.run = event.run
            gc.freeze()  # the dataset too
        if isinstance(event, StepDone) and event.steps:
            self.job.advance(Progress("training", event.step, event.steps))
        self.job.held = isinstance(event, Progress) and event.stage == "paused"
        if self.job.held:
            self._not_before = time.monotonic() + PAUSE_SECONDS
        elif isinstance(event, Progress) and event.stage != "step":
            self.job.advance(event)
        self._poster.post(event)

    def _end(self, outcome: Outcome, result: object = None, error: Exception | None = None) -> None:
        self.job.outcome, self.job.error = outcome, error
        self._poster.end(JobFinished(self.job, result, error))


class _EventPoster:
    """Posts a job's events in batches, from the event loop, so that no event waits for the next step."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()  # Textual finds the app through it
        self._lock = threading.Lock()
        self._pending: list[object] = []
        self._scheduled = False
        self._next = 0.0

    def post(self, event: object) -> None:
        """Post `event` soon. Of consecutive Progress events only the latest is posted."""
        with self._lock:
            if self._pending and isinstance(event, Progress) and isinstance(self._pending[-1], Progress):
                self._pending.pop()
            self._pending.append(event)
            scheduled, self._scheduled = self._scheduled, True
        if not scheduled:
            self._in_loop(self._schedule)

    def end(self, message: JobFinished) -> None:
        """Post the pending events, then `message`."""
        self._in_loop(self._end, message)

    def _in_loop(self, call: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, so the app has exited
            self._loop.call_soon_threadsafe(call, *arguments, context=self._context)

    def _schedule(self) -> None:
        self._loop.call_at(max(self._next, self._loop.time()), self._flush)

    def _flush(self) -> None:
        with self._lock:
            events, self._pending = self._pending, []
            self._scheduled = False
        if events:
            self._next = self._loop.time() + POST_SECONDS
            self._send(JobProgress(self._job, events))

    def _end(self, message: JobFinished) -> None:
        self._flush()
        self._send(message)

    def _send(self, message: Message) -> None:
        owner = self._job.owner
        if not (owner.is_running and owner.post_message(message)):
            owner.app.post_message(message)  # the screen is closed; the app tracks all jobs
