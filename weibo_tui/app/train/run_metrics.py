"""The metrics of a run, read from its journal: curves, numbers and a log, in bounded memory."""

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
from weibo_tui.presentation.probes import ProbeHistory
from weibo_tui.presentation.run_events import compute_setup, describe_event, posts_per_split
from weibo_tui.storage.runs import DAMAGED, JournalEntry, Run, Runs

LOG_LINES = 200
ETA_WINDOW_SECONDS = 60.0
"""Time span for the pace that the remaining time is estimated from."""
MAX_ENTRIES_PER_READ = 2000


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with a chart. `smoothing` is 0 for none. `spread` metrics may have a logarithmic axis."""

    name: str
    title: str
    smoothing: float = 0.0
    spread: bool = False


METRICS = (
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
    """One line of the log: time (ISO-8601, UTC), kind of the event, and text."""

    at: str
    kind: str
    text: str


def read_new_entries(runs: Runs, run_id: str, last: JournalEntry | None) -> tuple[bool, list[JournalEntry]]:
    """Return (reset, entries): at most MAX_ENTRIES_PER_READ entries of the journal after `last`.

    `reset` is True if `last` no longer exists, because a resumed run went back to its checkpoint. The entries then
    start at the beginning."""
    if last is not None:
        entries = list(islice(runs.events(run_id, after=last.seq - 1), MAX_ENTRIES_PER_READ + 1))
        if entries and entries[0] == last:
            return False, entries[1:]
    return last is not None, list(islice(runs.events(run_id), MAX_ENTRIES_PER_READ))


class RunMetrics:
    """Everything known from the journal of a run. A damaged journal may lack any value."""

    def __init__(self, run: Run) -> None:
        self.run_id = run.id
        self.kind = run.kind
        self.name = run.name
        self._planned_seconds = _planned_seconds(run)
        self.color = 0
        self.reset()

    def reset(self) -> None:
        """Forget what was read."""
        self.last: JournalEntry | None = None
        self.started: Mapping[str, Any] = {}
        self.best: Mapping[str, Any] = {}
        self.step = self.steps = self.epoch = 0
        self.seconds = 0.0
        """Computing time in seconds."""
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.series = {metric.name: Series(self.name, self.color, metric.smoothing) for metric in METRICS}
        self.probes = ProbeHistory()
        self._marks: deque[tuple[float, float]] = deque()

    def apply(self, reset: bool, entries: Iterable[JournalEntry]) -> None:
        """Add the result of `read_new_entries`."""
        if reset:
            self.reset()
        for entry in entries:
            self._apply(entry)
            self.last = entry

    def set_label(self, color: int, name: str) -> None:
        """Set the color of all curves and their name in legends."""
        self.color = color
        for series in self.series.values():
            series.color, series.name = color, name

    @property
    def best_accuracy(self) -> float | None:
        """Validation accuracy of the best epoch so far."""
        return _number(self.best, "accuracy")

    @property
    def share(self) -> float | None:
        """The share of the steps or minutes that is done, None if unknown."""
        if self._planned_seconds:
            return min(1.0, self.seconds / self._planned_seconds)
        return min(1.0, self.step / self.steps) if self.steps else None

    def seconds_left(self) -> float | None:
        """Return the remaining time at the recent pace, None if unknown."""
        if self.share is None or len(self._marks) < 2:
            return None
        (start, first), (now, share) = self._marks[0], self._marks[-1]
        return (1 - share) * (now - start) / (share - first) if share > first and now > start else None

    def reset_eta(self) -> None:
        """Estimate the remaining time from new steps only. Call it after a pause."""
        self._marks.clear()

    def _apply(self, entry: JournalEntry) -> None:
        event = entry.event
        kind = str(event.get("event"))
        if kind == "StepDone":
            self._apply_step(entry.at, event)
        elif kind == "RunStarted":
            self.started = event
            self.steps = int(_number(event, "steps") or 0)
            self.probes.apply(event)
            self.reset_eta()
            self._add_log(entry.at, kind, _start_text(event))
        elif kind in ("CachePlanned", "ActivationsCached", "BatchHalved", "JournalDelayed"):
            self._add_log(entry.at, kind, describe_event(event))
        elif kind == "ProbesPredicted":
            self.probes.apply(event)
        elif kind == "Evaluated":
            self._apply_evaluation(entry.at, event)
        elif kind == "CheckpointSaved":
            if self.log and self.log[-1].kind == kind:
                self.log.pop()  # a run resumes from the last one
            step = int(_number(event, "step") or 0)
            self._add_log(entry.at, kind, _("Checkpoint saved at step {step}.").format(step=f"{step:,}"))
        elif kind == DAMAGED:
            self._add_log(entry.at, kind, _("A journal entry is damaged."))
        elif kind == "RunFinished":
            self._add_log(entry.at, kind, _("Finished. Saved as '{name}'.").format(name=event.get("name")))

    def _apply_step(self, at: str, event: Mapping[str, Any]) -> None:
        step = _number(event, "step")
        if step is None:
            return
        self.step, self.epoch = int(step), int(_number(event, "epoch") or 0)
        self.steps = int(_number(event, "steps") or 0)
        seconds = _number(event, "seconds") or 0.0
        self.seconds += seconds
        for name in ("loss", "learning_rate", "memory", "gradient_norm"):
            self.series[name].add(step, _number(event, name))
        for name in ("posts", "tokens"):
            count = _number(event, name)
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
        while len(self._marks) > 2 and moment - self._marks[0][0] > ETA_WINDOW_SECONDS:
            self._marks.popleft()

    def _apply_evaluation(self, at: str, event: Mapping[str, Any]) -> None:
        step = _number(event, "step")
        if step is not None:
            self.series["validation_loss"].add(step, _number(event, "loss"))
            for name in ("accuracy", "macro_f1"):
                share = _number(event, name)
                self.series[name].add(step, None if share is None else 100 * share)
        if event.get("best") or not self.best:
            self.best = event
        self._add_log(at, "Evaluated", describe_event(event))

    def _add_log(self, at: str, kind: str, text: str) -> None:
        self.log.append(LogLine(at, kind, text))


def _start_text(event: Mapping[str, Any]) -> str:
    device = compute_setup(event)
    step = int(_number(event, "step") or 0)
    if step:
        return _("Resumed from step {step} ({where}).").format(step=f"{step:,}", where=device)
    return _("Training started ({where}). Posts: {posts}. Trainable parameters: {trainable}.").format(
        where=device,
        posts=posts_per_split(event),
        trainable=f"{int(_number(event, 'trainable') or 0):,}",
    )


def _planned_seconds(run: Run) -> float:
    """Return the time budget of a pretraining that has one, otherwise 0."""
    plan = run.plan.get("plan")
    recipe = plan.get("recipe") if isinstance(plan, Mapping) else None
    return 60 * (_number(recipe, "minutes") or 0.0) if isinstance(recipe, Mapping) else 0.0


def _number(values: Mapping[str, Any], name: str) -> float | None:
    return figure(values.get(name))
