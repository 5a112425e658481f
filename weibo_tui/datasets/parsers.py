"""Parsers of table files: cells of CSV and TSV, lines of JSON, batches of Parquet.

All of them stream. They raise UserInputError, with the file and the line, for what cannot be read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from weibo_tui.datasets.encodings import Encoding, first_bad_line
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import truncate

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

Format = Literal["csv", "tsv", "jsonl", "parquet"]

MAX_CELL = 10_000_000  # characters; a larger cell is a quote that was never closed
MAX_RECORD = 16_000_000  # characters of all cells of a row, or of an object
MAX_COLUMNS = 10_000
BATCH = 2048
MAX_BATCH = 2**24  # bytes of texts that are decoded at once
MAX_CHUNK = 2**22  # characters of the records in a chunk
_MAX_FIXED = 2**16  # bytes of a value in a Parquet column of values of one length


@dataclass(frozen=True, slots=True)
class Table:
    """A file of records, and how it is written."""

    path: Path
    format: Format
    encoding: Encoding
    delimiter: str = ","
    newline: str = "\n"


class _Lines:
    """Iterator over the lines of a stream, `ended` after the last. The lines of one record have at most MAX_RECORD
    characters."""

    def __init__(self, path: Path, stream: io.TextIOWrapper) -> None:
        self.path = path
        self.stream = stream
        self.number = 0
        self.ended = False
        self._left = MAX_RECORD

    def begin_record(self) -> None:
        self._left = MAX_RECORD

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.stream.readline(self._left + 1)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        self._left -= len(line)
        if self._left < 0:
            message = _("{path}, line {line}: the row has more than {limit} characters. Is it a table of posts?")
            raise UserInputError(message.format(path=self.path, line=self.number, limit=MAX_RECORD))
        return line


@contextmanager
def open_lines(path: Path, encoding: Encoding, newline: str | None) -> Iterator[_Lines]:
    """Open a file for reading its decoded lines, after its byte order mark. Raise UserInputError where they do not
    decode."""
    try:
        with path.open("rb") as file:
            file.seek(len(encoding.mark))
            yield _Lines(path, io.TextIOWrapper(file, encoding=encoding.codec, newline=newline))
    except UnicodeError as error:
        message = _("{path}, line {line}: not {encoding}. Name the file's encoding with --encoding.")
        line = first_bad_line(path, encoding)
        raise UserInputError(message.format(path=path, line=line, encoding=encoding.name)) from error


def read_cells(table: Table) -> Iterator[list[str]]:
    """Yield the rows of a CSV or TSV file, the header first, all of its length, without blank lines."""
    csv.field_size_limit(MAX_CELL)
    with open_lines(table.path, table.encoding, newline="") as lines:
        reader = csv.reader(lines, delimiter=table.delimiter)
        columns = 0
        while True:
            start = reader.line_num + 1
            lines.begin_record()
            try:
                row = next(reader, None)
            except csv.Error as error:
                message = _("{path}, line {line}: a cell cannot be read ({reason}). Is a quote left open?")
                raise UserInputError(message.format(path=table.path, line=start, reason=error)) from error
            if row is None:
                return
            if lines.ended:  # csv asked for one more line inside a cell
                message = _("{path}, line {line}: a quote opens here and never closes. Close it or double it.")
                raise UserInputError(message.format(path=table.path, line=start))
            if not row:
                continue
            columns = columns or len(row)
            if len(row) != columns:
                message = _(
                    "{path}, line {line}: {found} cells, but the header has {expected}. Put quotes around "
                    "cells that contain the delimiter."
                )
                raise UserInputError(message.format(path=table.path, line=start, found=len(row), expected=columns))
            yield row


def read_objects(table: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each line of a JSONL file, stripped, and its object, without blank lines."""
    with open_lines(table.path, table.encoding, newline=None) as lines:
        for line in lines:
            lines.begin_record()
            text = line.strip()
            if not text:
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                message = _("{path}, line {line}: not JSON ({reason}). Each line must be one JSON object.")
                raise UserInputError(message.format(path=table.path, line=lines.number, reason=error)) from error
            if not isinstance(value, dict):
                message = _("{path}, line {line}: not a JSON object. Each line must be one, like {example}.")
                example = '{"text": "…", "label": 1}'
                raise UserInputError(message.format(path=table.path, line=lines.number, example=example))
            yield text, value


def chunks(records: Iterable[T], rows: int, length: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield lists of `rows` records, or of fewer where their `length` in characters is large."""
    chunk: list[T] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += length(record)
        if len(chunk) == rows or size >= MAX_CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def to_python(table: Table, values: pa.RecordBatch | pa.Array) -> list[Any]:
    """Return a batch or a column as Python values. Raise UserInputError for texts that do not decode."""
    try:
        result: list[Any] = values.to_pylist()
    except UnicodeDecodeError as error:
        message = _("Cannot read {path} as Parquet ({reason}). Write it again, or check its name.")
        raise UserInputError(message.format(path=table.path, reason=error)) from error
    return result


def read_batches(table: Table) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file, BATCH at a time, or fewer where their texts are long."""
    with open_parquet(table.path) as file:
        schema = file.schema_arrow
        missing = file.metadata.num_rows
        # Read as dictionaries, as in the file: it may hold a large text of many rows only once.
        texts = [column.path for column in file.schema if column.physical_type == "BYTE_ARRAY"]
    with open_parquet(table.path, [name for name in texts if name in schema.names]) as file:
        for batch in file.iter_batches(batch_size=BATCH):
            missing -= len(batch)
            yield from _decode_texts(table.path, batch, schema)
        if missing:  # the library says nothing where the metadata are wrong
            message = _("{path} has fewer or more rows than its header says. Write it again.")
            raise UserInputError(message.format(path=table.path))


def _decode_texts(path: Path, batch: pa.RecordBatch, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield a batch with texts in place of dictionary indices, in parts that fit into memory."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    total = np.zeros(len(batch), np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
            lengths = pc.binary_length(column.dictionary).take(column.indices)
            total += lengths.fill_null(0).to_numpy(zero_copy_only=False)
    if total.max(initial=0) > 4 * MAX_RECORD:  # bytes
        message = _("{path}: a row has more than {limit} characters. Is it a table of posts?")
        raise UserInputError(message.format(path=path, limit=MAX_RECORD))
    part = total.cumsum() // MAX_BATCH
    starts = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(batch)]
    for start, end in pairwise(starts):
        rows = batch.slice(start, end - start)
        columns = [
            column if column.type == field.type else column.cast(field.type)
            for column, field in zip(rows.columns, schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _is_text(data_type: pa.DataType) -> bool:
    from pyarrow import types

    return any(is_kind(data_type) for is_kind in (types.is_string, types.is_large_string, types.is_binary))


@contextmanager
def open_parquet(path: Path, dictionaries: Sequence[str] = ()) -> Iterator[Any]:
    """Open a `pyarrow.parquet.ParquetFile`, with the columns `dictionaries` as such.

    Raise UserInputError for a damaged file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, read_dictionary=list(dictionaries)) as file:
            if any((column.length or 0) > _MAX_FIXED for column in file.schema):
                raise pa.ArrowInvalid(_("its values are too large"))
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        message = _("Cannot read {path} as Parquet ({reason}). Write it again, or check its name.")
        raise UserInputError(message.format(path=path, reason=truncate(str(error).partition("\n")[0], 200))) from error
