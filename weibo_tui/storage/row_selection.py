"""Filters and orders of a labeled file's rows, computed on arrays of one value a row.

With a million rows, each filter and each order takes some milliseconds, in any combination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from weibo_tui.storage.file_rows import FileRows
from weibo_tui.storage.row_filters import (
    ALL_ROWS,
    CANNOT_TELL,
    FILE_ORDER,
    MINUTES_OF_DAY,
    NO_DATE,
    NONE,
    HumanLabels,
    RowFilter,
    RowOrder,
    Selection,
)


@dataclass(slots=True)
class RowSelector:
    """Selects rows of a file that is indexed. `uncertain_below` is the threshold of confidence."""

    file: FileRows
    human: HumanLabels
    uncertain_below: float
    _predicted: NDArray[np.int16] = field(init=False)

    def __post_init__(self) -> None:
        self._predicted = self.file.array("predicted")

    @property
    def labels(self) -> NDArray[np.int16]:
        """Codes of the effective labels (rows,)."""
        return np.where(self.human.codes == NONE, self._predicted, self.human.codes)

    def select(self, rows: RowFilter = ALL_ROWS, order: RowOrder = FILE_ORDER) -> Selection:
        """Return the matching rows in an order. Raise UserInputError for a column that does not exist."""
        mask = self._mask(rows)
        if order.column == "row":
            indices = np.arange(self.file.rows, dtype=np.int32) if mask is None else np.flatnonzero(mask)
            indices = indices[::-1] if order.descending else indices
        else:
            indices = self._sorted(order)
            indices = indices if mask is None else indices[mask[indices]]
        return Selection((indices + 1).astype(np.int32))

    def _mask(self, rows: RowFilter) -> NDArray[np.bool_] | None:
        """Return which rows match, None for all."""
        mask: NDArray[np.bool_] | None = None
        for condition in self._conditions(rows):
            mask = condition if mask is None else mask & condition
        if rows.distinct:
            mask = self._first_of_texts(mask)
        return mask

    def _conditions(self, rows: RowFilter) -> Iterator[NDArray[np.bool_]]:
        if rows.text:
            yield self.file.search(rows.text)
        by_label: tuple[tuple[str | None, Callable[[], NDArray[np.int16]]], ...] = (
            (rows.label, lambda: self.labels),
            (rows.predicted, lambda: self._predicted),
            (rows.human, lambda: self.human.codes),
        )
        for label, codes in by_label:
            if label is not None:
                code = self.human.code(label)
                yield np.zeros(self.file.rows, np.bool_) if code is None else codes() == code
        if rows.confidence_from is not None:
            yield self.file.array("confidence") >= np.float32(rows.confidence_from)
        if rows.confidence_to is not None:
            yield self.file.array("confidence") <= np.float32(rows.confidence_to)
        if rows.uncertain is not None:
            confidence = self.file.array("confidence")
            below = confidence < np.float32(self.uncertain_below)
            yield below if rows.uncertain else confidence >= np.float32(self.uncertain_below)
        if rows.answered is not None:
            yield (self.human.codes != NONE) == rows.answered
        if rows.disagreeing is not None:
            both = (self.human.codes >= 0) & (self._predicted >= 0)
            yield both & ((self.human.codes != self._predicted) == rows.disagreeing)
        if rows.flagged is not None:
            yield self.human.flagged == rows.flagged
        yield from self._date_conditions(rows)
        for column, text in rows.columns:
            if text:
                yield self.file.search_column(column, text)

    def _date_conditions(self, rows: RowFilter) -> Iterator[NDArray[np.bool_]]:
        if rows.since is not None:
            yield self.file.array("date") >= rows.since.toordinal() * MINUTES_OF_DAY
        if rows.until is not None:
            minutes = self.file.array("date")
            yield (minutes < (rows.until.toordinal() + 1) * MINUTES_OF_DAY) & (minutes != NO_DATE)

    def _first_of_texts(self, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        groups = self.file.array("group")
        indices = np.arange(len(groups), dtype=np.int32) if mask is None else np.flatnonzero(mask).astype(np.int32)
        first = np.full(self.file.rows, -1, np.int32)
        first[groups[indices[::-1]]] = indices[::-1]  # of several assignments the last one stays
        result = np.zeros(self.file.rows, np.bool_)
        result[first[first >= 0]] = True
        return result

    def _sorted(self, order: RowOrder) -> NDArray[np.int32]:
        """Return the indices of all rows in an order."""
        if order.column in ("label", "predicted", "human"):
            codes = {"label": self.labels, "predicted": self._predicted, "human": self.human.codes}[order.column]
            names = [*self.human.names, "", ""]  # the last ones are those of CANNOT_TELL and NONE
            ranks = np.empty(len(names), np.int16)
            ranks[sorted(range(len(self.human.names)), key=names.__getitem__)] = np.arange(len(self.human.names))
            ranks[CANNOT_TELL], ranks[NONE] = len(self.human.names), len(self.human.names) + 1
            indices = np.argsort(ranks[codes], kind="stable").astype(np.int32)
            empty = int((codes == NONE).sum())
        else:
            indices, empty = self.file.order(order.column)
        if not order.descending:
            return indices
        present = len(indices) - empty
        return np.concatenate([indices[:present][::-1], indices[present:]])
