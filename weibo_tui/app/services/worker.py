"""Threads that own a workbench each and do what screens ask for.

The engine's thread alone owns the device, and computes; the records' thread alone reads and writes for the screens
what is kept in SQLite; the hub's waits for the network. None touches a widget: answers go back through the event
loop, and long work posts messages.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any, TypeVar

from textual.message import Message

from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress, Outcome
from weibo_tui.engine.events import RunStarted, StepDone
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.log import record_fault
from weibo_tui.progress import Progress
from weibo_tui.workbench import Workbench

TELL_SECONDS = 0.1
"""How often at most a job's events are posted."""

BREATH, BREATH_SECONDS = 0.0005, 0.02
"""How long the thread stands aside for the event loop, and how often."""

T = TypeVar("T")


class WorkerThread(threading.Thread):
    """Serves questions as they come, and between two pulls of a long job too; several long jobs take turns."""

    def __init__(self, name: str, home: Path | None = None) -> None:
        super().__init__(name=name, daemon=True)
        self._home = home
        self._bench: Workbench | None = None
        self._resources = ExitStack()
        self._questions: deque[_Request] = deque()
        self._jobs: deque[_RunningJob] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._breathed = 0.0

    async def call(self, question: Callable[[Workbench], T]) -> T:
        """What `question` answers, given the thread's workbench. Whoever no longer waits for it is not answered.

        Raises what the question raises, and WeiboTuiError where the thread ends before it gets to it."""
        asked = _Request(question)
        with self._wake:
            if self._closing:
                raise _too_late()
            self._questions.append(asked)
            self._wake.notify()
        answer: T = await asked.future
        return answer

    def start_job(self, job: Job) -> None:
        """Take on a long job; its owner hears of it by JobProgress and JobFinished. For use in the event loop."""
        pulled = _RunningJob(job)
        with self._wake:
            if not self._closing:
                self._jobs.append(pulled)
                self._wake.notify()
                return
        pulled.stop(self._open)

    def wake(self) -> None:
        """Look again at what was asked of the jobs; for use after pause, go_on or stop."""
        with self._wake:
            self._wake.notify()

    def close(self, wait: bool = True) -> None:
        """Stop all jobs, each with its checkpoint, and end behind the step that is being done; `wait` for that."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if not self.is_alive():
            self._give_up()  # it was never started: nobody else does it
        elif wait:
            self.join()

    def run(self) -> None:
        try:
            with self._resources:
                try:
                    while self._wait():
                        self._answer()
                        self._pull()
                        self._breathe()
                finally:
                    self._give_up()
        except Exception as error:  # nobody is left to be told, and Python would print it over the screen
            record_fault(error)

    def _open(self) -> Workbench:
        """The thread's workbench, opened by the first request that needs it. A request that cannot open it fails, and
        the next one tries again."""
        if self._bench is None:
            self._bench = self._resources.enter_context(Workbench.open(self._home))
        return self._bench

    def _wait(self) -> bool:
        """Sleep until there is something to do; whether to go on."""
        with self._wake:
            self._wake.wait_for(lambda: self._closing or self._questions or any(one.ready for one in self._jobs))
            return not self._closing

    def _answer(self) -> None:
        while self._questions:
            self._questions.popleft().answer(self._open)

    def _pull(self) -> None:
        """One event of the job whose turn it is."""
        with self._wake:
            pulled = next((one for one in self._jobs if one.ready), None)
            if pulled is None:
                return
            self._jobs.remove(pulled)
            self._jobs.append(pulled)  # the others first, next time
        if not pulled.pull(self._open):
            with self._wake:
                self._jobs.remove(pulled)
            if not self._jobs:
                gc.unfreeze()

    def _breathe(self) -> None:
        """Let the event loop have the interpreter. Work that lets go of it often and takes it back at once, as with
        each block of a file, keeps it for up to a second else: Python ends only a turn that is not interrupted."""
        if time.monotonic() - self._breathed > BREATH_SECONDS:
            time.sleep(BREATH)
            self._breathed = time.monotonic()

    def _give_up(self) -> None:
        """Stop what is at work and refuse what was asked: nobody waits for ever for a thread that is gone."""
        with self._wake:
            self._closing = True
            jobs, self._jobs = self._jobs, deque()
            questions, self._questions = self._questions, deque()
        for pulled in jobs:
            pulled.stop(self._open)
        for question in questions:
            question.settle(error=_too_late())


def _too_late() -> WeiboTuiError:
    return WeiboTuiError(_("The app is being left: this was not done any more."))


class _Request:
    """Asked in the event loop, answered in the thread."""

    def __init__(self, question: Callable[[Workbench], Any]) -> None:
        self._question = question
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def answer(self, open_bench: Callable[[], Workbench]) -> None:
        if self.future.cancelled():
            return
        try:
            answer = self._question(open_bench())
        except StopIteration:  # which no future takes
            self.settle(error=RuntimeError("the question ended in StopIteration"))
        except BaseException as error:  # whatever it is, it is the asker's
            self.settle(error=error)
        else:
            self.settle(answer)

    def settle(self, answer: Any = None, error: BaseException | None = None) -> None:
        with suppress(RuntimeError):  # the loop is closed: the app is gone, and nobody waits
            self.future.get_loop().call_soon_threadsafe(self._settle, answer, error)

    def _settle(self, answer: Any, error: BaseException | None) -> None:
        if self.future.cancelled():
            return
        if error is None:
            self.future.set_result(answer)
        else:
            self.future.set_exception(error)


class _RunningJob:
    """A job and its generator, in the hands of the thread."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._events: Iterator[object] | None = None
        self._last: object = None
        self._teller = _EventPoster(job)

    @property
    def ready(self) -> bool:
        return self.job.stopping or not self.job.pausing

    def pull(self, open_bench: Callable[[], Workbench]) -> bool:
        """One event on, or the end of it; whether there may be more."""
        if self.job.stopping:
            self.stop(open_bench)
            return False
        try:
            if self._events is None:
                wb = open_bench()
                self.job.started = True
                self._events = iter(self.job.iterate(wb))
                # Where the garbage collector walks over torch and all else that stays, every thread stands still for
                # a quarter of a second, several times a minute.
                gc.freeze()
            self._last = next(self._events)
        except StopIteration:
            self._end("done", self._last)
            return False
        except Exception as error:
            self._end("failed", error=error)
            return False
        self._keep(self._last)
        return True

    def stop(self, open_bench: Callable[[], Workbench]) -> None:
        """Close the generator, in which a training keeps its checkpoint, and start the process that goes on with a
        detached run."""
        try:
            if isinstance(self._events, Generator):
                self._events.close()
            if self.job.detached:
                open_bench().leave_running(self.job.run)
        except Exception as error:
            self._end("failed", error=error)
        else:
            self._end("stopped")

    def _keep(self, event: object) -> None:
        if isinstance(event, RunStarted):
            self.job.run = event.run
            gc.freeze()  # the data set too
        if isinstance(event, StepDone) and event.steps:
            self.job.advance(Progress("training", event.step, event.steps))
        if isinstance(event, Progress) and event.stage != "step":
            self.job.advance(event)
        self._teller.tell(event)

    def _end(self, outcome: Outcome, result: object = None, error: Exception | None = None) -> None:
        self.job.outcome, self.job.error = outcome, error
        self._teller.end(JobFinished(self.job, result, error))


class _EventPoster:
    """Posts a job's events, gathered: from the event loop, so that none waits for the step behind it to be done."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()  # Textual finds the app by it
        self._lock = threading.Lock()
        self._untold: list[object] = []
        self._arranged = False
        self._next = 0.0

    def tell(self, event: object) -> None:
        """Post `event` soon. Of Progress upon Progress only the latest is."""
        with self._lock:
            if self._untold and isinstance(event, Progress) and isinstance(self._untold[-1], Progress):
                self._untold.pop()
            self._untold.append(event)
            arranged, self._arranged = self._arranged, True
        if not arranged:
            self._in_loop(self._arrange)

    def end(self, message: JobFinished) -> None:
        """Post what is untold, then `message`."""
        self._in_loop(self._end, message)

    def _in_loop(self, call: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the app is gone, and nobody listens
            self._loop.call_soon_threadsafe(call, *arguments, context=self._context)

    def _arrange(self) -> None:
        self._loop.call_at(max(self._next, self._loop.time()), self._tell)

    def _tell(self) -> None:
        with self._lock:
            events, self._untold = self._untold, []
            self._arranged = False
        if events:
            self._next = self._loop.time() + TELL_SECONDS
            self._post(JobProgress(self._job, events))

    def _end(self, message: JobFinished) -> None:
        self._tell()
        self._post(message)

    def _post(self, message: Message) -> None:
        owner = self._job.owner
        if not (owner.is_running and owner.post_message(message)):
            owner.app.post_message(message)  # the screen is not open any more; the app keeps account of all jobs
