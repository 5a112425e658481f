"""The workbench without its blocking methods: what the command line and the app use."""

from __future__ import annotations

import subprocess
import threading
import weakref
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from weibo_tui.datasets.auditing import Audit, audit
from weibo_tui.datasets.label_map import parse_rules
from weibo_tui.datasets.labels import BINARY, resolve_labels
from weibo_tui.datasets.reading import Preview, preview_table
from weibo_tui.datasets.tables import Columns
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.settings import Settings, find_paths
from weibo_tui.storage.answers import Answers
from weibo_tui.storage.database import Database, connect_lazily
from weibo_tui.storage.entries import OLDEST_FIRST
from weibo_tui.storage.history import EVERYTHING, Analysis, History, HistoryFilter, HistoryOrder
from weibo_tui.storage.runs import Run, Runs
from weibo_tui.workbench import (
    comparison,
    downloads,
    evaluation,
    explanation,
    faithfulness,
    label_errors,
    labeling,
    prediction,
    pretraining,
    runs,
    seed_trainings,
    training,
)
from weibo_tui.workbench.cluster import labeling as ray_labeling
from weibo_tui.workbench.comparison_result import ComparisonResult
from weibo_tui.workbench.config import (
    AuditConfig,
    ClusterLabelingConfig,
    ComparisonConfig,
    EvaluationConfig,
    LabelingConfig,
    PretrainingConfig,
    TrainingConfig,
    check_output,
)
from weibo_tui.workbench.faithfulness import FaithfulnessConfig
from weibo_tui.workbench.label_errors import LabelErrorSearch
from weibo_tui.workbench.legacy_project import LegacyProject
from weibo_tui.workbench.models import ModelLoader
from weibo_tui.workbench.runs import TrainingSlot
from weibo_tui.workbench.seeds import (
    SeedRuns,
    SeedTraining,
    group_of,
    pending_trainings,
    seed_configs,
    sibling_configs,
)

if TYPE_CHECKING:
    from weibo_tui.engine.device import Compute
    from weibo_tui.engine.prediction import Classifier
    from weibo_tui.registry.bases import OpenBase

Events: TypeAlias = Generator[object, None, None]
"""Iterator of long work. Not iterating is a pause, and closing it stops the work."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The last event of an audit."""

    audit: Audit


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The last event of an import: the card of the new base or adapter."""

    card: BaseCard | AdapterCard


class WorkbenchCore:
    """Models, settings, history, answers and runs of a home folder, and long work on them as iterators of events.

    Heavy libraries are imported at first use, so that opening a workbench is cheap."""

    def __init__(self, home: str | PathLike[str] | None = None, starter: Path | None = None) -> None:
        """Open the workbench of a home folder, by default the user's. Nothing is created until something is saved.

        `starter` replaces the folder of the bundled models."""
        paths = find_paths(None if home is None else Path(home))
        self.paths = paths if starter is None else replace(paths, starter=starter.absolute())
        self.models = ModelLoader(self.paths)
        self.bases, self.adapters = self.models.bases, self.models.adapters
        self._lock = threading.Lock()
        self._databases: list[Database] = []
        """None or one. The finalizer has the list, because it must not refer to the workbench."""
        self._finalizer = weakref.finalize(self, _close, self._databases)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, which a later use opens again. The end of the process does this too."""
        with self._lock:
            _close(self._databases)
            for name in ("history", "runs", "answers"):
                self.__dict__.pop(name, None)

    @property
    def _database(self) -> Database:
        with self._lock:
            if not self._databases:
                self._databases.append(connect_lazily(self.paths.database))
            return self._databases[0]

    @cached_property
    def history(self) -> History:
        return History(self._database)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self._database, self.paths.runs)

    @cached_property
    def answers(self) -> Answers:
        return Answers(self._database)

    @property
    def settings(self) -> Settings:
        """The current settings. While the file cannot be read, as during editing, the last ones apply."""
        return self.models.settings

    def check_output(self, out: Path, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
        """Raise UserInputError unless `out` can be written: not a file of the home, and see `atomic.check_output`."""
        check_output(self.paths, out, overwrite, inputs)

    def base_name(self, name: str = "") -> str:
        """Resolve the name of a base; see `ModelLoader.base_name`."""
        return self.models.base_name(name)

    def adapter_name(self, name: str = "") -> str:
        """Resolve the name of an adapter; see `ModelLoader.adapter_name`."""
        return self.models.adapter_name(name)

    def find_base(self, fingerprint: str, name: str = "") -> str | None:
        """Return the name of the base with this fingerprint; see `ModelLoader.find_base`."""
        return self.models.find_base(fingerprint, name)

    def compute(self, machine: ComputeOptions) -> Compute:
        """Return the device, dtype and threads of `machine`, with the settings as defaults."""
        return self.models.compute(machine)

    def open_base(self, name: str, compute: Compute) -> OpenBase:
        """Load a base onto its device; see `ModelLoader.open_base`."""
        return self.models.open_base(name, compute)

    def classifier(self, adapter: str = "", machine: ComputeOptions = ComputeOptions()) -> Classifier:
        """Return an adapter on its base, ready to predict; see `ModelLoader.classifier`."""
        return self.models.classifier(adapter, machine)

    def set_default_adapter(self, name: str) -> None:
        """Make `name` the adapter that predicts by default."""
        self.adapters.path(name)
        self._save_settings(adapter=name)

    def set_default_base(self, name: str) -> None:
        """Make `name` the base that is trained on by default."""
        self.bases.path(name)
        self._save_settings(base=name)

    def rename_base(self, old: str, new: str) -> None:
        """Rename a base. Its adapters stay valid, because they refer to it by fingerprint."""
        self.bases.rename(old, new)
        self.models.replace("base", old, new)

    def rename_adapter(self, old: str, new: str) -> None:
        """Rename an adapter."""
        self.models.rename_adapter(old, new)

    def remove_base(self, name: str) -> None:
        """Delete a base. Raises UserInputError while a training on it is in progress."""
        self._check_unused(name)
        self.bases.remove(name)
        self.models.replace("base", name, "")

    def _check_unused(self, base: str) -> None:
        fingerprint = ""
        with suppress(WeiboTuiError):  # `remove` reports a damaged or missing base
            fingerprint = self.bases.card(base).fingerprint
        for run in self.runs.list():
            if run.is_in_progress and run.plan.get("base") == fingerprint:
                message = _("Base '{name}' is in use by run {run}. Stop that run first.")
                raise UserInputError(message.format(name=base, run=run.id))

    def remove_adapter(self, name: str) -> None:
        """Delete an adapter."""
        self.models.remove_adapter(name)

    def _save_settings(self, **changes: str) -> None:
        Settings.save(self.paths, **changes)

    def iter_predict(
        self,
        posts: Iterable[str],
        adapter: str = "",
        *,
        record: bool | None = False,
        source: str = "python",
        machine: ComputeOptions = ComputeOptions(),
        window: int = prediction.WINDOW,
    ) -> Generator[Analysis, None, None]:
        """Predict posts in order, `window` at a time. `record` adds them to the history (None: the setting decides).

        An unreadable post gives an Analysis with an error and without a label."""

        def get_history() -> History | None:
            return self.history if (self.settings.history if record is None else record) else None

        yield from prediction.predict(self.models, posts, adapter, get_history, source, machine, window)

    def iter_explain(self, post: str, adapter: str = "", *, shapley: bool = False) -> Events:
        """Explain the prediction of a post: progress, then an `Explanation`; see `Workbench.explain`."""
        yield (yield from explanation.iter_explain(self.models, post, adapter, shapley=shapley))

    def iter_self_test(self, config: FaithfulnessConfig) -> Events:
        """Test how faithful the explanations of an adapter are: progress, then a `FaithfulnessResult`.

        The result is kept in the adapter's card, unless that is bundled."""
        yield from faithfulness.measure(self.models, config)

    def peek(self, path: Path, columns: Columns = Columns(), limit: int = 5) -> Preview:
        """Return how a table of posts will be read, and its first `limit` rows, fast enough to run while typing.

        Raises UserInputError where it cannot be read that way."""
        return preview_table(path, columns, limit)

    def iter_audit(self, config: AuditConfig) -> Events:
        """Inspect labeled files: progress, then an `AuditResult`."""
        result = yield from audit(config.data, config.columns, config.labels, label_map=parse_rules(config.map))
        yield AuditResult(result)

    def iter_label_errors(self, search: LabelErrorSearch) -> Events:
        """List the posts of labeled files whose label is probably wrong as CSV: progress, then `FoundLabelErrors`.

        A model of the other posts predicts each post; see `engine.label_errors`. The file opens as a labeled file, with
        the probable labels as predictions and the given ones as human labels."""
        self.check_output(search.out, search.overwrite, search.audit.data)
        yield from label_errors.find_label_errors(self.models, search)

    def iter_train(self, config: TrainingConfig) -> Events:
        """Train an adapter, and yield events; the last is `RunFinished`.

        Posts that are in the sample of an annotated file are left out, because the adapter is measured on these.

        Not iterating is a pause, and closing the iterator stops with a checkpoint. The default adapter stays. With
        several `seeds`, the runs follow each other, and finished ones are not trained again.

        >>> from weibo_tui import Hyperparameters, StepDone, TrainingConfig
        >>> config = TrainingConfig((Path("posts.csv"),), "steps", hyper=Hyperparameters(epochs=1, batch_size=16))
        >>> [event.step for event in wb.iter_train(config) if isinstance(event, StepDone)]
        [1, 2]
        """
        train = training.train if config.seeds == 1 else seed_trainings.train_seeds
        yield from train(self.models, self.runs, self.answers, config)

    def pending_seeds(self, training: TrainingConfig | Run) -> tuple[SeedTraining, ...]:
        """Return the trainings of several seeds that are not finished yet: those of a config, or of a run's group."""
        configs = sibling_configs(training) if isinstance(training, Run) else seed_configs(training)
        return pending_trainings(self.models, self.runs, configs)

    def missing_seeds(self, run_id: str) -> tuple[str, tuple[int, ...]]:
        """Return the name of the training of several seeds that a run belongs to, and the seeds that it lacks."""
        group = group_of(self.runs.get(run_id))
        return ("", ()) if group is None else (group.name, SeedRuns(self.models, self.runs, group).missing)

    def iter_check_data(self, config: TrainingConfig) -> Events:
        """Read the files of a training. Raises UserInputError where they cannot be trained on."""
        yield from training.load_data(config, self.answers.sample_texts())

    def check_new_name(self, kind: str, name: str) -> None:
        """Raise UserInputError where a run of this kind cannot create a model of this name."""
        (self.adapters if kind == training.KIND else self.bases).check_free(name)
        runs.check_name_unreserved(self.runs, kind, name)

    def check_base_fits(self, config: TrainingConfig) -> None:
        """Raise UserInputError where the base of a training is here and its hyper-parameters do not fit it."""
        if "/" not in config.base:
            base = self.base_name(config.base)
            training.check_base_fits(replace(config, base=base), self.bases.config(base))

    def reserved_names(self, kind: str) -> set[str]:
        """Return the names of the models that runs in progress will create."""
        return {run.name for run in self.runs.list() if (run.kind, run.state) == (kind, "running")}

    def iter_pretrain(self, config: PretrainingConfig) -> Events:
        """Pretrain a base on plain text, and yield events; the last is `RunFinished`."""
        yield from pretraining.pretrain(self.models, self.runs, config)

    def iter_resume(self, run_id: str, name: str = "") -> Events:
        """Resume an interrupted, stopped or failed run from its checkpoint. `name` renames its result.

        In float32 on a CPU, the result is exactly that of a run without the interruption. A finished run of several
        seeds continues with those that are left."""
        run = self.runs.get(run_id)
        if name and name != run.name:
            run = runs.rename(self.models, self.runs, run, name)
        if run.state == "finished":
            yield from seed_trainings.train_rest(self.models, self.runs, self.answers, run)
        elif run.kind == training.KIND:
            yield from training.resume(self.models, self.runs, self.answers, run)
        else:
            yield from pretraining.resume(self.models, self.runs, run)

    def take_training_slot(self) -> TrainingSlot | None:
        """Return the training slot, None while a training is in progress in any program; see `TrainingSlot`."""
        return TrainingSlot.take(self.paths, self.runs)

    def detach_run(self, run_id: str, paused: bool = False) -> subprocess.Popen[bytes]:
        """Resume a run in a background process; see `runs.detach`."""
        return runs.detach(self.paths, self.runs, self.runs.get(run_id), paused)

    def iter_evaluate(self, config: EvaluationConfig) -> Events:
        """Evaluate an adapter on labeled files: progress, then an `EvaluationResult`."""
        yield from evaluation.evaluate(self.models, config)

    def write_errors(self, result: evaluation.EvaluationResult, out: Path, overwrite: bool = False) -> None:
        """Write the posts that an evaluation predicted wrongly to a CSV file."""
        self.check_output(out, overwrite)
        result.write_errors(out, overwrite)

    def iter_compare(self, config: ComparisonConfig) -> Events:
        """Compare adapters, or one with a column of predicted labels: progress, then a `ComparisonResult`."""
        yield from comparison.compare(self.models, config)

    def write_disagreements(self, result: ComparisonResult, out: Path, overwrite: bool = False) -> int:
        """Write the posts on which the raters of a comparison differ to a CSV file. Return their number."""
        self.check_output(out, overwrite)
        return result.write_disagreements(out, overwrite)

    def iter_label_file(self, config: LabelingConfig) -> Events:
        """Label a file: progress, then a `LabelingResult`. Continues a killed labeling."""
        history = self.history if config.record and self.settings.history else None
        yield from labeling.label_file(self.models, history, config)

    def iter_label_on_ray(self, config: ClusterLabelingConfig) -> Events:
        """Label many files on Ray: progress, then a `ClusterLabelingResult`. Continues a killed labeling."""
        history = self.history if config.record and self.settings.history else None
        yield from ray_labeling.label_on_ray(self.paths, history, config)

    def iter_export_history(
        self,
        out: Path,
        filter: HistoryFilter = EVERYTHING,  # noqa: A002 - the usual word
        bom: bool = True,
        guard: bool = True,
        overwrite: bool = False,
        readable: bool = False,
        ids: Iterable[int] | None = None,
        order: HistoryOrder = OLDEST_FIRST,
    ) -> Generator[Progress, None, int]:
        """Write the matching analyses, or those with these `ids`, as CSV; see `History.export`."""
        self.check_output(out, overwrite)
        return (yield from self.history.export(out, filter, bom, guard, overwrite, readable, ids, order))

    def export_run(self, run_id: str, out: Path, overwrite: bool = False) -> int:
        """Write a run's journal as JSON lines or CSV; see `Runs.export`."""
        self.check_output(out, overwrite)
        return self.runs.export(run_id, out, overwrite)

    def iter_export_base(self, name: str, out: Path, overwrite: bool = False) -> Events:
        """Write a base as a `.zip` or `.tar.gz`."""
        self.check_output(out, overwrite)
        yield from self.bases.export(name, out, overwrite)

    def iter_export_adapter(self, name: str, out: Path, overwrite: bool = False) -> Events:
        """Write an adapter as a `.zip` or `.tar.gz`."""
        self.check_output(out, overwrite)
        yield from self.adapters.export(name, out, overwrite)

    def iter_download_base(self, repository: str = downloads.BASE, name: str = "") -> Events:
        """Download a GPT-2 from the Hugging Face Hub or the mirror in HF_ENDPOINT, unless it is here already.

        Progress, then an `ImportResult`. An interrupted download continues where it stopped."""
        card = yield from downloads.download_base(self.models, repository, name)
        yield ImportResult(card)

    def iter_download_data(self, out: Path, overwrite: bool = False) -> Events:
        """Download weibo_senti_100k, a set of labeled posts, into the CSV file `out`."""
        self.check_output(out, overwrite)
        yield from downloads.download_data(self.paths.downloads, out, overwrite)

    def iter_add_base(self, folder: Path, name: str) -> Events:
        """Import a local Hugging Face folder as the base `name`: progress, then an `ImportResult`."""
        card = yield from self.bases.import_folder(folder, name)
        yield ImportResult(card)

    def iter_import_base(self, source: Path, name: str = "") -> Events:
        """Import an exported base under its own name or `name`: progress, then an `ImportResult`."""
        card = yield from self.bases.import_model(source, name)
        yield ImportResult(card)

    def iter_import_adapter(self, source: Path, name: str = "", overwrite: bool = False) -> Events:
        """Import an exported adapter under its own name or `name`: progress, then an `ImportResult`."""
        card = yield from self.adapters.import_model(source, name, overwrite)
        yield ImportResult(card)

    def iter_import_legacy(
        self,
        checkpoint: Path,
        name: str,
        base: str = "",
        labels: Sequence[str] | None = None,
        overwrite: bool = False,
    ) -> Events:
        """Import a checkpoint of the original project as the adapter `name`: progress, then an `ImportResult`.

        Its backbone must be that of `base` (default: the default base, or the one that was added from the
        original project's folder). `labels` name the labels in order (default: negative, positive)."""
        from weibo_tui.registry import legacy_checkpoint

        label_set = resolve_labels((), labels or BINARY)
        base = self.base_name(base or self.settings.base or self._legacy_base())
        card = yield from legacy_checkpoint.import_model(
            checkpoint, self.bases, base, self.adapters, name, label_set.names, label_set.raw, overwrite
        )
        yield ImportResult(card)

    def _legacy_base(self) -> str:
        """Return the base that was added from the original project's folder, or an empty string."""
        folder = LegacyProject.find().base
        source = "" if folder is None else str(folder.absolute())
        return next((card.name for card in self.bases.list() if source and card.source == source), "")

    def iter_export_legacy(self, name: str, out: Path, overwrite: bool = False) -> Events:
        """Write an adapter and its base as a checkpoint that the original project loads.

        Raises UserInputError where the shape differs from the original's."""
        from weibo_tui.registry import legacy_checkpoint

        self.check_output(out, overwrite)
        base = self.models.base_of(self.adapters.card(name))
        yield from legacy_checkpoint.export(self.adapters, name, self.bases, base, out, overwrite)


def _close(databases: list[Database]) -> None:
    while databases:
        databases.pop().close()
