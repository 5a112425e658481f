"""All runs of the train screen: those in the database, the jobs of this app, and the metrics of visible runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from weibo_tui.app.explanation import in_app_terms
from weibo_tui.app.plot.line_chart import NUM_COLORS
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.train.run_metrics import RunMetrics, read_new_entries
from weibo_tui.engine.events import StepDone
from weibo_tui.presentation.numbers import figure
from weibo_tui.progress import Progress
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.runs import JournalEntry, Run
from weibo_tui.workbench.workbench import Workbench

State = Literal["queued", "waiting", "running", "paused", "stopping", "finished", "stopped", "failed", "interrupted"]
MAX_METRICS = 12
"""Number of runs whose metrics stay in memory."""
MAX_OVERLAID = NUM_COLORS - 1
"""Maximum of overlaid runs in addition to the selected one, so that each has its own color."""

_JOB_STATES: Mapping[str, State] = {
    "queued": "queued",
    "waiting": "waiting",
    "paused": "paused",
    "stopping": "stopping",
}


@dataclass
class LocalRun:
    """A job of this app: its last `step`, its `stage` outside of training steps, and its `error`."""

    job: Job
    at: str = field(default_factory=timestamp)
    step: StepDone | None = None
    stage: Progress | None = None
    error: str = ""

    @property
    def pending_key(self) -> str:
        """Its key in the list until it has a run."""
        return f"job-{self.job.number}"

    def apply(self, events: Iterable[object]) -> None:
        for event in events:
            if isinstance(event, StepDone):
                self.step = event
            if not isinstance(event, Progress):
                self.stage = None
            elif event.stage not in ("step", "paused"):
                self.stage = event


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A row of the list: a run, a job of this app, or both."""

    key: str
    run: Run | None = None
    local: LocalRun | None = None

    @property
    def job(self) -> Job | None:
        """The active job of this app on it."""
        local = self.local
        return local.job if local is not None and local.job.outcome is None else None

    @property
    def name(self) -> str:
        return self.run.name if self.run is not None else self._local.job.title

    @property
    def kind(self) -> str:
        return self.run.kind if self.run is not None else self._local.job.kind

    @property
    def at(self) -> str:
        """Start time (ISO-8601, UTC)."""
        return self.run.created_at if self.run is not None else self._local.at

    @property
    def state(self) -> State:
        """The state of the active job if there is one, otherwise that of the run."""
        if self.job is not None and (state := _JOB_STATES.get(self.job.state)) is not None:
            return state
        if self.run is not None and (self.job is None or self.run.is_in_progress):
            return self.run.state
        if self.job is not None:
            return "running"
        return "failed" if self._local.job.outcome == "failed" else "stopped"

    @property
    def is_in_progress(self) -> bool:
        return self.job is not None or (self.run is not None and self.run.is_in_progress)

    @property
    def is_elsewhere(self) -> bool:
        """True while another program works on the run."""
        return self.job is None and self.is_in_progress

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy on the test split, once the run has finished."""
        summary = self.run.summary if self.run is not None else None
        score = (summary or {}).get("score")
        return figure(score.get("accuracy")) if isinstance(score, dict) else None

    @property
    def error(self) -> str:
        """Why it failed, empty if unknown."""
        if self.job is None and self.local is not None and self.local.error:
            return self.local.error
        summary = None if self.run is None or self.state != "failed" else self.run.summary
        return in_app_terms(str(summary.get("error", ""))) if summary else ""

    @property
    def stage(self) -> Progress | None:
        """The stage of the active job outside of training steps."""
        return self.local.stage if self.local is not None and self.job is not None else None

    @property
    def steps(self) -> tuple[int, int]:
        """Current step and number of steps, 0 if unknown. A job knows them earlier than the journal."""
        step = self.local.step if self.local is not None and self.job is not None else None
        if step is not None:
            return step.step, step.steps
        return (0, 0) if self.run is None else (self.run.step, self.run.steps or 0)

    def share(self, metrics: RunMetrics | None) -> float | None:
        """Return the share that is done, None if unknown."""
        step, steps = self.steps
        return step / steps if steps else metrics.share if metrics is not None else None

    @property
    def _local(self) -> LocalRun:
        assert self.local is not None  # without a run there is a job
        return self.local


@dataclass(frozen=True, slots=True)
class JournalUpdate:
    """The result of `poll`: all runs, or None if they were not read, and new journal entries by run."""

    runs: tuple[Run, ...] | None
    journals: Mapping[str, tuple[bool, list[JournalEntry]]]


def poll(wb: Workbench, listing: bool, journals: Mapping[str, JournalEntry | None]) -> JournalUpdate:
    """Read the list of runs if `listing`, and for each run in `journals` the entries after the given one."""
    return JournalUpdate(
        wb.runs.list() if listing else None,
        {run_id: read_new_entries(wb.runs, run_id, last) for run_id, last in journals.items()},
    )


@dataclass
class RunStore:
    """The runs, the jobs of this app, and the metrics of runs that were visible."""

    runs: tuple[Run, ...] = ()
    local_runs: list[LocalRun] = field(default_factory=list)
    metrics: dict[str, RunMetrics] = field(default_factory=dict)
    overlaid: list[str] = field(default_factory=list)
    """Ids of runs whose curves are drawn with those of any selected run. Each keeps its color."""

    @property
    def entries(self) -> list[RunEntry]:
        """Jobs without a run, then all runs, the newest first."""
        by_run = {local.job.run: local for local in self.local_runs if local.job.run}
        known = {run.id for run in self.runs}
        rows = [
            RunEntry(local.job.run or local.pending_key, local=local)
            for local in reversed(self.local_runs)
            if local.job.run not in known
        ]
        return rows + [RunEntry(run.id, run, by_run.get(run.id)) for run in self.runs]

    def entry(self, key: str) -> RunEntry | None:
        """Return the entry with this key, or with this key before it had a run."""
        for entry in self.entries:
            if key == entry.key or (entry.local is not None and key == entry.local.pending_key):
                return entry
        return None

    def local_run(self, job: Job) -> LocalRun | None:
        return next((local for local in self.local_runs if local.job is job), None)

    def follow(self, job: Job) -> LocalRun:
        """Add a job. It replaces earlier jobs on the same run."""
        self.local_runs = [item for item in self.local_runs if not job.run or item.job.run != job.run]
        self.local_runs.append(local := LocalRun(job))
        return local

    def remove(self, key: str) -> None:
        """Remove a deleted run or job."""
        self.runs = tuple(run for run in self.runs if run.id != key)
        self.local_runs = [item for item in self.local_runs if key not in (item.job.run, item.pending_key)]
        self.metrics.pop(key, None)
        if key in self.overlaid:
            self.overlaid.remove(key)

    def apply(self, update: JournalUpdate, requested: Mapping[str, JournalEntry | None]) -> None:
        """Add the result of `poll`, called with `requested`."""
        if update.runs is not None:
            self.runs = update.runs
            missing = [run_id for run_id in self.overlaid if run_id not in {run.id for run in update.runs}]
            for run_id in missing:
                self.remove(run_id)
        for run_id, (reset, entries) in update.journals.items():
            # Metrics that were evicted and created again since then lack the earlier entries.
            if run_id in self.metrics and self.metrics[run_id].last == requested[run_id]:
                self.metrics[run_id].apply(reset, entries)

    def visible_metrics(self, selected: Run | None) -> list[RunMetrics]:
        """Return the metrics to draw, those of the selected run first, each in its color."""
        by_id = {run.id: run for run in self.runs}
        runs = [by_id[run_id] for run_id in self.overlaid if run_id in by_id]
        if selected is not None and selected.id not in self.overlaid:
            runs.insert(0, selected)
        metrics = [self._metrics_of(run) for run in runs]
        if selected is not None:
            metrics.sort(key=lambda item: item.run_id != selected.id)
            if selected.id not in self.overlaid:
                metrics[0].color = self._free_color()
        for item in metrics:
            item.set_label(item.color, item.name if len(metrics) > 1 else "")
        return metrics

    def toggle(self, run: Run) -> bool:
        """Add a run to the overlaid ones or remove it. Return False if there are too many."""
        if run.id in self.overlaid:
            self.overlaid.remove(run.id)
        elif len(self.overlaid) == MAX_OVERLAID:
            return False
        else:
            self._metrics_of(run).color = self._free_color()
            self.overlaid.append(run.id)
        return True

    def color(self, run_id: str) -> int | None:
        """Return the color of an overlaid run, None for others."""
        return self.metrics[run_id].color if run_id in self.overlaid and run_id in self.metrics else None

    def _free_color(self) -> int:
        used = {self.metrics[run_id].color for run_id in self.overlaid if run_id in self.metrics}
        return next(color for color in range(NUM_COLORS) if color not in used)

    def _metrics_of(self, run: Run) -> RunMetrics:
        item = self.metrics.pop(run.id, None) or RunMetrics(run)
        self.metrics[run.id] = item  # the last used is last
        spare = [run_id for run_id in self.metrics if run_id not in self.overlaid and run_id != run.id]
        for run_id in spare[: max(0, len(self.metrics) - MAX_METRICS)]:
            del self.metrics[run_id]
        return item
