"""Reading a labeled file into its cache: rows in steps that can be paged at once, then what filters and orders need."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.answers import CANNOT_TELL, LabelNames, name_labels
from weibo_tui.datasets.labeled_rows import (
    FileOptions,
    LabeledRow,
    open_labeled_table,
    read_labeled_rows,
)
from weibo_tui.datasets.labels import MAX_LABELS
from weibo_tui.datasets.tables import Report
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import language_tag
from weibo_tui.part_folders import warn_of_missing_parts
from weibo_tui.progress import Progress
from weibo_tui.storage import row_filters
from weibo_tui.storage.column_index import ColumnIndexer
from weibo_tui.storage.file_rows import RowsWriter, cell_text, is_unchanged
from weibo_tui.storage.row_filters import MINUTES_OF_DAY, NO_DATE, NONE
from weibo_tui.storage.search import fold
from weibo_tui.text.keys import text_key
from weibo_tui.text.spreadsheet import unescape_formula

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FIRST_ROWS = 500  # that are written before the others, and can be shown at once
_MAX_ROWS = 2**16  # that are written at once
_STEP = 1000  # rows between two steps of progress
_UNKNOWN = -1
_SAMPLED = 32  # rows from one whose characters are counted to the next
_MIN_ROWS, _FREQUENT = 20_000, 0.05  # rows of a file, and share of the posts, from which a character is frequent


@dataclass(slots=True)
class _Words:
    """The words of a column of labels in the order of their first rows, and the index of each row's, -1 for none."""

    words: dict[str, int] = field(default_factory=dict)
    rows: array[int] = field(default_factory=lambda: array("h"))

    def add(self, word: str) -> None:
        if not word:
            self.rows.append(_UNKNOWN)
        elif word in self.words or len(self.words) <= MAX_LABELS:
            self.rows.append(self.words.setdefault(word, len(self.words)))
        else:
            self.rows.append(_UNKNOWN)

    def codes(self, code_of: dict[str, int]) -> NDArray[np.int16]:
        """Return the codes of the rows by those of words."""
        import numpy as np

        codes = np.array([*(code_of.get(word, NONE) for word in self.words), NONE], np.int16)
        return codes[np.frombuffer(self.rows, np.int16)]


class FileIndexing:
    """One pass over a table that fills a cache. `info` are the facts so far, as the cache holds them."""

    def __init__(self, path: Path, options: FileOptions, facts: Mapping[str, Any], cache: Path) -> None:
        """`facts` are those by which the file is recognized, from before its fingerprint, which is one of them."""
        self._table = open_labeled_table(path, options)
        self._options = options
        self._columns: dict[str, int] = {}
        self._indexers: dict[str, ColumnIndexer] = {}
        self._add_columns(self._table.source.columns, 1)
        self._predicted, self._answers, self._purposes = _Words(), _Words(), _Words()
        self._margins, self._confidences, self._dates, self._keys = array("f"), array("f"), array("i"), array("q")
        self._adapters: Counter[str] = Counter()
        self._characters: Counter[str] = Counter()
        self._report = Report()
        self._writer = RowsWriter(cache)
        self.info: dict[str, Any] = {
            **facts,
            "roles": self._table.roles,
            "probabilities": dict(self._table.probabilities),
            "labels": [],
            "warnings": list(warn_of_missing_parts(path)),
        }

    def run(self) -> Generator[Progress, None, None]:
        """Read all rows, and write the cache. The first step comes when the first rows can be read."""
        waiting, limit = 0, _FIRST_ROWS
        for row in read_labeled_rows(self._table, self._report):
            self._add(row)
            waiting += 1
            if waiting == limit:
                self._commit(row.number)
                waiting, limit = 0, min(4 * limit, _MAX_ROWS)
            if row.number % _STEP == 0 or not waiting:
                yield Progress("reading", row.number)
        rows = len(self._keys)
        self._commit(rows)
        self._check_unchanged()
        yield Progress("reading", rows, rows, note=self._table.source.summary(self._report))
        yield from self._finish(rows)

    def _check_unchanged(self) -> None:
        """Raise UserInputError if these may not be the rows of the file that has the fingerprint."""
        with suppress(OSError):  # it was removed, and all rows of it were read
            if not is_unchanged(self._table.source.path, self.info):
                message = _("{path} was changed while it was read. Open it again when it is written.")
                raise UserInputError(message.format(path=self._table.source.path))

    def discard(self) -> None:
        """Delete what was written."""
        self._writer.discard()

    def close(self) -> None:
        self._writer.close()
        for indexer in self._indexers.values():
            indexer.close()

    def _add(self, row: LabeledRow) -> None:
        cells = row.cells
        if not cells.keys() <= self._columns.keys():  # later objects in JSON may have other keys
            self._add_columns(cells, row.number)
        values = [cells.get(name) for name in self._columns]
        for name, value in zip(self._columns, values, strict=True):
            if (indexer := self._indexers.get(name)) is not None:
                indexer.add(cell_text(value))
        post = self._columns[self._table.source.text_column]
        cell = values[post]
        if isinstance(cell, str) and (cell == row.text or unescape_formula(cell) == row.text):
            values[post] = None  # it is stored as the text already
        self._writer.add(row.number, row.text, values)
        if row.number % _SAMPLED == 0:
            self._characters.update(set(fold(row.text)))
        self._predicted.add(row.predicted)
        self._answers.add(row.answer)
        self._purposes.add(row.purpose)
        self._confidences.append(row.confidence)
        self._margins.append(row.margin)
        self._dates.append(_minutes(row.moment))
        self._keys.append(text_key(row.text))
        if self._table.adapter is not None and len(self._adapters) < MAX_LABELS:
            self._adapters[cell_text(cells.get(self._table.adapter))] += 1

    def _add_columns(self, names: Iterable[str], number: int) -> None:
        """Add the columns that are new in the row of this number."""
        for name in names:
            if name not in self._columns:
                self._columns[name] = len(self._columns)
                if name != self._table.source.text_column:  # which has the full-text index
                    self._indexers[name] = ColumnIndexer()
                    self._indexers[name].skip(number - 1)

    def _commit(self, rows: int) -> None:
        self.info |= {"rows": rows, "columns": list(self._columns)}
        self._writer.commit(self.info)

    def _finish(self, rows: int) -> Generator[Progress, None, None]:
        """Write the arrays that filters and orders need, and mark the cache as complete."""
        characters = self._frequent_characters() if rows >= _MIN_ROWS else []
        steps = count()
        total = 3 + len(characters) + len(self._indexers)
        yield Progress("indexing", next(steps), total)
        self._add_labels()
        self._add_numbers()
        self._add_texts()
        yield Progress("indexing", next(steps), total)
        self._writer.add_array("order.text", self._writer.sort_texts())
        yield Progress("indexing", next(steps), total)
        for character in characters:
            self._writer.add_character(character, rows)
            yield Progress("indexing", next(steps), total)
        long_columns = []
        for name, indexer in self._indexers.items():
            indexer.skip(rows)
            index = indexer.finish()
            self._writer.add_column(self._columns[name], index)
            if index.is_long:
                long_columns.append(name)
            yield Progress("indexing", next(steps), total)
        roles = self._table.roles
        orders = {"post": "text", "confidence": "confidence", "date": "date"}
        self.info |= {
            "frequent": list(map(ord, characters)),
            "long_columns": long_columns,
            "stored_orders": {roles[role]: order for role, order in orders.items() if role in roles},
            "adapter": ", ".join(sorted(filter(None, self._adapters))),
            "summary": self._table.source.summary(self._report),
            "language": language_tag(),
        }
        self._writer.finish(self.info)

    def _frequent_characters(self) -> list[str]:
        """Return the characters, folded, that many posts contain, by those that were counted."""
        limit = _FREQUENT * (len(self._keys) // _SAMPLED)
        return [character for character, number in self._characters.items() if number > limit]

    def _add_numbers(self) -> None:
        """Write the confidences, margins and dates, and their orders."""
        import numpy as np

        confidences, dates = np.frombuffer(self._confidences, np.float32), np.frombuffer(self._dates, np.int32)
        self._writer.add_array("confidence", confidences)
        self._writer.add_array("order.confidence", np.argsort(confidences, kind="stable").astype(np.int32))
        self._writer.add_array("margin", np.frombuffer(self._margins, np.float32))
        self._writer.add_array("date", dates)
        late = np.where(dates == NO_DATE, np.iinfo(np.int32).max, dates)
        self._writer.add_array("order.date", np.argsort(late, kind="stable").astype(np.int32))
        empty = {"confidence": int(np.isnan(confidences).sum()), "date": int((dates == NO_DATE).sum())}
        self.info["empty"] = empty

    def _add_labels(self) -> None:
        """Write the codes of predicted and human labels, and of purposes."""
        names = self._names()
        codes = {name: code for code, name in enumerate(names.labels)} | {CANNOT_TELL: row_filters.CANNOT_TELL}
        predicted = self._predicted.codes({word: codes[name] for word, name in names.predictions.items()})
        human = self._answers.codes({word: codes[name] for word, name in names.answers.items() if name})
        self._writer.add_array("predicted", predicted)
        self._writer.add_array("human", human)
        self._writer.add_array("purpose", self._purposes.codes(self._purposes.words))
        self.info |= {
            "labels": list(names.labels),
            "purposes": list(self._purposes.words),
            "counts": {name: int((predicted == code).sum()) for code, name in enumerate(names.labels)},
            "answers": int((human != NONE).sum()),
        }

    def _names(self) -> LabelNames:
        """Return the names of the words for labels. A column of other things, unless requested, has none."""
        table, requested = self._table.source, self._options.table.label
        predictions, answers = set(self._predicted.words), set(self._answers.words)
        try:
            if len(answers) > MAX_LABELS:
                message = _("{path}: column {column} has more than {limit} different labels. Is it the right column?")
                values = {"path": table.path, "column": table.label_column, "limit": MAX_LABELS}
                raise UserInputError(message.format(**values))
            return name_labels(table, predictions, answers)
        except UserInputError:
            if requested is not None or not answers:
                raise
            message = _("Column {column} is not read as human labels, because it has other values.")
            self.info["warnings"].append(message.format(column=table.label_column))
            self.info["roles"].pop("label", None)
            return name_labels(table, predictions, ())

    def _add_texts(self) -> None:
        """Write which rows have the same text."""
        import numpy as np

        keys = np.frombuffer(self._keys, np.int64)
        _values, groups, counts = np.unique(keys, return_inverse=True, return_counts=True)
        numbers = counts[groups].astype(np.int32)
        self._writer.add_array("text_key", keys)
        self._writer.add_array("group", groups.astype(np.int32))
        self._writer.add_array("count", numbers)
        self._writer.add_array("order.count", np.argsort(numbers, kind="stable").astype(np.int32))
        self.info["posts"] = hashlib.sha256(keys.astype("<i8").tobytes()).hexdigest()
        self.info["texts"] = len(counts)


def _minutes(moment: datetime | None) -> int:
    return NO_DATE if moment is None else moment.toordinal() * MINUTES_OF_DAY + moment.hour * 60 + moment.minute
