"""One labeling on Ray, from the search for files to the result."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from weibo_tui.datasets.writing import check_new_columns
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names, with_note
from weibo_tui.progress import Progress
from weibo_tui.registry.bases import WEIGHTS
from weibo_tui.storage.codec import timestamp
from weibo_tui.text.terminal import truncate
from weibo_tui.workbench.cluster import pipeline, session
from weibo_tui.workbench.cluster.locations import FoundFile, find_in, parse_location
from weibo_tui.workbench.cluster.model import Model, pack
from weibo_tui.workbench.cluster.pipeline import FailedPart, Labeling, RowsDone
from weibo_tui.workbench.cluster.plan import Part, Plan, PlannedFile
from weibo_tui.workbench.cluster.reader import ATTEMPTS, source_changed
from weibo_tui.workbench.cluster.result import ClusterLabelingResult
from weibo_tui.workbench.cluster.result_folder import PartSummary, ResultFolder, part_name
from weibo_tui.workbench.cluster.worker import Job, added_columns
from weibo_tui.workbench.cluster.workers import Workers, choose_workers
from weibo_tui.workbench.config import ClusterLabelingConfig, check_output
from weibo_tui.workbench.labeling import WINDOW
from weibo_tui.workbench.models import ModelLoader

_MAX_NOTES = 10
_MAX_FAILED = 100
"""Failed parts that a result names."""
_VISIBLE_SECONDS = 30.0
"""Time in which a file that another machine wrote appears; network disks look for new files now and then."""


class ClusterWork:
    """The labeling of a config. `folder` is for Ray's own files."""

    def __init__(self, models: ModelLoader, config: ClusterLabelingConfig, folder: Path, language: str) -> None:
        self._models = models
        self._config = config
        self._folder = folder
        self._language = language
        self._model = Model.find(models, models.adapter_name(config.adapter))
        self._labels = models.adapters.card(self._model.adapter).labels
        self._out = ResultFolder(parse_location(str(config.out)))
        # Now, because the current folder changes later.
        self._sources = [parse_location(source) for source in config.sources]
        self._files: list[FoundFile] = []

    def run(self) -> Iterator[Progress | ClusterLabelingResult]:
        """Yield progress, and the result at the end."""
        yield Progress("reading", 0)
        self._files = find_in(self._sources)
        self._check_out()
        with self._out.lock():
            stored = self._out.read_plan()
            if stored is not None and not self._config.overwrite and not self._continues(stored):
                raise self._other_plan()
            result = self._finished(stored) if stored is not None and self._continues(stored) else None
            if result is None:
                yield Progress("connecting", 0)
                with session.ray_session(self._config.address, self._folder):
                    result = yield from self._label(stored)
        yield result  # last, because the process may be ended then

    def _check_out(self) -> None:
        """Raise UserInputError where results would be among the sources, in the home, or among other files."""
        out = self._out.location
        if not out.root:
            check_output(self._models.paths, Path(out.join("part").path))
        part = out.join(part_name(0))
        if any(file.location.is_in(out) for file in self._files) or any(
            source.contains(part) for source in self._sources
        ):
            message = _("{path} is inside the sources, or has some of them. Choose another folder for the results.")
            raise UserInputError(message.format(path=out.shown))
        self._out.check()

    @cached_property
    def _request(self) -> str:
        """The hash of what the user asked for, besides the files."""
        machine = self._models.resolve(self._config.machine)
        model = [self._model.fingerprint, self._model.identity]
        options = [self._config.prefix, asdict(self._config.columns), machine.device, machine.dtype]
        return hashlib.sha256(json.dumps([model, options]).encode()).hexdigest()

    def _continues(self, stored: dict[str, Any]) -> bool:
        """Return whether a stored plan is that of the same request and the same files."""
        try:
            plan = Plan.from_json(stored, self._files)
        except (ValueError, TypeError, KeyError):
            return False
        is_again = self._config.overwrite and "finished_at" in stored
        return plan.request == self._request and plan.is_for(self._files) and not is_again

    def _finished(self, stored: dict[str, Any]) -> ClusterLabelingResult | None:
        """Return the result of a plan that is finished, None where parts are missing, perhaps by now."""
        if "finished_at" not in stored:
            return None
        plan = Plan.from_json(stored, self._files)
        done = self._written(plan)
        if len(done) < plan.num_parts:
            return None
        return self._result(plan, done, plan.rows, 0.0, {}, str(stored["finished_at"]))

    def _written(self, plan: Plan) -> dict[int, PartSummary]:
        """Return the summaries of the parts of a plan that are written."""
        numbers = {part.number for part in plan.parts()} & self._out.parts()
        return {one.part: one for one in self._out.summaries(numbers) if one.plan == plan.id}

    def _label(self, stored: dict[str, Any] | None) -> Generator[Progress, None, ClusterLabelingResult]:
        session.check_nodes()
        options, config = self._models.resolve(self._config.machine), self._config
        workers = self._workers(options, config.workers)
        device = ("cuda" if workers.gpus else "cpu") if options.device == "auto" else options.device
        machine, compute = pipeline.resolve_compute(replace(options, device=device), workers)
        plan = yield from self._plan(stored, compute)
        below = self._models.settings.uncertain_below
        job = Job(plan.id, self._model, machine, self._labels, config.prefix, below, self._out)
        files = None if config.address is None else pack(self._models, self._model)
        labeling = Labeling(plan, config.columns, job, workers, self._language, files)
        self._out.remove_partial()
        done = self._written(plan)
        continued = sum(summary.rows for summary in done.values())
        failures: dict[int, str] = {}
        started = time.perf_counter()
        for attempt in range(ATTEMPTS):
            if len(done) + len(failures) == plan.num_parts:
                break
            if attempt:  # parts without an answer are tried again, on the machines that are left
                options = replace(options, threads=workers.threads)
                labeling = replace(labeling, workers=self._workers(options, 0, at_most=workers.number))
            yield from self._run(labeling, done, failures)
        seconds = time.perf_counter() - started
        if lost := {number for number in done.keys() - self._out.parts() if self._out.summary(number) is None}:
            failures |= dict.fromkeys(lost, _("its file was removed"))
            done = {number: summary for number, summary in done.items() if number not in lost}
            self._out.write_plan(plan.to_json())  # perhaps the whole folder was
        finished_at = "" if len(done) < plan.num_parts else self._finish(plan)
        return self._result(plan, done, continued, seconds, failures, finished_at)

    def _workers(self, options: ComputeOptions, number: int, at_most: int = 0) -> Workers:
        """Return the workers for the machines that are alive."""
        base_size = (self._models.bases.path(self._model.base) / WEIGHTS).stat().st_size
        gpus = 0.0 if options.device in ("cpu", "mps") else self._config.gpus_per_worker
        workers = choose_workers(session.live_nodes(), number, gpus, options.threads, base_size)
        return replace(workers, number=min(workers.number, at_most or workers.number))

    def _plan(self, stored: dict[str, Any] | None, compute: str) -> Generator[Progress, None, Plan]:
        """Return the stored plan if it is for the same work, otherwise a new one, after a count of all rows."""
        if stored is not None and self._continues(stored) and stored["compute"] == compute:
            return Plan.from_json(stored, self._files)
        if stored is not None and not self._config.overwrite:
            raise self._other_plan()
        counted = yield from self._count()
        plan = Plan.make(self._request, compute, counted, WINDOW)
        if note := _renamed_columns(counted, plan):
            yield Progress("counting", len(counted), len(counted), note=note)
        self._out.remove_parts(self._out.parts())
        self._out.write_plan(plan.to_json())
        return plan

    def _other_plan(self) -> UserInputError:
        message = _(
            "{path} has results of other files, another adapter or other options. Use --overwrite to replace them, or "
            "choose another folder."
        )
        in_app = _(
            "{path} has results of other files, another adapter or other options. Remove it, or choose another folder."
        )
        return UserInputError(message.format(path=self._out.shown), in_app.format(path=self._out.shown))

    def _count(self) -> Generator[Progress, None, list[PlannedFile]]:
        counted: dict[int, PlannedFile] = {}
        added = added_columns(self._labels, self._config.prefix)
        for answer in pipeline.count_files(self._files, self._config.columns, self._language):
            note = ""
            if answer is not None:
                number, planned, note = answer
                check_new_columns(planned.file.location.shown, planned.columns, added)
                counted[number] = planned
            yield Progress("counting", len(counted), len(self._files), note=note if len(counted) <= _MAX_NOTES else "")
        planned_files = [counted[number] for number in range(len(counted))]
        summary = _summary(planned_files)
        yield Progress("counting", len(counted), len(counted), note=summary if len(counted) > 1 else "")
        return planned_files

    def _run(self, labeling: Labeling, done: dict[int, PartSummary], failures: dict[int, str]) -> Iterator[Progress]:
        """Label the parts that are neither `done` nor among the `failures`, and add them to either."""
        plan = labeling.plan
        needed = {part.number for part in plan.parts()} - done.keys() - failures.keys()
        rows = sum(summary.rows for summary in done.values())
        by_part, shown = dict[int, int](), rows
        yield Progress("labeling", rows, plan.rows)
        for event in labeling.run(needed):
            match event:
                case PartSummary():
                    self._check_visible(event)
                    done[event.part] = event
                    rows += event.rows
                case FailedPart():
                    if event.is_fatal:
                        raise WeiboTuiError(event.reason)
                    failures[event.number] = event.reason
                case RowsDone():
                    by_part = event.by_part
            # Never less: another worker may have started a part again.
            shown = max(shown, rows + sum(number for part, number in by_part.items() if part not in done))
            yield Progress("labeling", shown, plan.rows)

    def _check_visible(self, summary: PartSummary) -> None:
        """Raise UserInputError where a part that another machine wrote is not in the folder on this one."""
        if self._config.address is None or self._out.location.root:
            return
        deadline = time.monotonic() + _VISIBLE_SECONDS
        while self._out.summary(summary.part) is None:
            if time.monotonic() > deadline:
                message = _("{path} is not the same folder on all machines. Choose one that they share.")
                raise UserInputError(message.format(path=self._out.shown))
            time.sleep(_VISIBLE_SECONDS / 30)

    def _finish(self, plan: Plan) -> str:
        """Record that all parts are written, and return the time."""
        unchanged = set(find_in(self._sources))
        for planned in plan.files:
            if planned.file not in unchanged:
                raise source_changed(planned.file)
        finished_at = timestamp()
        self._out.write_plan({**plan.to_json(), "finished_at": finished_at})
        return finished_at

    def _result(
        self,
        plan: Plan,
        done: dict[int, PartSummary],
        continued: int,
        seconds: float,
        failures: dict[int, str],
        finished_at: str,
    ) -> ClusterLabelingResult:
        counts: Counter[str] = Counter()
        for summary in done.values():
            counts.update(summary.counts)
        rows = sum(summary.rows for summary in done.values())
        died = _("its worker ended unexpectedly")
        failed = [_shown(part, failures.get(part.number, died)) for part in plan.parts() if part.number not in done]
        if len(failed) > _MAX_FAILED:
            failed[_MAX_FAILED:] = [_("{number} more").format(number=f"{len(failed) - _MAX_FAILED:,}")]
        return ClusterLabelingResult(
            out=self._out.shown,
            rows=rows,
            failed=rows - counts.total(),
            counts={label: counts[label] for label in self._labels if label in counts},
            continued=continued,
            posts_per_second=(rows - continued) / seconds if seconds else 0.0,
            uncertain=sum(summary.uncertain for summary in done.values()),
            parts=len(done),
            failed_parts=tuple(failed),
            adapter=self._model.adapter,
            finished_at=finished_at,
        )


def _summary(files: Sequence[PlannedFile]) -> str:
    """Return a line about all files. Raise UserInputError where none has a row."""
    empty = [planned.file.location.shown for planned in files if not planned.rows]
    if len(empty) == len(files):
        raise UserInputError(_("No file has rows: {names}. Choose others.").format(names=join_names(empty, 3)))
    rows = f"{sum(planned.rows for planned in files):,}"
    line = _("{files} files, {rows} rows").format(files=f"{len(files):,}", rows=rows)
    if empty:
        line = with_note(line, _("without rows: {names}").format(names=join_names(empty, 3)))
    return line


def _renamed_columns(files: Sequence[PlannedFile], plan: Plan) -> str:
    """Return a line about the columns of posts that have another name in the results, empty if none has."""
    pairs = zip(files, plan.files, strict=True)
    renamed = {(file.text_column, planned.text_column): None for file, planned in pairs if file.rows}
    old = [before for before, after in renamed if before != after]
    message = _("In the results, all posts are in {column}, also those in {columns} of the files.")
    column = next((after for before, after in renamed if before != after), "")
    return message.format(columns=join_names(old, 3), column=truncate(column)) if old else ""


def _shown(part: Part, reason: str) -> str:
    message = _("{path}, rows {first}–{last}: {reason}")
    first, last = part.first_row + 1, part.first_row + part.rows
    path = part.file.file.location.shown
    return message.format(path=path, first=f"{first:,}", last=f"{last:,}", reason=reason)
