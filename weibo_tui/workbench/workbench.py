"""The workbench: the one object that the command line, the app and a notebook hold."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.datasets.auditing import Audit, audit
from weibo_tui.datasets.labels import BINARY, find_labels
from weibo_tui.datasets.reading import Preview, peek
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.progress import Progress
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.storage.history import EVERYTHING, Analysis, HistoryFilter
from weibo_tui.workbench import downloads as fetching
from weibo_tui.workbench import evaluation, prediction, pretraining, training
from weibo_tui.workbench import labeling as labelling
from weibo_tui.workbench.config import (
    AuditPlan,
    Columns,
    EvaluationConfig,
    LabelingConfig,
    PretrainingConfig,
    TrainingConfig,
)
from weibo_tui.workbench.home import Home
from weibo_tui.workbench.legacy_project import LegacyProject
from weibo_tui.workbench.runs import leave_running, renamed


@dataclass(frozen=True, slots=True)
class AuditResult:
    """An audit is done."""

    audit: Audit


@dataclass(frozen=True, slots=True)
class ImportResult:
    """A base or an adapter was taken in."""

    card: BaseCard | AdapterCard


class Workbench(Home):
    """Everything a face needs. Use `Workbench.open`, as a context manager."""

    def predict(
        self,
        posts: Iterable[str],
        adapter: str = "",
        *,
        record: bool | None = None,
        source: str = "python",
        machine: ComputeOptions = ComputeOptions(),
        window: int = prediction.WINDOW,
    ) -> Iterator[Analysis]:
        """Judge posts, in order, `window` at a time. They are kept in the history unless `record`, or without it
        the setting, says no. A post with nothing to read gives an Analysis with an error and no label."""
        return prediction.predict(self, posts, adapter, record, source, machine, window)

    def peek(self, path: Path, columns: Columns = Columns(), limit: int = 5) -> Preview:
        """How a table of posts will be read, and its first `limit` rows, as quickly as somebody types its path.
        Raises UserInputError where it cannot be read so."""
        return peek(path, columns.text, columns.label, columns.encoding, limit)

    def audit(self, plan: AuditPlan) -> Iterator[object]:
        """Look at labelled files: an iterator of progress, `AuditResult` the last."""
        columns = plan.columns
        found = yield from audit(plan.data, columns.text, columns.label, columns.encoding, plan.labels)
        yield AuditResult(found)

    def train(self, plan: TrainingConfig) -> Iterator[object]:
        """Train an adapter: an iterator of events, `RunFinished` the last. Closing it stops with a checkpoint."""
        return training.train(self, plan)

    def pretrain(self, plan: PretrainingConfig) -> Iterator[object]:
        """Make a base from plain text: an iterator of events, `RunFinished` the last."""
        return pretraining.pretrain(self, plan)

    def resume(self, run_id: str, name: str = "") -> Iterator[object]:
        """Go on with an interrupted, stopped or failed run from its checkpoint, exactly. What it makes gets its own
        name, or `name` where that is given."""
        run = self.runs.get(run_id)
        if name and name != run.name:
            run = renamed(self, run, name)
        resume = training.resume if run.kind == training.KIND else pretraining.resume
        return resume(self, run)

    def leave_running(self, run_id: str) -> subprocess.Popen[bytes]:
        """Go on with a run in a process of its own, detached from this one; see `runs.leave_running`."""
        return leave_running(self, self.runs.get(run_id))

    def evaluate(self, plan: EvaluationConfig) -> Iterator[object]:
        """Measure an adapter on labelled files: an iterator of events, `EvaluationResult` the last."""
        return evaluation.evaluate(self, plan)

    def write_errors(self, scored: evaluation.EvaluationResult, out: Path, overwrite: bool = False) -> None:
        """Write the posts that an evaluation found judged wrongly into a CSV file."""
        self.check_output(out, overwrite)
        scored.write_errors(out, overwrite)

    def label_file(self, plan: LabelingConfig) -> Iterator[object]:
        """Label a file: an iterator of events, `LabelingResult` the last. Goes on where a killed one was."""
        return labelling.label_file(self, plan)

    def export_history(
        self,
        out: Path,
        filter: HistoryFilter = EVERYTHING,  # noqa: A002 - the word for it
        bom: bool = True,
        guard: bool = True,
        overwrite: bool = False,
    ) -> Generator[Progress, None, int]:
        """Write the analyses that match as CSV; see `History.export`."""
        self.check_output(out, overwrite)
        return (yield from self.history.export(out, filter, bom, guard, overwrite))

    def export_run(self, run_id: str, out: Path, overwrite: bool = False) -> int:
        """Write a run's journal as JSON lines or CSV; see `Runs.export`."""
        self.check_output(out, overwrite)
        return self.runs.export(run_id, out, overwrite)

    def export_base(self, name: str, out: Path, overwrite: bool = False) -> Iterator[object]:
        """Write a base as one `.zip` or `.tar.gz`: an iterator of progress."""
        self.check_output(out, overwrite)
        yield from self.bases.export(name, out, overwrite)

    def export_adapter(self, name: str, out: Path, overwrite: bool = False) -> Iterator[object]:
        """Write an adapter as one `.zip` or `.tar.gz`: an iterator of progress."""
        self.check_output(out, overwrite)
        yield from self.adapters.export(name, out, overwrite)

    def get_base(self, repository: str = fetching.BASE, name: str = "") -> Iterator[object]:
        """Fetch a GPT-2 from the Hub, or from the mirror that HF_ENDPOINT names: an iterator of progress,
        `ImportResult` the last. What has come stays where it is left, and the next try goes on there; one that is here
        already is not fetched again."""
        card = yield from fetching.get_base(self, repository, name)
        yield ImportResult(card)

    def get_data(self, out: Path, overwrite: bool = False) -> Iterator[object]:
        """Fetch weibo_senti_100k, labelled posts, from the Hub into the CSV file `out`: an iterator of progress."""
        return fetching.get_data(self, out, overwrite)

    def import_folder(self, folder: Path, name: str) -> Iterator[object]:
        """Take in a local Hugging Face folder as the base `name`: an iterator of progress, `ImportResult` the last."""
        card = yield from self.bases.take_in_folder(folder, name)
        yield ImportResult(card)

    def import_base(self, source: Path, name: str = "") -> Iterator[object]:
        """Take in an exported base, under its own name or another: an iterator of progress, `ImportResult` the
        last."""
        card = yield from self.bases.take_in(source, name)
        yield ImportResult(card)

    def import_adapter(self, source: Path, name: str = "", overwrite: bool = False) -> Iterator[object]:
        """Take in an exported adapter, under its own name or another: an iterator of progress, `ImportResult` the
        last."""
        card = yield from self.adapters.take_in(source, name, overwrite)
        yield ImportResult(card)

    def import_original(
        self,
        checkpoint: Path,
        name: str,
        base: str = "",
        labels: Sequence[str] | None = None,
        overwrite: bool = False,
    ) -> Iterator[object]:
        """Take in the original project's checkpoint as the adapter `name` on `base`, whose trunk must be the one in
        it (default: the chosen one, else what was added from the original's folder, else the default); `labels` name
        its labels in their order, else negative and positive: an iterator of progress, `ImportResult` the last."""
        from weibo_tui.registry import legacy_checkpoint

        named = find_labels((), labels or BINARY)
        base = self.base_name(base or self.settings.base or self._base_of_original())
        card = yield from legacy_checkpoint.take_in(
            checkpoint, self.bases, base, self.adapters, name, named.names, named.raw, overwrite
        )
        yield ImportResult(card)

    def _base_of_original(self) -> str:
        """Return the base that was added from the original project's folder, empty where none was."""
        folder = LegacyProject.find().base
        source = "" if folder is None else str(folder.absolute())
        return next((card.name for card in self.bases.list() if source and card.source == source), "")

    def export_original(self, name: str, out: Path, overwrite: bool = False) -> Iterator[object]:
        """Write an adapter, with its base, as a checkpoint that the original project's predict script loads: an
        iterator of progress. Raises UserInputError where its shape is not the original's."""
        from weibo_tui.registry import legacy_checkpoint

        self.check_output(out, overwrite)
        base = self.base_of(self.adapters.card(name))
        yield from legacy_checkpoint.export(self.adapters, name, self.bases, base, out, overwrite)
