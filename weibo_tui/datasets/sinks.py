"""Writers of tables in the formats of `--out`."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.text.spreadsheet import header_quoting

OutputFormat = Literal["csv", "tsv", "jsonl", "parquet", "xlsx"]
OUTPUT_SUFFIXES: dict[str, OutputFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".tab": "tsv",
    ".ndjson": "jsonl",
    ".pq": "parquet",
}
BOM = codecs.BOM_UTF8
MAX_SHEET_ROWS = 2**20
"""Rows of an Excel sheet, its header too."""

_MAX_SHEET_CELL = 32_767  # characters
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PARQUET_ROWS = 10_000  # that are written at once

Write: TypeAlias = Callable[[Mapping[str, Any]], None]


def default_output(source: Path) -> Path:
    """Return the path of a labeled copy next to the source, in its format if that can be written."""
    plain = source.with_suffix("") if source.suffix.lower() in (".gz", ".xz", ".zip") else source
    suffix = {".json": ".jsonl"}.get(plain.suffix.lower(), plain.suffix)
    return plain.with_name(f"{plain.stem}.labeled{suffix if suffix.lower() in OUTPUT_SUFFIXES else '.csv'}")


@contextmanager
def open_sink(format_: OutputFormat, file: IO[bytes], types: Mapping[str, type], bom: bool) -> Iterator[Write]:
    """Give a function that writes one row, its values by column. The file is complete at the end of the block."""
    sink = {"csv": _delimited, "tsv": _delimited, "jsonl": _lines, "parquet": _parquet, "xlsx": _workbook}[format_]
    if format_ == "csv" and bom:
        file.write(BOM)
    options = {"delimiter": "\t" if format_ == "tsv" else ","} if sink is _delimited else {}
    with sink(file, types, **options) as write:  # type: ignore[operator]
        yield write


def as_text(value: Any) -> str:
    """Return a value as the text of a cell; lists and objects are JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | bool) else str(value)


@contextmanager
def _text(file: IO[bytes]) -> Iterator[IO[str]]:
    stream = io.TextIOWrapper(file, "utf-8", errors="replace", newline="")
    try:
        yield stream
    finally:
        stream.detach()


@contextmanager
def _delimited(file: IO[bytes], types: Mapping[str, type], delimiter: str) -> Iterator[Write]:
    names = list(types)
    with _text(file) as stream:
        header = csv.writer(stream, delimiter=delimiter, quoting=header_quoting(names))
        header.writerow(names)
        writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)  # so that no spreadsheet splits a cell
        yield lambda values: writer.writerow([as_text(values.get(name)) for name in names])


@contextmanager
def _lines(file: IO[bytes], _types: Mapping[str, type]) -> Iterator[Write]:
    def write(values: Mapping[str, Any]) -> None:
        stream.write(json.dumps(values, ensure_ascii=False, default=str) + "\n")

    with _text(file) as stream:
        yield write


@contextmanager
def _parquet(file: IO[bytes], types: Mapping[str, type]) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.float64() if kind is float else pa.string()) for name, kind in types.items()])
    waiting: list[dict[str, Any]] = []

    def flush() -> None:
        writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
        waiting.clear()

    def write(values: Mapping[str, Any]) -> None:
        row = {name: values.get(name) for name in types}
        waiting.append(
            {name: value if value is None or types[name] is float else _valid(value) for name, value in row.items()}
        )
        if len(waiting) == _PARQUET_ROWS:
            flush()

    with pq.ParquetWriter(file, schema) as writer:
        yield write
        flush()


def _valid(value: Any) -> str:
    return as_text(value).encode("utf-8", "replace").decode()


@contextmanager
def _workbook(file: IO[bytes], types: Mapping[str, type]) -> Iterator[Write]:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("posts")

    def cell(value: Any) -> Any:
        if value is None or isinstance(value, float):
            return value
        # As text, a formula is not computed, and an id keeps all its digits.
        text = WriteOnlyCell(sheet, _NOT_IN_XML.sub("", as_text(value))[:_MAX_SHEET_CELL])
        text.data_type = "s"
        return text

    sheet.append([cell(name) for name in types])
    yield lambda values: sheet.append([cell(values.get(name)) for name in types])
    workbook.save(file)


def check_sheet_rows(rows: int) -> None:
    """Raise UserInputError for more rows than an Excel sheet holds."""
    if rows >= MAX_SHEET_ROWS:
        message = _("An Excel file holds {limit} rows, and there are {rows}. Write a .csv or .parquet file.")
        raise UserInputError(message.format(limit=f"{MAX_SHEET_ROWS - 1:,}", rows=f"{rows:,}"))
