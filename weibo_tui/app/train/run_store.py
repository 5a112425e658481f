"""All runs as the training screen sees them: those that are kept, those that this app works on, and their curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from weibo_tui.app.explanation import with_fields
from weibo_tui.app.plot.line_chart import COLOURS
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.train.run_metrics import RunMetrics, read_on
from weibo_tui.engine.events import StepDone
from weibo_tui.progress import Progress
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.runs import JournalEntry, Run
from weibo_tui.workbench import Workbench

State = Literal["waiting", "running", "paused", "stopping", "finished", "stopped", "failed", "interrupted"]
MOST_RECORDS = 12
"""Runs whose curves are kept in memory."""
MOST_LAID_OVER = COLOURS - 1
"""Beside the selected one, so that no two curves have one colour."""

_AT_WORK: Mapping[str, State] = {"waiting": "waiting", "paused": "paused", "stopping": "stopping"}


@dataclass
class LocalRun:
    """A job of this app's, from its start on: `step` is the last it told of, `stage` what it does now where that is
    no step of its training, `error` why it failed."""

    job: Job
    at: str = field(default_factory=timestamp)
    step: StepDone | None = None
    stage: Progress | None = None
    error: str = ""

    @property
    def waiting_key(self) -> str:
        """Its key in the list as long as it has no run."""
        return f"job-{self.job.number}"

    def take(self, events: Iterable[object]) -> None:
        for event in events:
            if isinstance(event, StepDone):
                self.step = event
            if not isinstance(event, Progress):
                self.stage = None
            elif event.stage != "step":
                self.stage = event


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A row of the list: a run, an attempt of this app's, or both. `key` stays the same as long as it is one."""

    key: str
    run: Run | None = None
    attempt: LocalRun | None = None

    @property
    def job(self) -> Job | None:
        """The job that works on it here and now."""
        attempt = self.attempt
        return attempt.job if attempt is not None and attempt.job.outcome is None else None

    @property
    def name(self) -> str:
        return self.run.name if self.run is not None else self._attempt.job.title

    @property
    def kind(self) -> str:
        return self.run.kind if self.run is not None else self._attempt.job.kind

    @property
    def at(self) -> str:
        """When it was begun (ISO-8601, UTC)."""
        return self.run.created_at if self.run is not None else self._attempt.at

    @property
    def state(self) -> State:
        """Of a run that is at work here, what its job says."""
        if self.job is not None:
            return _AT_WORK.get(self.job.state, "running")
        if self.run is not None:
            return self.run.state
        return "failed" if self._attempt.job.outcome == "failed" else "stopped"

    @property
    def error(self) -> str:
        """Why it failed, as far as that is known."""
        if self.job is None and self.attempt is not None and self.attempt.error:
            return self.attempt.error
        summary = None if self.run is None or self.state != "failed" else self.run.summary
        return with_fields(str(summary.get("error", ""))) if summary else ""

    @property
    def stage(self) -> Progress | None:
        """What it does here and now, where that is no step of its training."""
        return self.attempt.stage if self.attempt is not None and self.job is not None else None

    @property
    def steps(self) -> tuple[int, int]:
        """The step that it is at, and of how many; 0 where that is not known. A job tells sooner than the journal."""
        told = self.attempt.step if self.attempt is not None and self.job is not None else None
        if told is not None:
            return told.step, told.steps
        return (0, 0) if self.run is None else (self.run.step, self.run.steps or 0)

    @property
    def _attempt(self) -> LocalRun:
        assert self.attempt is not None  # what is no run is an attempt at one
        return self.attempt


@dataclass(frozen=True, slots=True)
class JournalUpdate:
    """What the records' thread found: all runs, if it was asked for them, and what is new in journals."""

    runs: tuple[Run, ...] | None
    journals: Mapping[str, tuple[bool, list[JournalEntry]]]


def look(wb: Workbench, listing: bool, journals: Mapping[str, JournalEntry | None]) -> JournalUpdate:
    """Read the list of runs, and of each run in `journals` what comes behind the entry given."""
    return JournalUpdate(
        wb.runs.list() if listing else None,
        {run_id: read_on(wb.runs, run_id, last) for run_id, last in journals.items()},
    )


@dataclass
class RunStore:
    """The runs, what this app tried, and the records of those that were shown."""

    runs: tuple[Run, ...] = ()
    attempts: list[LocalRun] = field(default_factory=list)
    records: dict[str, RunMetrics] = field(default_factory=dict)
    laid_over: list[str] = field(default_factory=list)
    """Ids of the runs whose curves are drawn whichever is selected; each keeps its colour."""

    @property
    def entries(self) -> list[RunEntry]:
        """What this app tried and what never became a run, then all runs; the newest first."""
        by_run = {attempt.job.run: attempt for attempt in self.attempts if attempt.job.run}
        known = {run.id for run in self.runs}
        rows = [
            RunEntry(attempt.job.run or attempt.waiting_key, attempt=attempt)
            for attempt in reversed(self.attempts)
            if attempt.job.run not in known
        ]
        return rows + [RunEntry(run.id, run, by_run.get(run.id)) for run in self.runs]

    def entry(self, key: str) -> RunEntry | None:
        """The one with this key, or with the key that it had before it was a run."""
        for entry in self.entries:
            if key == entry.key or (entry.attempt is not None and key == entry.attempt.waiting_key):
                return entry
        return None

    def attempt(self, job: Job) -> LocalRun | None:
        return next((attempt for attempt in self.attempts if attempt.job is job), None)

    def follow(self, job: Job) -> LocalRun:
        """Keep account of a job. What became of earlier ones on its run counts no longer."""
        self.attempts = [one for one in self.attempts if not job.run or one.job.run != job.run]
        self.attempts.append(attempt := LocalRun(job))
        return attempt

    def forget(self, key: str) -> None:
        """Let go of what was deleted."""
        self.runs = tuple(run for run in self.runs if run.id != key)
        self.attempts = [one for one in self.attempts if key not in (one.job.run, one.waiting_key)]
        self.records.pop(key, None)
        if key in self.laid_over:
            self.laid_over.remove(key)

    def take(self, found: JournalUpdate, asked: Mapping[str, JournalEntry | None]) -> None:
        """Take in what `look` found when it was asked so."""
        if found.runs is not None:
            self.runs = found.runs
            gone = [run_id for run_id in self.laid_over if run_id not in {run.id for run in found.runs}]
            for run_id in gone:
                self.forget(run_id)
        for run_id, (anew, entries) in found.journals.items():
            # One that was let go of meanwhile and begun again lacks what came before.
            if run_id in self.records and self.records[run_id].last == asked[run_id]:
                self.records[run_id].take(anew, entries)

    def shown(self, selected: Run | None) -> list[RunMetrics]:
        """The records that are drawn, the selected run's first, each in its colour; made where there are none."""
        by_id = {run.id: run for run in self.runs}
        runs = [by_id[run_id] for run_id in self.laid_over if run_id in by_id]
        if selected is not None and selected.id not in self.laid_over:
            runs.insert(0, selected)
        records = [self._record(run) for run in runs]
        if selected is not None:
            records.sort(key=lambda record: record.run_id != selected.id)
            if selected.id not in self.laid_over:
                records[0].colour = self._free_colour()
        for record in records:
            record.paint(record.colour, record.name if len(records) > 1 else "")
        return records

    def toggle(self, run: Run) -> bool:
        """Lay a run's curves over whatever is shown, or take them away; False where there are too many already."""
        if run.id in self.laid_over:
            self.laid_over.remove(run.id)
        elif len(self.laid_over) == MOST_LAID_OVER:
            return False
        else:
            self._record(run).colour = self._free_colour()
            self.laid_over.append(run.id)
        return True

    def colour(self, run_id: str) -> int | None:
        """The colour of a run that is laid over the others."""
        return self.records[run_id].colour if run_id in self.laid_over and run_id in self.records else None

    def _free_colour(self) -> int:
        taken = {self.records[run_id].colour for run_id in self.laid_over if run_id in self.records}
        return next(colour for colour in range(COLOURS) if colour not in taken)

    def _record(self, run: Run) -> RunMetrics:
        record = self.records.pop(run.id, None) or RunMetrics(run)
        self.records[run.id] = record  # the last used comes last
        spare = [run_id for run_id in self.records if run_id not in self.laid_over and run_id != run.id]
        for run_id in spare[: max(0, len(self.records) - MOST_RECORDS)]:
            del self.records[run_id]
        return record
