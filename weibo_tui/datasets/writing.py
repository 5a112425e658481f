"""Copies of a table with columns added, in its own format or another.

In its own format, the cells, their order and the form of the file stay as they are.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias, TypeVar, get_args

from weibo_tui.atomic import check_output, open_output
from weibo_tui.datasets.arrow_files import BATCH, read_batches, read_schema, to_python
from weibo_tui.datasets.encodings import Encoding
from weibo_tui.datasets.json_files import read_objects
from weibo_tui.datasets.reading import PostTable, find_bad_rows, post_text, read_grid, read_values
from weibo_tui.datasets.sheet_xml import MAX_SHEET_ROWS
from weibo_tui.datasets.sinks import (
    BOM,
    MAX_SHEET_CELL,
    OUTPUT_SUFFIXES,
    OutputFormat,
    as_text,
    fits_sheet,
    open_sink,
)
from weibo_tui.datasets.tables import Columns, Dialect, Report, chunks
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.progress import Progress
from weibo_tui.text.spreadsheet import escape_formula, header_quoting
from weibo_tui.text.terminal import truncate

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_BREAKS = re.compile(r"[\t\r\n]+")

Added = Mapping[str, type[str] | type[float]]
"""The columns to add, in order, and their types. Any value may also be None."""

T = TypeVar("T")
Predict: TypeAlias = Callable[[Sequence[str]], Generator[T, None, Sequence[Mapping[str, Any]]]]
"""Function from posts to predictions, each a value by column. A missing column stays empty."""


def check_added_columns(source: PostTable, out: Path, added: Iterable[str]) -> None:
    """Raise UserInputError when `out` is the source, no regular file, or of an unknown format, and when the source has
    a column of an added name."""
    check_output(out, overwrite=True, inputs=[source.path])
    output_format(source, out)
    check_new_columns(source.path, source.columns, added)


def check_new_columns(path: Path | str, columns: Container[str], added: Iterable[str]) -> None:
    """Raise UserInputError where the table `path` with these columns has one of an added name."""
    existing = [name for name in added if name in columns]
    if existing:
        message = _("{path} has columns named {columns} already. Name the new ones with --prefix.")
        raise UserInputError(message.format(path=path, columns=join_list(existing)))


def output_format(source: PostTable, out: Path) -> OutputFormat:
    """Return the format of `out` by its suffix. Raise UserInputError for one that cannot be written.

    Without a suffix, or with that of the source, it is the format of the source.
    """
    suffix = out.suffix.lower()
    own = "" if source.table.parts else source.path.suffix.lower()  # a folder may have any name
    if suffix in ("", own) and source.format in get_args(OutputFormat):
        return source.format  # type: ignore[return-value]  # one of these
    return format_of_suffix(out)


def format_of_suffix(out: Path) -> OutputFormat:
    """Return the format of `out` by its suffix alone. Raise UserInputError for one that cannot be written."""
    if out.suffix.lower() not in OUTPUT_SUFFIXES:
        message = _("Cannot write {path}. Give it the ending .csv, .tsv, .jsonl, .parquet or .xlsx.")
        raise UserInputError(message.format(path=out))
    return OUTPUT_SUFFIXES[out.suffix.lower()]


def check_sheet(source: PostTable, rows: int) -> Iterator[Progress]:
    """Raise UserInputError where an Excel sheet cannot hold the rows of a table and a header."""
    check_sheet_rows(rows)
    for number, values in enumerate(read_values(source, Report()), 1):
        check_sheet_cells(source.path, number, values)
        if number % BATCH == 0:
            yield Progress("counting", number, rows)


def check_sheet_rows(rows: int) -> None:
    """Raise UserInputError for more rows than an Excel sheet holds below a header."""
    if rows >= MAX_SHEET_ROWS:
        message = _("An Excel file holds {limit} rows, and there are {rows}. Write a .csv or .parquet file.")
        raise UserInputError(message.format(limit=f"{MAX_SHEET_ROWS - 1:,}", rows=f"{rows:,}"))


def check_sheet_cells(path: Path, number: int, values: Mapping[str, Any]) -> None:
    """Raise UserInputError for a row with a text that is too long for an Excel cell."""
    for name, value in values.items():
        if not isinstance(value, float) and not fits_sheet(text := as_text(value)):
            message = _(
                "{path}, row {row}: column {column} has {number} characters, and an Excel cell holds {limit}. "
                "Write a .csv or .parquet file."
            )
            shown = {"path": path, "row": number, "column": truncate(name), "number": f"{len(text):,}"}
            raise UserInputError(message.format(**shown, limit=f"{MAX_SHEET_CELL:,}"))


def write_labeled(
    source: PostTable,
    out: Path,
    predict: Predict[T],
    added: Added,
    *,
    overwrite: bool = False,
    rows: int = BATCH,
    bom: bool | None = None,
    finish: Callable[[Path], None] = lambda _path: None,
) -> Iterator[T]:
    """Write every row of `source` to `out`, and after its cells the values of its prediction.

    `predict` gets the posts of the next `rows` rows or fewer, and returns a prediction for each, so that cells and
    predictions come from one reading. What it yields is yielded here. In CSV and TSV, added numbers have at most six
    significant digits, and formulas are escaped. A CSV has a byte order mark with `bom`; by default a copy keeps its
    own form, and a CSV from another format has one. `out` appears when the last row is written, and not at all when the
    generator fails or is closed before. `finish` gets the path of the complete file just before it takes the place of
    `out`. Raise ValueError for more or fewer predictions than posts.
    """
    check_added_columns(source, out, added)
    format_ = output_format(source, out)
    with open_output(out, "wb", overwrite=overwrite) as file:
        if format_ == "parquet" and source.format in ("parquet", "feather"):
            yield from _write_batches(source, file, predict, added)
        elif format_ == source.format and format_ != "xlsx":
            yield from _write_copy(source, file, predict, added, rows, bom)
        else:
            yield from _write_converted(source, file, format_, predict, added, rows, bom)
        file.flush()
        finish(Path(file.name))


def _write_copy(
    source: PostTable, file: IO[bytes], predict: Predict[T], added: Added, rows: int, bom: bool | None
) -> Iterator[T]:
    encoding = source.table.encoding
    if bom is not None and encoding.codec == "utf-8" and source.format == "csv":
        encoding = Encoding("utf-8", BOM if bom else b"")
    file.write(encoding.mark)
    stream = io.TextIOWrapper(file, encoding.codec, newline="")
    write = _write_lines if source.format == "jsonl" else _write_cells
    try:
        yield from write(source, stream, predict, added, rows)
    except UnicodeEncodeError as error:
        message = _("{path}: its encoding, {encoding}, cannot represent {text}. Save the file as UTF-8 first.")
        bad = error.object[error.start : error.end]
        raise UserInputError(message.format(path=source.path, encoding=encoding.name, text=bad)) from error
    finally:
        stream.detach()


def _write_cells(source: PostTable, stream: IO[str], predict: Predict[T], added: Added, rows: int) -> Iterator[T]:
    write = _cell_writer(source.table.dialect, stream)
    header = [*(source.table.layout.header or source.columns), *added]
    write(header, header_quoting(header))
    text, done = source.columns.index(source.text_column), 0
    for chunk in chunks(read_grid(source, Report()), rows, lambda record: sum(map(len, record[1]))):
        posts = [post_text(source, number, row[text]) for number, (_line, row) in enumerate(chunk, done + 1)]
        predictions = yield from predict(posts)
        for (_line, row), prediction in zip(chunk, predictions, strict=True):
            write(row + [added_cell(prediction.get(name)) for name in added], csv.QUOTE_ALL)
        done += len(chunk)


def _cell_writer(dialect: Dialect, stream: IO[str]) -> Callable[[list[str], Any], object]:
    """Return a function that writes a row in the dialect. Where it has quotes, every cell gets them, so that no
    spreadsheet splits it."""
    line = io.StringIO()

    # With CR LF as terminator the writer quotes a cell with either in it (before Python 3.13 it looks for the
    # terminator only). Each line then gets the line end of the file.
    def write(row: list[str], quoting: Any) -> None:
        line.seek(0)
        line.truncate()
        csv.writer(line, delimiter=dialect.delimiter, lineterminator="\r\n", quoting=quoting).writerow(row)
        stream.write(line.getvalue()[:-2] + dialect.newline)

    def write_plain(row: list[str], _quoting: Any) -> None:
        stream.write(dialect.delimiter.join(_BREAKS.sub(" ", cell) for cell in row) + dialect.newline)

    return write if dialect.quotes else write_plain


def added_cell(value: Any) -> str:
    """Return an added value as a cell of CSV or TSV, with six significant digits and without formulas."""
    if isinstance(value, float):
        return format(value, ".6g")
    text = "" if value is None else str(value)
    # A label may be a number too, and a spreadsheet does not compute with -1.
    return text if _NUMBER.fullmatch(text) else escape_formula(text)


def _write_lines(source: PostTable, stream: IO[str], predict: Predict[T], added: Added, rows: int) -> Iterator[T]:
    table, done = source.table, 0
    newline = table.dialect.newline
    escape = not table.encoding.holds_everything
    for chunk in chunks(read_objects(table, Report(), source.text_column), rows, lambda record: len(record[1])):
        for number, (_line, _text, value) in enumerate(chunk, done + 1):
            _check_keys(source, number, value, added)
        texts = [value.get(source.text_column) for _line, _text, value in chunk]
        posts = [post_text(source, number, text) for number, text in enumerate(texts, done + 1)]
        predictions = yield from predict(posts)
        for (_line, text, value), prediction in zip(chunk, predictions, strict=True):
            extra = json.dumps({name: prediction.get(name) for name in added}, ensure_ascii=escape)
            # The text of an object stays as it is, so that numbers and escapes keep their form.
            text = text or json.dumps(value, ensure_ascii=escape)  # noqa: PLW2901 - a list has no such text
            stream.write(text[:-1].rstrip() + (", " if value else "") + extra[1:] + newline)
        done += len(chunk)


def _check_keys(source: PostTable, number: int, value: Mapping[str, Any], added: Added) -> None:
    existing = [name for name in added if name in value]
    if existing:
        message = _("{path}, row {row}: these columns exist already: {columns}. Name the new ones with --prefix.")
        raise UserInputError(message.format(path=source.path, row=number, columns=join_list(existing)))


def _write_batches(source: PostTable, file: IO[bytes], predict: Predict[T], added: Added) -> Iterator[T]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema: pa.Schema = read_schema(source.table)[0]
    for name, kind in added.items():
        schema = schema.append(pa.field(name, pa.float64() if kind is float else pa.string()))
    done = 0
    with pq.ParquetWriter(file, schema) as writer:
        for batch in read_batches(source.table):
            texts = to_python(source.table, batch.column(source.text_column))
            posts = [post_text(source, number, text) for number, text in enumerate(texts, done + 1)]
            predictions = yield from predict(posts)
            columns = [
                pa.array([prediction.get(name) for prediction in predictions], type=schema.field(name).type)
                for name in added
            ]
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema))
            done += len(batch)


def _write_converted(
    source: PostTable,
    file: IO[bytes],
    format_: OutputFormat,
    predict: Predict[T],
    added: Added,
    rows: int,
    bom: bool | None,
) -> Iterator[T]:
    """Write the rows in another format than that of the source."""
    types: dict[str, type] = {**dict.fromkeys(source.columns, str), **added}
    is_text, done = format_ in ("csv", "tsv"), 0
    with open_sink(format_, file, types, bom is not False) as write:
        for chunk in chunks(read_values(source, Report()), rows, lambda values: sum(map(_length, values.values()))):
            for number, values in enumerate(chunk, done + 1):
                _check_keys(source, number, values, added)
            posts = [post_text(source, number, v.get(source.text_column)) for number, v in enumerate(chunk, done + 1)]
            predictions = yield from predict(posts)
            for values, prediction in zip(chunk, predictions, strict=True):
                new = {name: prediction.get(name) for name in added}
                write(values | ({name: added_cell(value) for name, value in new.items()} if is_text else new))
            done += len(chunk)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else 8


def write_bad_rows(files: Iterable[Path], columns: Columns, out: Path, overwrite: bool = False) -> int:
    """Write file, line, reason and content of the rows that cannot be read to a CSV file, and return their number."""
    paths = list(files)
    check_output(out, overwrite, paths)
    found = [(path, row) for path in paths for row in find_bad_rows(path, columns)]
    with open_output(out, "w", overwrite=overwrite, encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "reason", "content"))
        for path, row in found:
            content = escape_formula(row.content.encode("utf-8", "replace").decode())
            writer.writerow((path, row.line, row.reason, content))
    return len(found)
