"""Copies of a table with columns added. Its own cells, order, format and encoding stay as they are."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias, TypeVar

from weibo_tui.atomic import check_output, open_output
from weibo_tui.datasets.parsers import BATCH, chunks, open_parquet, read_batches, read_cells, read_objects, to_python
from weibo_tui.datasets.reading import PostTable, post_text
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.text.spreadsheet import escape_formula, header_quoting

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")

Added = Mapping[str, type[str] | type[float]]
"""The columns to add, in order, and their types. Any value may also be None."""

T = TypeVar("T")
Predict: TypeAlias = Callable[[Sequence[str]], Generator[T, None, Sequence[Mapping[str, Any]]]]
"""Function from posts to predictions, each a value by column. A missing column stays empty."""


def check_added_columns(source: PostTable, out: Path, added: Iterable[str]) -> None:
    """Raise UserInputError when `out` is the source or no regular file, or the source has a column of an added name."""
    check_output(out, overwrite=True, inputs=[source.path])
    existing = [name for name in added if name in source.columns]
    if existing:
        message = _("{path} has columns named {columns} already. Rename them first.")
        raise UserInputError(message.format(path=source.path, columns=join_list(existing)))


def write_labeled(
    source: PostTable,
    out: Path,
    predict: Predict[T],
    added: Added,
    *,
    overwrite: bool = False,
    rows: int = BATCH,
    finish: Callable[[Path], None] = lambda _path: None,
) -> Iterator[T]:
    """Write every row of `source` to `out`, and after its cells the values of its prediction.

    `predict` gets the posts of the next `rows` rows or fewer, and returns a prediction for each, so that cells and
    predictions come from one reading. What it yields is yielded here. In CSV and TSV, numbers have at most six
    significant digits, and formulas are escaped. `out` appears when the last row is written, and not at all when the
    generator fails or is closed before. `finish` gets the path of the complete file just before it takes the place of
    `out`. Raise ValueError for more or fewer predictions than posts.
    """
    check_added_columns(source, out, added)
    with open_output(out, "wb", overwrite=overwrite) as file:
        if source.format == "parquet":
            yield from _write_batches(source, file, predict, added)
        else:
            yield from _write_text(source, file, predict, added, rows)
        file.flush()
        finish(Path(file.name))


def _write_text(source: PostTable, file: IO[bytes], predict: Predict[T], added: Added, rows: int) -> Iterator[T]:
    encoding = source.table.encoding
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
    # With CR LF as terminator the writer quotes a cell with either in it (before Python 3.13 it looks for the
    # terminator only). Each line then gets the line end of the file.
    table = source.table
    line = io.StringIO()

    # Every cell is quoted, so that no spreadsheet splits it.
    def write(row: list[str], quoting: Literal[0, 1] = csv.QUOTE_ALL) -> None:
        line.seek(0)
        line.truncate()
        csv.writer(line, delimiter=table.delimiter, lineterminator="\r\n", quoting=quoting).writerow(row)
        stream.write(line.getvalue()[:-2] + table.newline)

    records = read_cells(table)
    header = [*next(records), *added]
    write(header, header_quoting(header))
    text, done = source.columns.index(source.text_column), 0
    for chunk in chunks(records, rows, lambda row: sum(map(len, row))):
        posts = [post_text(source, number, row[text]) for number, row in enumerate(chunk, done + 1)]
        predictions = yield from predict(posts)
        for row, prediction in zip(chunk, predictions, strict=True):
            write(row + [_cell(prediction.get(name)) for name in added])
        done += len(chunk)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return format(value, ".6g")
    text = "" if value is None else str(value)
    # A label may be a number too, and a spreadsheet does not compute with -1.
    return text if _NUMBER.fullmatch(text) else escape_formula(text)


def _write_lines(source: PostTable, stream: IO[str], predict: Predict[T], added: Added, rows: int) -> Iterator[T]:
    table, done = source.table, 0
    escape = not table.encoding.holds_everything
    for chunk in chunks(read_objects(table), rows, lambda record: len(record[0])):
        for number, (_line, value) in enumerate(chunk, done + 1):
            existing = [name for name in added if name in value]
            if existing:
                message = _("{path}, row {row}: these columns exist already: {columns}. Rename them first.")
                raise UserInputError(message.format(path=table.path, row=number, columns=join_list(existing)))
        texts = [value.get(source.text_column) for _line, value in chunk]
        posts = [post_text(source, number, text) for number, text in enumerate(texts, done + 1)]
        predictions = yield from predict(posts)
        for (line, value), prediction in zip(chunk, predictions, strict=True):
            extra = json.dumps({name: prediction.get(name) for name in added}, ensure_ascii=escape)
            # The text of the object stays as it is, so that numbers and escapes keep their form.
            stream.write(line[:-1].rstrip() + (", " if value else "") + extra[1:] + table.newline)
        done += len(chunk)


def _write_batches(source: PostTable, file: IO[bytes], predict: Predict[T], added: Added) -> Iterator[T]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_parquet(source.path) as opened:
        schema: pa.Schema = opened.schema_arrow
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
