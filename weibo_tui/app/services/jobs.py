"""Jobs: long work that a worker thread does, and messages about it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from textual.content import Content
from textual.message import Message
from textual.message_pump import MessagePump

from weibo_tui.app.formatting import safe_content
from weibo_tui.display_names import display_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import with_note
from weibo_tui.presentation.numbers import duration, percent
from weibo_tui.progress import Progress, Rate
from weibo_tui.text.terminal import truncate_cells

if TYPE_CHECKING:
    from weibo_tui.workbench.workbench import Workbench

State = Literal["queued", "waiting", "working", "paused", "stopping", "done", "stopped", "failed"]
Outcome = Literal["done", "stopped", "failed"]
Kind = Literal[
    "train",
    "pretrain",
    "predict",
    "label",
    "evaluate",
    "compare",
    "audit",
    "export",
    "import",
    "download",
    "open",
    "report",
    "estimate",
    "explaining",
]

ALERT_SECONDS = 15.0
_TITLE_CELLS = 24

_numbers = itertools.count(1)


@dataclass(eq=False)
class Job:
    """Long work: `iterate` yields its events, and the last event is its result.

    Screens read it and call `pause`, `resume` and `stop`; the worker thread writes the rest. `run` is the id of a
    training's or pretraining's run, known once it has started.
    """

    kind: Kind
    title: str
    iterate: Callable[[Workbench], Iterator[object]]
    owner: MessagePump
    base: str = ""
    """Base model and adapter in use. They cannot be deleted or renamed until the job is over."""
    adapter: str = ""
    other_adapters: tuple[str, ...] = ()
    number: int = field(default_factory=lambda: next(_numbers))
    run: str = ""
    progress: Progress | None = None
    started: bool = False
    outcome: Outcome | None = None
    error: Exception | None = None
    """The error of a job that failed."""
    created: float = field(default_factory=time.monotonic)
    queued: bool = False
    """True while it must not start, because another training runs. The train screen clears it."""
    pausing: bool = False
    held: bool = False
    """True while its run is paused, by any program. The worker thread writes it."""
    stopping: bool = False
    detached: bool = False
    """True if its run continues in another process once the job is stopped."""
    per_second: float | None = None
    """Speed of the current stage, in units of `progress`."""
    _rate: Rate = field(default_factory=Rate, repr=False)

    @property
    def state(self) -> State:
        if self.outcome is not None:
            return self.outcome
        if self.stopping:
            return "stopping"
        if self.queued:
            return "queued"
        if self.pausing or self.held:
            return "paused"
        return "working" if self.started else "waiting"

    @property
    def is_long(self) -> bool:
        """True for work whose end is worth an alert: a training, and what takes longer than a moment."""
        return self.kind in ("train", "pretrain") or time.monotonic() - self.created > ALERT_SECONDS

    def advance(self, progress: Progress) -> None:
        """Set the progress. Called by the worker thread."""
        if self.progress is None or self.progress.stage != progress.stage:
            self._rate = Rate()
        self.progress, self.per_second = progress, self._rate.update(progress.done)

    @property
    def seconds_left(self) -> float | None:
        """Estimated remaining time of the current stage, None if unknown."""
        if self.progress is None or self.progress.total is None or not self.per_second:
            return None
        return (self.progress.total - self.progress.done) / self.per_second

    def pause(self) -> None:
        """Take no further event until `resume`."""
        self.pausing = True

    def resume(self) -> None:
        self.pausing = False

    def stop(self) -> None:
        """Close it after the current step. A training saves a checkpoint."""
        self.stopping = True


class JobProgress(Message):
    """New events of a job. Of consecutive Progress events only the latest is included."""

    def __init__(self, job: Job, events: list[object]) -> None:
        super().__init__()
        self.job = job
        self.events = events


class JobFinished(Message):
    """A job is over. `result` is its last event if it is done, `error` is set if it failed."""

    def __init__(self, job: Job, result: object = None, error: Exception | None = None) -> None:
        super().__init__()
        self.job = job
        self.result = result
        self.error = error


def importance(job: Job) -> tuple[bool, bool]:
    """Return a sort key for a list of jobs: those that advance first, and trainings before others."""
    return job.state not in ("working", "stopping"), job.kind not in ("train", "pretrain")


def window_title(job: Job) -> str:
    """Return the progress and the title of a job, short and without what changes each second."""
    progress = job.progress
    share = f"{percent(progress.done / progress.total, 0)} " if progress is not None and progress.total else ""
    return share + job.title


def describe_job(job: Job) -> Content:
    """Return kind, progress and remaining time of a job, for the status bar."""
    # "label" and "train" alone are nouns in the catalog: a column, and a split.
    kind = {"label": "labeling", "train": "training", "open": "reading"}.get(job.kind, job.kind)
    text = display_name(kind)
    if job.kind != "download":
        text += f" {truncate_cells(job.title, _TITLE_CELLS)}"
    if job.state != "working":
        text = with_note(text, display_name(job.state))
    if (progress := job.progress) is not None and progress.total:
        if job.kind in ("train", "pretrain") and progress.stage != "training":
            text += f": {display_name(progress.stage)}"
        text += f" {percent(progress.done / progress.total, 0)}"
    if job.state == "working" and (seconds := job.seconds_left) is not None:
        text += " " + _("{time} left").format(time=duration(seconds))
    if job.kind == "download":
        text += f" {job.title}"  # last, because a long name hides what follows it
    return safe_content(text, "$primary")
