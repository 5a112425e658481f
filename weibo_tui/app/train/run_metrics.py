"""A run as its journal tells it: curves, figures and a log, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from weibo_tui.app.plot.series import SMOOTHING, Series
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import figure
from weibo_tui.presentation.run_events import compute_setup, describe_event, posts_per_split
from weibo_tui.storage.runs import DAMAGED, JournalEntry, Run, Runs

LOG_LINES = 200
PACE_SECONDS = 60.0
"""How far back one looks for the pace that the time left is told from."""
READ_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Metric:
    """What a curve shows. `smoothing` is that of the smoothed curve, 0 for none; `spread` ones spread over decades,
    and may have a logarithmic axis."""

    name: str
    title: str
    smoothing: float = 0.0
    spread: bool = False


MEASURES = (
    Metric("loss", N_("Loss"), SMOOTHING, spread=True),
    Metric("validation_loss", N_("Validation loss"), spread=True),
    Metric("accuracy", N_("Accuracy, %")),
    Metric("macro_f1", N_("Macro F1, %")),
    Metric("learning_rate", N_("Learning rate"), spread=True),
    Metric("posts_per_second", N_("Posts/s"), SMOOTHING),
    Metric("tokens_per_second", N_("Tokens/s"), SMOOTHING),
    Metric("memory", N_("Memory, bytes")),
    Metric("gradient_norm", N_("Gradient norm"), SMOOTHING, spread=True),
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """What happened, and when (ISO-8601, UTC). `kind` is that of the event."""

    at: str
    kind: str
    text: str


def read_on(runs: Runs, run_id: str, last: JournalEntry | None) -> tuple[bool, list[JournalEntry]]:
    """What the journal holds behind `last`, READ_AT_ONCE entries at most. True before it says that `last` is no
    longer there, so that the entries are from the beginning: a run that is resumed goes back to its checkpoint."""
    if last is not None:
        found = list(islice(runs.events(run_id, after=last.seq - 1), READ_AT_ONCE + 1))
        if found and found[0] == last:
            return False, found[1:]
    return last is not None, list(islice(runs.events(run_id), READ_AT_ONCE))


class RunMetrics:
    """What the journal of a run has told so far. A journal that somebody meddled with may lack anything."""

    def __init__(self, run: Run) -> None:
        self.run_id = run.id
        self.kind = run.kind
        self.name = run.name
        self._seconds_planned = _seconds_planned(run)
        self.colour = 0
        self._forget()

    def _forget(self) -> None:
        self.last: JournalEntry | None = None
        self.started: Mapping[str, Any] = {}
        self.best: Mapping[str, Any] = {}
        self.step = self.steps = self.epoch = 0
        self.seconds = 0.0
        """Seconds of computing."""
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.series = {one.name: Series(self.name, self.colour, one.smoothing) for one in MEASURES}
        self._marks: deque[tuple[float, float]] = deque()

    def take(self, anew: bool, entries: Iterable[JournalEntry]) -> None:
        """Take in what `read_on` found."""
        if anew:
            self._forget()
        for entry in entries:
            self._take(entry)
            self.last = entry

    def paint(self, colour: int, name: str) -> None:
        """Give all curves this colour, and this name in their legends."""
        self.colour = colour
        for series in self.series.values():
            series.colour, series.name = colour, name

    @property
    def best_accuracy(self) -> float | None:
        """Accuracy on the validation split of the best epoch so far."""
        return _figure(self.best, "accuracy")

    @property
    def share(self) -> float | None:
        """The share of the steps, or of the minutes, that is done; None where neither is known."""
        return self._share(self.step, self.seconds)

    def seconds_left(self) -> float | None:
        """How long still, at the pace of the last while."""
        if self.share is None or len(self._marks) < 2:
            return None
        (began, first), (now, share) = self._marks[0], self._marks[-1]
        return (1 - share) * (now - began) / (share - first) if share > first and now > began else None

    def forget_pace(self) -> None:
        """Tell the time left from what comes now; for use after a pause."""
        self._marks.clear()

    def _share(self, step: float, seconds: float) -> float | None:
        if self._seconds_planned:
            return min(1.0, seconds / self._seconds_planned)
        return min(1.0, step / self.steps) if self.steps else None

    def _take(self, entry: JournalEntry) -> None:
        event = entry.event
        kind = str(event.get("event"))
        if kind == "StepDone":
            self._step(entry.at, event)
        elif kind == "RunStarted":
            self.started = event
            self.steps = int(_figure(event, "steps") or 0)
            self.forget_pace()
            self._say(entry.at, kind, _begun(event))
        elif kind in ("BatchHalved", "JournalDelayed"):
            self._say(entry.at, kind, describe_event(event))
        elif kind == "Evaluated":
            self._evaluation(entry.at, event)
        elif kind == "CheckpointSaved":
            if self.log and self.log[-1].kind == kind:
                self.log.pop()  # the last of several is what a resume goes on from
            step = int(_figure(event, "step") or 0)
            self._say(entry.at, kind, _("Checkpoint behind step {step}.").format(step=f"{step:,}"))
        elif kind == DAMAGED:
            self._say(entry.at, kind, _("The disk damaged an entry of the journal here."))
        elif kind == "RunFinished":
            self._say(entry.at, kind, _("Finished, and kept as '{name}'.").format(name=event.get("name")))

    def _step(self, at: str, event: Mapping[str, Any]) -> None:
        step = _figure(event, "step")
        if step is None:
            return
        self.step, self.epoch = int(step), int(_figure(event, "epoch") or 0)
        self.steps = int(_figure(event, "steps") or 0)
        seconds = _figure(event, "seconds") or 0.0
        self.seconds += seconds
        for name in ("loss", "learning_rate", "memory", "gradient_norm"):
            self.series[name].add(step, _figure(event, name))
        for name in ("posts", "tokens"):
            count = _figure(event, name)
            self.series[f"{name}_per_second"].add(step, count / seconds if count is not None and seconds > 0 else None)
        self._mark(at)

    def _mark(self, at: str) -> None:
        share = self.share
        try:
            moment = datetime.fromisoformat(at).timestamp()
        except ValueError:
            return
        if share is None:
            return
        self._marks.append((moment, share))
        while len(self._marks) > 2 and moment - self._marks[0][0] > PACE_SECONDS:
            self._marks.popleft()

    def _evaluation(self, at: str, event: Mapping[str, Any]) -> None:
        step = _figure(event, "step")
        if step is not None:
            self.series["validation_loss"].add(step, _figure(event, "loss"))
            for name in ("accuracy", "macro_f1"):
                share = _figure(event, name)
                self.series[name].add(step, None if share is None else 100 * share)
        if event.get("best") or not self.best:
            self.best = event
        self._say(at, "Evaluated", describe_event(event))

    def _say(self, at: str, kind: str, text: str) -> None:
        self.log.append(LogLine(at, kind, text))


def _begun(event: Mapping[str, Any]) -> str:
    where = compute_setup(event)
    step = int(_figure(event, "step") or 0)
    if step:
        return _("Goes on behind step {step} ({where}).").format(step=f"{step:,}", where=where)
    return _("Begun ({where}); posts: {posts}; {trainable} numbers are trained.").format(
        where=where,
        posts=posts_per_split(event),
        trainable=f"{int(_figure(event, 'trainable') or 0):,}",
    )


def _seconds_planned(run: Run) -> float:
    """How long a pretraining that is bounded by time computes; 0 for any other run."""
    plan = run.plan.get("plan")
    recipe = plan.get("recipe") if isinstance(plan, Mapping) else None
    return 60 * (_figure(recipe, "minutes") or 0.0) if isinstance(recipe, Mapping) else 0.0


def _figure(values: Mapping[str, Any], name: str) -> float | None:
    return figure(values.get(name))
