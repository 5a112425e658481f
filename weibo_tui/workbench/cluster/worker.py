"""Labeling of parts on a node, by a classifier that stays in memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.arrow_files import to_python
from weibo_tui.datasets.reading import post_text
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.workbench import labeling
from weibo_tui.workbench.cluster.model import Files, Model
from weibo_tui.workbench.cluster.reader import ReadPart
from weibo_tui.workbench.cluster.result_folder import PartSummary, ResultFolder

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Job:
    """All that workers need to know: the model, its labels, and where the parts belong.

    `plan` is the id of the plan. A prediction is uncertain where its confidence is below `uncertain_below`."""

    plan: str
    model: Model
    machine: ComputeOptions
    labels: tuple[str, ...]
    prefix: str
    uncertain_below: float
    out: ResultFolder


def added_columns(labels: Sequence[str], prefix: str) -> list[str]:
    """Return the names of the columns after the cells: those of a labeled file, and the source of the row."""
    return [*labeling.added_columns(labels, prefix), f"{prefix}source_file", f"{prefix}source_row"]


class Worker:
    """A classifier that labels parts and writes them."""

    def __init__(self, job: Job, files: Files | None) -> None:
        self._job = job
        os.environ["RAYON_NUM_THREADS"] = str(job.machine.threads)  # of the tokenizer, which would use all cores
        self._classifier = job.model.load(files, job.machine)

    def label(self, read: ReadPart, say: Callable[[int], object]) -> PartSummary:
        """Write a part with predictions, and return its summary. `say` gets the number of rows done so far."""
        assert read.source is not None and read.cells is not None
        errors: list[str | None] = read.cells.column(1).to_pylist()
        posts = self._posts(read, errors)
        rows: list[list[Any]] = []
        for start in range(0, len(posts), labeling.WINDOW):
            window = slice(start, start + labeling.WINDOW)
            rows += self._predict(posts[window], errors[window])
            say(len(rows))
        summary = self._summary(read.part.number, rows)
        self._job.out.write_part(self._table(read, rows), summary)
        return summary

    def _posts(self, read: ReadPart, errors: Sequence[str | None]) -> list[str]:
        """Return the posts of a part, empty ones for unreadable rows."""
        assert read.source is not None and read.cells is not None
        numbers: list[int] = read.cells.column(0).to_pylist()
        cells = read.cells.select(range(2, read.cells.num_columns))
        texts = to_python(read.source.table, cells.column(read.source.text_column))
        return [
            post_text(read.source, number, text) if error is None else ""
            for number, text, error in zip(numbers, texts, errors, strict=True)
        ]

    def _predict(self, posts: Sequence[str], errors: Sequence[str | None]) -> list[list[Any]]:
        """Return predicted label, confidence, probabilities and error of each post."""
        readable = [index for index, error in enumerate(errors) if error is None]
        predictions = self._classifier.predict([posts[index] for index in readable])
        labels = self._job.labels
        rows: list[list[Any]] = [[*[None] * (len(labels) + 2), error] for error in errors]
        for index, prediction in zip(readable, predictions, strict=True):
            rows[index] = labeling.added_values(prediction, labels)
        return rows

    def _summary(self, part: int, rows: Sequence[Sequence[Any]]) -> PartSummary:
        counts = Counter(row[0] for row in rows if row[0] is not None)
        uncertain = sum(row[1] is not None and row[1] < self._job.uncertain_below for row in rows)
        return PartSummary(self._job.plan, part, len(rows), len(rows) - counts.total(), uncertain, dict(counts))

    def _table(self, read: ReadPart, rows: Sequence[Sequence[Any]]) -> pa.Table:
        import pyarrow as pa

        assert read.source is not None and read.cells is not None
        names = added_columns(self._job.labels, self._job.prefix)
        values = [list(column) for column in zip(*rows, strict=True)] or [[] for _name in names[:-2]]
        types = [pa.string(), *[pa.float64()] * (len(values) - 2), pa.string()]
        columns = [pa.array(column, kind) for column, kind in zip(values, types, strict=True)]
        path = read.part.file.file.location.shown.encode("utf-8", "replace").decode()
        columns += [pa.array([path] * len(rows), pa.string()), read.cells.column(0)]
        table = read.cells.select(range(2, read.cells.num_columns))
        posts = {read.source.text_column: read.part.file.text_column}
        table = table.rename_columns([posts.get(name, name) for name in table.column_names])
        for name, column in zip(names, columns, strict=True):
            table = table.append_column(name, column)
        return table
