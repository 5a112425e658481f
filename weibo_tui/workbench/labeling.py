"""Labeling of a file: window by window, predictions go to a checkpoint, and labeled rows to the result.

A killed labeling continues from its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.atomic import file_exists, sha256
from weibo_tui.datasets.reading import count_rows, open_table
from weibo_tui.datasets.tables import Report
from weibo_tui.datasets.writing import Added, check_added_columns, check_sheet, output_format, write_labeled
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.part_folders import TableState, table_state
from weibo_tui.progress import Progress
from weibo_tui.storage.history import History, LabeledFile
from weibo_tui.workbench.config import LabelingConfig, check_output
from weibo_tui.workbench.labeling_checkpoint import LabelingCheckpoint, checkpoint_path, open_checkpoint
from weibo_tui.workbench.models import ModelLoader

if TYPE_CHECKING:
    from weibo_tui.engine.prediction import Classifier, FailedPost, Prediction

WINDOW = 2048


@dataclass(frozen=True, slots=True)
class LabelingResult:
    """The last event of a labeling: `counts` of rows by label, and rows with an error, or below the confidence
    threshold (`uncertain`).

    `continued` is the number of rows from the checkpoint; `posts_per_second` is the speed of the others."""

    out: str
    rows: int
    failed: int
    counts: dict[str, int]
    continued: int
    posts_per_second: float
    uncertain: int = 0

    @property
    def path(self) -> Path:
        """The labeled file or folder."""
        return Path(self.out)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def label_file(models: ModelLoader, history: History | None, config: LabelingConfig) -> Iterator[object]:
    """Label a file, and add it to the history if there is one; see `Workbench.iter_label_file`."""
    for output in (config.out, checkpoint_path(config.out)):
        check_output(models.paths, output, overwrite=True, inputs=[config.source])
    adapter = models.adapter_name(config.adapter)
    card = models.adapters.card(adapter)
    source = open_table(config.source, config.columns)
    added = added_columns(card.labels, config.prefix)
    check_added_columns(source, config.out, added)
    if history is not None:
        history.check_writable()  # before the work rather than after it
    source_state = table_state(config.source)
    report = Report()
    total = yield from count_rows(source, report)
    # Later objects may have other keys than the first ones.
    source = replace(source, columns=tuple(dict.fromkeys([*source.columns, *report.keys])))
    yield Progress("counting", total, total, note=source.summary(report))
    if output_format(source, config.out) == "xlsx":
        yield from check_sheet(source, total)
    classifier = models.classifier(adapter, config.machine)
    model = [card.weights_sha256, card.temperature, card.max_length, card.preprocessing]
    key = hashlib.sha256(json.dumps([*model, str(classifier.first_compute), list(added)]).encode()).hexdigest()
    with open_checkpoint(config.out, key) as checkpoint:
        yield from checkpoint.read()
        below = models.settings.uncertain_below
        labeling = _Labeling(config, classifier, card.labels, tuple(added), checkpoint, total, source_state, below)
        labeling.check_out()
        checkpoint.start(config.overwrite)
        started = time.perf_counter()
        overwrite = config.overwrite or config.out.exists()
        yield from write_labeled(
            source,
            config.out,
            labeling.predict,
            added,
            overwrite=overwrite,
            rows=WINDOW,
            bom=config.bom,
            finish=labeling.finish,
        )
        seconds = max(time.perf_counter() - started, 1e-9)
        counts = dict(labeling.counts)
        failed = labeling.rows - labeling.counts.total()
        if history is not None:
            paths = config.source.absolute(), config.out.absolute()
            entry = LabeledFile(*paths, adapter, labeling.rows, failed, counts, labeling.finished_at)
            if not history.contains_file(entry):  # a labeling that was killed after this line has added it
                history.add_file(entry)
        # Last, so that after a kill before this line the same command comes here again.
        checkpoint.remove()
    rate = (labeling.rows - labeling.continued) / seconds
    yield LabelingResult(str(config.out), labeling.rows, failed, counts, labeling.continued, rate, labeling.uncertain)


class _Labeling:
    """The state of a labeling: `rows` so far, `continued` of them from the checkpoint, and `counts` by label."""

    def __init__(
        self,
        config: LabelingConfig,
        classifier: Classifier,
        labels: tuple[str, ...],
        added: tuple[str, ...],
        checkpoint: LabelingCheckpoint,
        total: int,
        source_state: TableState,
        uncertain_below: float,
    ) -> None:
        self._config = config
        self._classifier = classifier
        self._labels = labels
        self._added = added
        self._checkpoint = checkpoint
        self._total = total
        self._source_state = source_state
        self._uncertain_below = uncertain_below
        self.rows = self.continued = self.uncertain = 0
        self.counts: Counter[str] = Counter()
        self.finished_at = ""

    def predict(self, posts: Sequence[str]) -> Generator[Progress, None, list[dict[str, Any]]]:
        """Return the values of the added columns for the next rows.

        What the checkpoint lacks of a window is predicted in the batches of the whole window, so that the last bits of
        probabilities do not depend on interruptions."""
        loaded = self._checkpoint.load(self.rows + 1, posts, self._config.overwrite)
        by_index = {index: row for index, row in enumerate(loaded) if row is not None}
        if by_index:
            self.continued += len(by_index)
            yield Progress("labeling", self.rows + len(by_index), self._total)
        if len(by_index) < len(posts):
            yield from self._predict_rest(posts, by_index)
        values = [by_index[index] for index in range(len(posts))]
        self.rows += len(posts)
        rows = [dict(zip(self._added, row, strict=True)) for row in values]
        self.uncertain += sum(row[1] is not None and row[1] < self._uncertain_below for row in values)
        self.counts.update(row[0] for row in values if row[0] is not None)
        return rows

    def _predict_rest(self, posts: Sequence[str], by_index: dict[int, list[Any]]) -> Iterator[Progress]:
        """Add the values of the other posts of a window to `by_index`, and keep them also if it is interrupted."""
        loaded = len(by_index)
        try:
            for batch in self._classifier.iter_batches(posts, done=frozenset(by_index)):
                by_index.update((index, added_values(prediction, self._labels)) for index, prediction in batch)
                yield Progress("labeling", self.rows + len(by_index), self._total)
        finally:
            if len(by_index) > loaded:
                self._checkpoint.add(self.rows + 1, posts, [by_index.get(index) for index in range(len(posts))])

    def check_out(self) -> None:
        """Raise UserInputError where the result would replace a file that is not an earlier result of this labeling."""
        config = self._config
        if config.out.exists() and not config.overwrite and not self._checkpoint.is_result(config.out):
            raise file_exists(config.out)

    def finish(self, path: Path) -> None:
        """Check that the complete result in `path` may replace the output file, and record its hash."""
        if table_state(self._config.source) != self._source_state:
            message = _("{path} changed while it was labeled. Run the same command again.")
            raise UserInputError(message.format(path=self._config.source))
        self.check_out()
        self.finished_at = self._checkpoint.finish(sha256(path))


def added_columns(labels: Sequence[str], prefix: str) -> Added:
    """Return the columns that a labeling adds, and their types."""
    return {
        f"{prefix}predicted": str,
        f"{prefix}confidence": float,
        **{f"{prefix}prob_{label}": float for label in labels},
        f"{prefix}error": str,
    }


def added_values(prediction: Prediction | FailedPost, labels: Sequence[str]) -> list[Any]:
    """Return the values of `added_columns` for a post."""
    from weibo_tui.engine.prediction import Prediction

    if not isinstance(prediction, Prediction):
        return [*[None] * (len(labels) + 2), prediction.reason]
    return [labels[prediction.label], prediction.confidence, *prediction.probabilities, None]
