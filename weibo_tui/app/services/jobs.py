"""Long work that the app has begun: what it is, how far it is, and the messages that tell of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from textual.message import Message
from textual.message_pump import MessagePump

from weibo_tui.progress import Progress, Rate
from weibo_tui.workbench import Workbench

State = Literal["waiting", "working", "paused", "stopping", "done", "stopped", "failed"]
Outcome = Literal["done", "stopped", "failed"]
Kind = Literal["train", "pretrain", "predict", "label", "evaluate", "audit", "export", "import", "fetch"]

_numbers = itertools.count(1)


@dataclass(eq=False)
class Job:
    """One long piece of work: `begin` gives its events, the last of which is its result.

    Screens read it, and ask by `pause`, `go_on` and `stop`; the thread that does it writes the rest. `run` is the id
    of a training's or a pretraining's run, known once that has begun.
    """

    kind: Kind
    title: str
    iterate: Callable[[Workbench], Iterator[object]]
    owner: MessagePump
    base: str = ""
    """The base and the adapter that it works with: they are neither deleted nor renamed meanwhile."""
    adapter: str = ""
    number: int = field(default_factory=lambda: next(_numbers))
    run: str = ""
    progress: Progress | None = None
    started: bool = False
    outcome: Outcome | None = None
    error: Exception | None = None
    """The error of a job that failed."""
    pausing: bool = False
    stopping: bool = False
    detached: bool = False
    """Whether its run goes on in another process once the job is stopped."""
    per_second: float | None = None
    """The pace of the stage that it is in, in pieces of its `progress`."""
    _rate: Rate = field(default_factory=Rate, repr=False)

    @property
    def state(self) -> State:
        if self.outcome is not None:
            return self.outcome
        if self.stopping:
            return "stopping"
        if self.pausing:
            return "paused"
        return "working" if self.started else "waiting"

    def advance(self, progress: Progress) -> None:
        """It is so far; for the thread that does it."""
        if self.progress is None or self.progress.stage != progress.stage:
            self._rate = Rate()
        self.progress, self.per_second = progress, self._rate.at(progress.done)

    @property
    def seconds_left(self) -> float | None:
        """How long the stage that it is in will still take; None while nobody knows."""
        if self.progress is None or self.progress.total is None or not self.per_second:
            return None
        return (self.progress.total - self.progress.done) / self.per_second

    def pause(self) -> None:
        """Pull no further event until `go_on`: what pausing a generator is."""
        self.pausing = True

    def resume(self) -> None:
        self.pausing = False

    def stop(self) -> None:
        """Close it behind the step that it is in; training keeps a checkpoint."""
        self.stopping = True


class JobProgress(Message):
    """A job is further: the events since the last time, of each run of Progress only the latest."""

    def __init__(self, job: Job, events: list[object]) -> None:
        super().__init__()
        self.job = job
        self.events = events


class JobFinished(Message):
    """A job is over, as its state says: `result` is the last event of one that is done, `error` what failed it."""

    def __init__(self, job: Job, result: object = None, error: Exception | None = None) -> None:
        super().__init__()
        self.job = job
        self.result = result
        self.error = error
