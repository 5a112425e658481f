"""Rows of a table with all that is known of them: post, predicted and human label, date, and the other cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import nan
from pathlib import Path
from typing import Any

from weibo_tui.datasets.answers import (
    answer_reader,
    find_answers,
    find_confidence,
    find_predicted,
    find_purpose,
    label_word,
    read_number,
)
from weibo_tui.datasets.columns import fold
from weibo_tui.datasets.reading import PostTable, open_table, read_rows
from weibo_tui.datasets.tables import Columns, Report
from weibo_tui.datasets.windows import Dates, find_dates
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

_PROBABILITY = "prob_"
_ERROR, _ADAPTER = "error", "adapter"


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Options for reading a labeled file: columns by name or number, None for a detected one.

    `table.label` is the column of human labels. `collected` is the time to which dates such as `昨天 08:30` refer where
    a post has no id.
    """

    table: Columns = Columns()
    predicted: str | None = None
    date: str | None = None
    collected: datetime | None = None


DETECTED = FileOptions()


@dataclass(frozen=True, slots=True)
class LabeledTable:
    """A table of posts, of which `source.label_column` has human labels, and its other known columns.

    `probabilities` are columns by label. A column that does not exist is None.
    """

    source: PostTable
    predicted: str | None
    confidence: str | None
    probabilities: Mapping[str, str]
    error: str | None
    purpose: str | None
    adapter: str | None
    dates: Dates | None

    @property
    def roles(self) -> dict[str, str]:
        """The column of each role that a column has."""
        roles = {
            "post": self.source.text_column,
            "predicted": self.predicted,
            "confidence": self.confidence,
            "label": self.source.label_column,
            "error": self.error,
            "purpose": self.purpose,
            "adapter": self.adapter,
            "date": None if self.dates is None else self.dates.date or self.dates.post_id,
        }
        return {role: column for role, column in roles.items() if column is not None}


@dataclass(frozen=True, slots=True)
class LabeledRow:
    """A row, its number from 1, and the words for its labels, empty for none.

    `confidence` is NaN without one. `margin` is the difference of the two highest probabilities, or else the
    confidence.
    """

    number: int
    text: str
    cells: dict[str, Any]
    predicted: str
    answer: str
    confidence: float
    margin: float
    purpose: str
    moment: datetime | None


def open_labeled_table(path: Path, options: FileOptions = DETECTED) -> LabeledTable:
    """Return how to read a table with labels, or of posts alone. Raise the errors of `open_table`."""
    source = open_table(path, replace(options.table, label=None))
    predicted = _find_predicted(source, options.predicted)
    label = None
    if source.label is None:  # otherwise all posts have this one
        label = find_answers(source, options.table.label, predicted)
    if label == source.text_column:
        label = None
    by_name = {fold(name): name for name in source.columns}
    prefix = "" if predicted is None else fold(predicted).removesuffix("predicted")
    begin = prefix + _PROBABILITY if prefix + "predicted" == fold(predicted or "") else _PROBABILITY
    return LabeledTable(
        source=replace(source, label_column=label, other_labels=()),
        predicted=predicted,
        confidence=None if predicted is None else find_confidence(source.columns, predicted),
        probabilities={
            name[len(begin) :]: name
            for name in source.columns
            if predicted is not None and fold(name).startswith(begin) and len(name) > len(begin)
        },
        error=by_name.get(prefix + _ERROR) if predicted is not None else None,
        purpose=find_purpose(source.columns, label),
        adapter=by_name.get(_ADAPTER),
        dates=find_dates(source, options.date, options.collected),
    )


def _find_predicted(source: PostTable, requested: str | None) -> str | None:
    if requested is not None:
        column = source.column(requested, "--predicted-column")
        if column == source.text_column:
            message = _("{path}: column {name} cannot be both posts and predicted labels.")
            raise UserInputError(message.format(path=source.path, name=column))
        return column
    found = [name for name in find_predicted(source.columns) if name != source.text_column]
    return found[0] if found else None


def read_labeled_rows(table: LabeledTable, report: Report) -> Iterator[LabeledRow]:
    """Yield every row in order, and add up what was read in `report`. Raise the errors of `read_rows`."""
    read_answer = answer_reader(table.source)
    for row in read_rows(table.source, report):
        cells = row.cells
        yield LabeledRow(
            number=row.number,
            text=row.text,
            cells=cells,
            predicted="" if table.predicted is None else label_word(cells.get(table.predicted)),
            answer=read_answer(row),
            confidence=nan if table.confidence is None else read_number(cells.get(table.confidence)),
            margin=_margin(table, cells),
            purpose="" if table.purpose is None else fold(str(cells.get(table.purpose) or "")),
            moment=None if table.dates is None else table.dates.moment(cells),
        )


def _margin(table: LabeledTable, cells: Mapping[str, Any]) -> float:
    if len(table.probabilities) < 2:
        return nan if table.confidence is None else read_number(cells.get(table.confidence))
    *_others, second, first = sorted(read_number(cells.get(name)) for name in table.probabilities.values())
    return first - second
