"""Writers of tables in the formats of `--out`."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from math import isfinite
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias
from xml.sax.saxutils import escape

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
MAX_SHEET_CELL = 32_767
"""Characters (UTF-16) of an Excel cell."""

# Characters that XML does not hold, and `_` before what would be read as the escape of one.
_BAD = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_NOT_IN_XML = re.compile(f"[{_BAD}]|_(?=x[0-9A-Fa-f]{{4}}[_{_BAD}])")
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_WORKBOOK = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="posts" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
_PARQUET_ROWS = 10_000  # that are written at once

Write: TypeAlias = Callable[[Mapping[str, Any]], None]


def default_output(source: Path) -> Path:
    """Return the path of a labeled copy next to the source: a Parquet file for a folder of Parquet parts."""
    if os.path.isdir(source):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
        return source.with_name(f"{source.name}.labeled.parquet")
    return labeled_copy(source)


def labeled_copy(source: Path) -> Path:
    """Return the path of a labeled copy next to a source file, in its format if that can be written."""
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
            {name: value if value is None or types[name] is float else valid_text(value) for name, value in row.items()}
        )
        if len(waiting) == _PARQUET_ROWS:
            flush()

    with pq.ParquetWriter(file, schema) as writer:
        yield write
        flush()


def valid_text(value: Any) -> str:
    """Return a value as a text that can be encoded in UTF-8, which Parquet needs."""
    return as_text(value).encode("utf-8", "replace").decode()


@contextmanager
def _workbook(file: IO[bytes], types: Mapping[str, type]) -> Iterator[Write]:
    from openpyxl.utils import get_column_letter

    letters = [get_column_letter(number) for number in range(1, len(types) + 1)]
    rows = count(1)

    def write_row(values: Iterable[Any]) -> None:
        row = next(rows)
        cells = [_sheet_cell(f"{at}{row}", value) for at, value in zip(letters, values, strict=True)]
        stream.write(f'<row r="{row}">{"".join(cells)}</row>')

    # A sheet of unknown size would need an extension of zip that not every program reads.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, tempfile.TemporaryFile() as sheet:
        for name, text in _WORKBOOK.items():
            archive.writestr(name, _XML + text)
        with _text(sheet) as stream:
            stream.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>')
            write_row(types)
            yield lambda values: write_row(map(values.get, types))
            stream.write("</sheetData></worksheet>")
        member = zipfile.ZipInfo("xl/worksheets/sheet1.xml")
        member.compress_type = zipfile.ZIP_DEFLATED
        member.file_size = sheet.tell()
        sheet.seek(0)
        with archive.open(member, "w") as target:
            shutil.copyfileobj(sheet, target)


def _sheet_cell(place: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and isfinite(value):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    # As text, a formula is not computed, and an id keeps all its digits.
    text = _NOT_IN_XML.sub(lambda match: f"_x{ord(match[0]):04X}_", as_text(value))
    text = escape(text, {"\r": "&#13;"})  # a parser reads the character itself as \n
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def fits_sheet(text: str) -> bool:
    """Return whether an Excel cell holds the text."""
    return 2 * len(text) <= MAX_SHEET_CELL or len(text.encode("utf-16-le", "surrogatepass")) <= 2 * MAX_SHEET_CELL
