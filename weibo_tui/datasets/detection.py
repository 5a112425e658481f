"""Detection of how a file is written, from its first bytes and rows."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from weibo_tui.datasets.arrow_files import read_batches, read_schema, to_python
from weibo_tui.datasets.columns import find_role
from weibo_tui.datasets.containers import DataFile, find_other_tables, open_container
from weibo_tui.datasets.dialects import (
    SAMPLE,
    Sample,
    detect_dialect,
    detect_layout,
    detect_newline,
    find_label_form,
    has_plain_quotes,
)
from weibo_tui.datasets.encodings import detect_encoding
from weibo_tui.datasets.json_files import json_format, read_objects
from weibo_tui.datasets.mojibake import find_mojibake
from weibo_tui.datasets.parsers import Cells, open_lines, read_cells
from weibo_tui.datasets.rows import arrange
from weibo_tui.datasets.sheet_xml import FORMULAS
from weibo_tui.datasets.tables import MAX_COLUMNS, Columns, Dialect, EmptyTableError, Layout, Report, Table
from weibo_tui.datasets.workbooks import empty_sheet_error, find_sheet, read_sheet
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.part_folders import count_missing_parts, list_parts
from weibo_tui.text.terminal import truncate

_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
_MAX_SCANNED = 2**23  # characters
_MAX_NAME = 20  # characters
_MAX_OTHERS = 5  # names in a message
_SAMPLE_ROWS = 1000  # that tell the columns


def check_readable(path: Path) -> None:
    if path.is_dir():
        _check_folder(path)
        return
    if not path.exists():
        raise UserInputError(_("File not found: {path}. Check the name.").format(path=path))
    if not path.is_file():
        message = _("{path} is not a regular file, but must be read more than once. Save it as a file first.")
        raise UserInputError(message.format(path=path))
    if path.stat().st_size == 0:
        raise EmptyTableError(_("{path} is empty.").format(path=path))


def _check_folder(path: Path) -> None:
    """Raise UserInputError for a folder that is no table of Parquet parts."""
    if not list_parts(path):
        message = _("{path} is a folder without Parquet files. Give a file, or a folder of Parquet files.")
        raise UserInputError(message.format(path=path))
    if others := find_other_tables(path):
        message = _("{path} contains not only Parquet files: {names}. Give a file, or a folder of Parquet files.")
        raise UserInputError(message.format(path=path, names=join_names(others, _MAX_OTHERS)))


def check_number_of_columns(path: Path, columns: Collection[str]) -> None:
    """Raise UserInputError for more columns than a table of posts has."""
    if len(columns) > MAX_COLUMNS:
        message = _("{path} has more than {limit} columns. Is it a table of posts?")
        raise UserInputError(message.format(path=path, limit=MAX_COLUMNS))


def detect_table(path: Path, columns: Columns) -> tuple[Table, Mapping[str, Sequence[Any]]]:
    """Return how a file is written, and the first cells of each column. Raise UserInputError for one without rows."""
    table = _detect_folder(path) if path.is_dir() else _detect_file(path, columns)
    if columns.sheet is not None and table.format != "xlsx":
        raise UserInputError(_("{path} has no sheets. Leave --sheet out.").format(path=path))
    report = Report()
    sample = _sample(table, report)
    if sum(map(len, sample.values())) == 0:
        report.check(path, 0.0)
        raise EmptyTableError(_("{path} has no rows.").format(path=path))
    check_number_of_columns(path, sample)
    if table.format in ("json", "jsonl") and all(map(str.isdecimal, sample)):  # lists without a header
        table = replace(table, layout=Layout(tuple(sample)))
    return table, sample


def _detect_folder(path: Path) -> Table:
    return Table(DataFile(path), "parquet", parts=tuple(list_parts(path)), missing_parts=count_missing_parts(path))


def _detect_file(path: Path, columns: Columns) -> Table:
    data = open_container(path)
    with data.open() as file:
        head = file.read(8)
    if head[:4] == b"PAR1" or (data.suffix in (".parquet", ".pq") and not head.isascii()):
        return Table(data, "parquet")
    if head[:6] == b"ARROW1":
        return Table(data, "feather")
    if head[:4] == b"PK\x03\x04":
        return _detect_sheet(data, columns)
    return _detect_text(data, columns)


def _detect_text(data: DataFile, columns: Columns) -> Table:
    encoding = detect_encoding(data, columns.encoding)
    with open_lines(data, encoding) as lines:
        sample = Sample(data, encoding, lines.read_block(SAMPLE))
    _check_text(sample, columns)
    json = json_format(sample.text) or ("jsonl" if data.suffix in _JSON_SUFFIXES else None)
    if json is not None:
        return Table(data, json, encoding, Dialect(newline=detect_newline(sample.text)))
    format_, dialect = detect_dialect(sample)
    rows = sample.rows(dialect, Layout())[0]
    if format_ == "fasttext":
        return Table(data, format_, encoding, dialect, Layout(("label", "text")))
    if format_ == "txt" and not columns.header and (form := find_label_form([row[0] for row in rows])):
        return Table(data, "lines", encoding, dialect, Layout(("label", "text"), forms=((0, form),)))
    layout = detect_layout(rows, columns.header, format_ == "txt")
    if format_ == "tsv" and dialect.quotes:
        # Many programs write TSV without quoting, and few posts have quotes, so that the first rows may have none.
        with open_lines(data, encoding) as lines:
            quoted = (line for line in lines.first(_MAX_SCANNED) if '"' in line)
            dialect = replace(dialect, quotes=not has_plain_quotes(quoted, dialect.delimiter, len(layout.names)))
    return Table(data, format_, encoding, dialect, layout)


def _check_text(sample: Sample, columns: Columns) -> None:
    """Raise UserInputError for text that is unreadable."""
    if (found := find_mojibake(io.StringIO(sample.text))) is None:
        return
    message = _(
        "{path}, line {line}: {right} text was opened as {wrong} and saved, so that it is unreadable ({text}). Export "
        "it again from the original."
    )
    if not found.right:
        message = _("{path}, line {line}: characters were lost ({text}). Export the file again from the original.")
    elif columns.encoding is not None and sample.encoding.codec != "utf-8":
        message = _("{path}, line {line}: the file is {right}, not {wrong} ({text}). Choose it with --encoding.")
    raise UserInputError(message.format(path=sample.data.path, **found._asdict()))


def _detect_sheet(data: DataFile, columns: Columns) -> Table:
    name, names = find_sheet(data, columns.sheet)
    table, report = Table(data, "xlsx", sheet=name, num_sheets=len(names)), Report()
    rows = [row for _number, row in islice(read_sheet(table, report), _SAMPLE_ROWS)]
    if len(names) > 1 and len(rows) < (2 if columns.sheet is None else 1):  # a cover, or an empty sheet
        raise empty_sheet_error(data, name, names)
    if not rows and report.notes[FORMULAS]:
        message = _("{path}: the formulas of sheet {name} have no values. Open it in Excel, and save it again.")
        raise UserInputError(message.format(path=data.path, name=truncate(name)))
    widest = max(map(len, rows), default=0)
    # A sheet has no row ends: its rows are as long as the longest.
    rows = [[*row, *[""] * (widest - len(row))] for row in rows]
    layout = detect_layout(rows, columns.header)
    start = layout.titles + 1
    if layout.header and len(rows) > start and _are_names(rows[start]):  # below a header of groups
        groups = [*layout.header, *[""] * widest]
        names = [name or group for name, group in zip(rows[start], groups, strict=False)]
        layout = replace(detect_layout([names, *rows[start + 1 :]], has_header=True), titles=start)
    return replace(table, layout=layout)


def _are_names(row: Sequence[str]) -> bool:
    """Return whether a row below a header names the columns too, the posts among them."""
    names = [cell for cell in row if cell]
    return len(set(names)) == len(names) > 1 and max(map(len, names)) <= _MAX_NAME and bool(find_role(names, "text"))


def _sample(table: Table, report: Report) -> dict[str, list[Any]]:
    """Return the first cells of each column."""
    if table.is_grid:
        names = table.layout.names
        rows = islice(arrange(read_records(table, report), table, report), _SAMPLE_ROWS)
        cells = list(zip(*(row for _line, row in rows), strict=True))
        return {name: list(cells[at]) if cells else [] for at, name in enumerate(names)}
    if table.format in ("json", "jsonl"):
        keys: dict[str, list[Any]] = {}
        for _line, _text, record in islice(read_objects(table, report), _SAMPLE_ROWS):
            for name, value in record.items():
                keys.setdefault(name, []).append(value)
            if len(keys) > MAX_COLUMNS:
                break
        return keys
    batch = next(read_batches(table), None)
    names = read_schema(table)[0].names
    if batch is None:
        return {name: [] for name in names}
    return {name: to_python(table, batch.column(at))[:_SAMPLE_ROWS] for at, name in enumerate(names)}


def read_records(table: Table, report: Report) -> Iterator[Cells]:
    """Yield the records of a table of cells."""
    return read_sheet(table, report) if table.format == "xlsx" else read_cells(table, report)
