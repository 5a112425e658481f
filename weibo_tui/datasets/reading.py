"""Tables of posts: how a file is read, where its posts and labels are, and its rows."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from math import isnan
from pathlib import Path
from typing import Any

from weibo_tui.atomic import cannot_read
from weibo_tui.datasets import columns as roles
from weibo_tui.datasets.arrow_files import read_batches, read_schema, to_python
from weibo_tui.datasets.columns import fold
from weibo_tui.datasets.detection import (
    check_number_of_columns,
    check_readable,
    detect_table,
    read_records,
)
from weibo_tui.datasets.json_files import read_objects, single
from weibo_tui.datasets.labels import normalize_label
from weibo_tui.datasets.parsers import Cells
from weibo_tui.datasets.rows import arrange
from weibo_tui.datasets.tables import (
    FORMAT_NAMES,
    MAX_BAD_SHARE,
    BadRow,
    Columns,
    Format,
    Layout,
    Report,
    Table,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_names, ngettext
from weibo_tui.progress import Progress, drain
from weibo_tui.text.cleaning import MAX_POST_LENGTH
from weibo_tui.text.spreadsheet import unescape_formula
from weibo_tui.text.terminal import truncate

LABEL_SOURCE = "label_source"
"""The column of an export that says whose its `label` is: `human` or `model`. That of `label_2` is `label_source_2`."""
_EXPORTED_LABEL = re.compile(r"label(_\d+)?")
_EXPORTED_SOURCE = re.compile(rf"{LABEL_SOURCE}(_\d+)?")
_MAX_COLUMNS_IN_MESSAGE = 20
_STEP = 1000  # rows between two steps of progress


@dataclass(frozen=True, slots=True)
class PostTable:
    """A table of posts that can be read, and its columns.

    `label` is that of all its posts, if they have one. `other_labels` are columns that could be the label column too.
    """

    table: Table
    columns: tuple[str, ...]
    text_column: str
    label_column: str | None
    max_bad_rows: float = MAX_BAD_SHARE
    label: str | None = None
    other_labels: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return self.table.path

    @property
    def format(self) -> Format:
        return self.table.format

    @property
    def encoding(self) -> str:
        return self.table.encoding.name

    @property
    def needed(self) -> int:
        """The number of cells that a row must have, so that the post and its label are among them."""
        used = [self.columns.index(name) for name in (self.text_column, self.label_column) if name is not None]
        return max(used) + 1

    @property
    def label_source(self) -> str | None:
        """The column LABEL_SOURCE. Spreadsheets and their users change case and blanks."""
        return next((name for name in self.columns if fold(name) == self._label_source), None)

    @property
    def _label_source(self) -> str:
        exported = _EXPORTED_LABEL.fullmatch(fold(self.label_column or ""))
        return LABEL_SOURCE + ((exported and exported[1]) or "")

    @property
    def is_escaped(self) -> bool:
        """True if texts are escaped where they may be formulas, as in an export."""
        return self.format in ("csv", "tsv") and any(_EXPORTED_SOURCE.fullmatch(fold(name)) for name in self.columns)

    def column(self, requested: str, option: str) -> str:
        """Return the column of a name or number (from 1). Raise UserInputError where it does not exist."""
        found = _requested(self.table, self.columns, requested, option)
        assert found is not None  # it is only where none is requested
        return found

    def summary(self, report: Report | None = None, content: str = "") -> str:
        """Return a line that says how the table is read, and what a pass over it has read.

        `content` says what is read in place of posts.
        """
        parts = [FORMAT_NAMES[self.format], *_counts_of_parts(self.table)]
        if (self.table.is_grid and self.format != "xlsx") or self.format in ("json", "jsonl"):
            parts.append(re.sub("-[BL]E$", "", self.table.encoding.codec.upper()))
        if self.table.sheet:
            message = _("sheet {name}") if self.table.num_sheets == 1 else _("sheet {name} of {number}")
            parts.append(message.format(name=truncate(self.table.sheet), number=self.table.num_sheets))
        if not self.table.dialect.quotes:
            parts.append(_("without quoting"))
        if self.format == "lines":
            parts.append(_("a label and a post per line"))
        elif self.table.is_named:
            parts.append(_("posts in {column}").format(column=truncate(self.text_column.strip())))
        elif self.format == "txt":
            parts.append(_("a post per line"))
        else:
            parts.append(_("no header"))
            parts.append(_("posts in column {number}").format(number=self.text_column))
        if content:
            parts[-1] = content
        if self.label is not None:
            parts.append(_("all labeled {label}").format(label=truncate(self.label)))
        elif self.label_column is not None and self.format != "lines":
            message = _("labels in {column}") if self.table.is_named else _("labels in column {column}")
            parts.append(message.format(column=truncate(self.label_column.strip())))
        if self.other_labels:
            parts.append(_("other labels in {columns}").format(columns=join_names(self.other_labels)))
        line = f"{self.path.name}: {join_list([*parts, *_counts(self.table.layout, report)])}"
        return " ".join(line.splitlines())  # names may have line ends


def _counts_of_parts(table: Table) -> Iterator[str]:
    if table.parts:
        number = len(table.parts)
        yield ngettext("{number:,} file", "{number:,} files", number).format(number=number)
    if table.missing_parts:
        number = table.missing_parts
        yield ngettext("unfinished ({number:,} part missing)", "unfinished ({number:,} parts missing)", number).format(
            number=number
        )


def _counts(layout: Layout, report: Report | None) -> Iterator[str]:
    if layout.titles:
        yield ngettext("{number} line above the header", "{number} lines above the header", layout.titles).format(
            number=layout.titles
        )
    if report is None:
        return
    yield ngettext("{number:,} row", "{number:,} rows", report.rows).format(number=report.rows)
    if report.num_bad:
        yield _("{number} skipped").format(number=f"{report.num_bad:,}")
    if report.short:
        yield ngettext("{number:,} short row filled up", "{number:,} short rows filled up", report.short).format(
            number=report.short
        )
    if report.joined:
        message = ngettext("{number:,} row of {lines} lines", "{number:,} rows of up to {lines} lines", report.joined)
        yield message.format(number=report.joined, lines=report.longest)
    if report.repeated:
        yield ngettext("{number:,} repeated header", "{number:,} repeated headers", report.repeated).format(
            number=report.repeated
        )
    for message, number in report.notes.items():
        yield _(message).format(number=f"{number:,}")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its number (from 1, without header, blank lines and skipped rows), its cells, its post and its label.

    `text` has at most MAX_POST_LENGTH characters of the post. `label` is None without a label column, and empty where
    the cell is, or where its label is `predicted` by the model. Both are without the escapes of an exported history.
    """

    number: int
    cells: dict[str, Any]
    text: str
    label: str | None
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """A table as it will be read, and its first rows. A table that is read to its end has a `report`."""

    source: PostTable
    rows: tuple[TableRow, ...]
    report: Report | None = None


def find_exported_label(columns: Sequence[str]) -> str | None:
    """Return the column of labels of an export, of several the one of the last export."""
    names = {fold(name): name for name in columns}
    found = {
        int((match[1] or "_1")[1:]): names[f"label{match[1] or ''}"]
        for name in names
        if (match := _EXPORTED_SOURCE.fullmatch(name)) and f"label{match[1] or ''}" in names
    }
    return found[max(found)] if found else None


def open_table(path: Path, columns: Columns = Columns(), *, need_label: bool = False) -> PostTable:
    """Return how to read a file.

    Raise UserInputError when it is missing, empty or unreadable, when its encoding is uncertain, and when a column does
    not exist or cannot be recognized.
    """
    try:
        check_readable(path)
        table, sample = detect_table(path, columns)
    except PermissionError as error:
        message = _("Cannot read {path}: permission denied.")
        raise UserInputError(message.format(path=path)) from error
    except OSError as error:
        raise cannot_read(path, error) from error
    names = tuple(sample)
    text = _requested(table, names, columns.text, "--column") or _guess_text(table, sample)
    if (constant := dict(columns.label_of).get(str(path.absolute()))) is not None:
        return PostTable(table, names, text, None, columns.max_bad_rows, constant)
    label = _requested(table, names, columns.label, "--label-column")
    others: list[str] = []
    if label is None and (label := roles.guess_label(sample, text, table.is_named)) is not None:
        _check_twins(table, names, label, "--label-column")
        others = roles.find_other_labels(sample, label)
        if need_label and not all(roles.is_better_label(label, other) for other in others):
            message = _("{path}: several columns contain labels. Choose one with --label-column: {columns}.")
            raise UserInputError(message.format(path=path, columns=join_names([label, *others])))
    if label == text:
        message = _("{path}: column {name} cannot be both text and label.")
        raise UserInputError(message.format(path=path, name=text))
    if label is None and need_label:
        message = _("{path}: label column not detected. Choose it with --label-column. Columns: {columns}.")
        raise UserInputError(message.format(path=path, columns=_listed(table, sample)))
    return PostTable(table, names, text, label, columns.max_bad_rows, other_labels=tuple(others))


def _guess_text(table: Table, sample: Mapping[str, Sequence[Any]]) -> str:
    """Return the column of posts. Raise UserInputError for none, or several."""
    text = roles.guess_text(sample)
    if text is None:
        message = _("{path}: text column not detected. Choose it with --column. Columns: {columns}.")
        raise UserInputError(message.format(path=table.path, columns=_listed(table, sample)))
    _check_twins(table, tuple(sample), text, "--column")
    if others := roles.find_other_posts(sample, text):
        message = _("{path}: several columns contain posts. Choose one with --column: {columns}.")
        raise UserInputError(message.format(path=table.path, columns=join_names([text, *others])))
    return text


def read_rows(source: PostTable, report: Report | None = None) -> Iterator[TableRow]:
    """Yield every row of the file in order, and add up what was read in `report`.

    Raise UserInputError at the end where too many rows cannot be read.
    """
    report = Report() if report is None else report
    label_source, is_escaped = source.label_source, source.is_escaped
    has_source = source.label_column is not None and _EXPORTED_LABEL.fullmatch(fold(source.label_column)) is not None
    has_source = has_source and (label_source is not None or not source.table.is_grid)
    for number, values in enumerate(read_values(source, report), start=1):
        label = source.label if source.label_column is None else _label(values.get(source.label_column))
        predicted = has_source and fold(str(values.get(label_source or source._label_source))) == "model"
        text = post_text(source, number, values.get(source.text_column))
        if is_escaped:
            text, label = unescape_formula(text), label and unescape_formula(label)
        yield TableRow(number, values, text, "" if predicted else label, predicted)
    report.check(source.path, source.max_bad_rows)


def _label(cell: Any) -> str:
    return normalize_label(single(cell)) if isinstance(cell, list | dict) else _word(cell)


@lru_cache(1000)
def _word(cell: Any) -> str:
    return normalize_label(cell)


def post_text(source: PostTable, number: int, value: Any) -> str:
    """Return the text of the cell of row `number`, at most MAX_POST_LENGTH characters. Raise UserInputError for no
    text."""
    if isinstance(value, str):
        return value[:MAX_POST_LENGTH]
    if value is None or (isinstance(value, float) and isnan(value)):  # pandas' empty cell
        return ""
    if isinstance(value, (list, dict, bytes)):
        message = _("{path}, row {row}: column {column} contains no text. Choose another column with --column.")
        raise UserInputError(message.format(path=source.path, row=number, column=source.text_column))
    return str(value)


def preview_table(path: Path, columns: Columns = Columns(), limit: int = 5) -> Preview:
    """Return how a file will be read, and its first `limit` rows. Raise the errors of `open_table` and `read_rows`."""
    source, report = open_table(path, columns), Report()
    rows = list(islice(read_rows(source, report), limit + 1))
    return Preview(source, tuple(rows[:limit]), report if len(rows) <= limit else None)


def count_rows(source: PostTable, report: Report | None = None) -> Generator[Progress, None, int]:
    """Return the number of rows of `read_rows`."""
    report = Report() if report is None else report
    if source.format in ("parquet", "feather"):
        report.rows = read_schema(source.table)[1]
        return report.rows
    for _record in read_grid(source, report) if source.table.is_grid else _objects(source, report):
        if report.rows % _STEP == 0:
            yield Progress("counting", report.rows)
    report.check(source.path, source.max_bad_rows)
    return report.rows


def _objects(source: PostTable, report: Report) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON file, and collect their keys."""
    for _line, _text, values in read_objects(source.table, report, source.text_column):
        if not values.keys() <= report.keys.keys():
            report.keys |= dict.fromkeys(values)
            check_number_of_columns(source.path, report.keys)
        yield values


def find_bad_rows(path: Path, columns: Columns = Columns()) -> list[BadRow]:
    """Return the rows of a file that cannot be read, at most the first thousands."""
    report = Report()
    drain(count_rows(open_table(path, replace(columns, max_bad_rows=1.0)), report))
    return report.bad


def read_grid(source: PostTable, report: Report) -> Iterator[Cells]:
    """Yield the rows of a table of cells, each with a cell for each column."""
    needed = 0 if source.format == "xlsx" else source.needed  # a sheet has no empty cells at a row's end
    text = source.columns.index(source.text_column)
    return arrange(read_records(source.table, report), source.table, report, needed, text)


def read_values(source: PostTable, report: Report) -> Iterator[dict[str, Any]]:
    """Yield the cells of each row by column."""
    if source.table.is_grid:
        for _line, row in read_grid(source, report):
            yield dict(zip(source.columns, row, strict=True))
    elif source.format in ("json", "jsonl"):
        for _line, _text, values in read_objects(source.table, report, source.text_column):
            yield values
    else:
        for batch in read_batches(source.table):
            report.rows += len(batch)
            yield from to_python(source.table, batch)


def _check_twins(table: Table, names: Sequence[str], name: str, option: str) -> None:
    """Raise UserInputError where several columns have this name, in any case."""
    written = table.layout.header or names
    if len(twins := [one for one in written if fold(one) == fold(name)]) > 1:
        message = _("{path} has two columns named {name}. Choose one by its number with {option}.")
        raise UserInputError(message.format(path=table.path, name=repr(truncate(twins[1].strip())), option=option))


def _requested(table: Table, names: Sequence[str], requested: str | None, option: str) -> str | None:
    """Return the column of this name or number (from 1). Raise UserInputError where it does not exist.

    Case does not matter, unless two columns differ in nothing else.
    """
    if requested is None or (requested in names and table.layout.header.count(requested) < 2):
        return requested
    matches = [name for name in names if fold(name) == fold(requested)]
    if matches:
        _check_twins(table, names, requested, option)
        return matches[0]
    if requested.isdecimal() and 0 < int(requested[:6]) <= len(names):
        return names[int(requested[:6]) - 1]
    message = _("{path} has no column {name}. Choose one with {option}. Columns: {columns}.")
    there = join_names(names, _MAX_COLUMNS_IN_MESSAGE)
    raise UserInputError(message.format(path=table.path, name=truncate(requested), option=option, columns=there))


def _listed(table: Table, sample: Mapping[str, Sequence[Any]]) -> str:
    """Return the columns for a message. Those without names are shown with their first cell."""
    shown = [
        name if table.is_named else f"{name} ({truncate(str(next(iter(cells), '')))})" for name, cells in sample.items()
    ]
    return join_names(shown, _MAX_COLUMNS_IN_MESSAGE)
