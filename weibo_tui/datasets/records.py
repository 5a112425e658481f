"""The records of a table file as they stand in it: cells of CSV and TSV, lines of JSON, batches of Parquet.

All of it streams; what cannot be read is BadInput with the file and the line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from weibo_tui.datasets.encodings import Encoding, first_bad_line
from weibo_tui.errors import BadInput
from weibo_tui.locale import gettext as _

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "tsv", "jsonl", "parquet"]

MAX_CELL = 10_000_000  # characters; a larger cell is a quote that nobody closed
MAX_LINE = 4 * MAX_CELL
BATCH = 1024


@dataclass(frozen=True, slots=True)
class Table:
    """A file of records: where it is and how it is written."""

    path: Path
    format: Format
    encoding: Encoding
    delimiter: str = ","
    newline: str = "\n"


class _Lines:
    """The lines of a stream; `ended` once it is used up, and none longer than MAX_LINE."""

    def __init__(self, path: Path, stream: io.TextIOWrapper) -> None:
        self.path = path
        self.stream = stream
        self.number = 0
        self.ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.stream.readline(MAX_LINE)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        if len(line) == MAX_LINE:
            message = _("{path}, line {line}: longer than {limit} characters; is this a table of posts?")
            raise BadInput(message.format(path=self.path, line=self.number, limit=MAX_LINE))
        return line


@contextmanager
def open_lines(path: Path, encoding: Encoding, newline: str | None) -> Iterator[_Lines]:
    """The decoded lines of a file, behind its byte order mark. BadInput for bytes that do not decode."""
    try:
        with path.open("rb") as file:
            file.seek(len(encoding.mark))
            yield _Lines(path, io.TextIOWrapper(file, encoding=encoding.codec, newline=newline))
    except UnicodeDecodeError as error:
        message = _("{path}, line {line}: this is not {encoding}; name the file's encoding with --encoding.")
        line = first_bad_line(path, encoding)
        raise BadInput(message.format(path=path, line=line, encoding=encoding.name)) from error


def cells(table: Table) -> Iterator[list[str]]:
    """The rows of a CSV or TSV file, the header first, all of its length; blank lines are none."""
    csv.field_size_limit(MAX_CELL)
    with open_lines(table.path, table.encoding, newline="") as lines:
        reader = csv.reader(lines, delimiter=table.delimiter)
        columns = 0
        while True:
            begin = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                message = _("{path}, line {line}: a cell that cannot be read ({reason}); is a quote left open?")
                raise BadInput(message.format(path=table.path, line=begin, reason=error)) from error
            if row is None:
                return
            if lines.ended:  # csv asked for one more line inside a cell
                message = _("{path}, line {line}: a quote opens here and never closes; close it or double it.")
                raise BadInput(message.format(path=table.path, line=begin))
            if not row:
                continue
            columns = columns or len(row)
            if len(row) != columns:
                message = _(
                    "{path}, line {line}: {found} cells where the header has {expected}; "
                    "put a cell that holds the delimiter into quotes."
                )
                raise BadInput(message.format(path=table.path, line=begin, found=len(row), expected=columns))
            yield row


def objects(table: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of a JSONL file, each stripped, with the object that it says; blank lines are none."""
    with open_lines(table.path, table.encoding, newline=None) as lines:
        for line in lines:
            text = line.strip()
            if not text:
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                message = _("{path}, line {line}: no JSON ({reason}); each line has to be one object.")
                raise BadInput(message.format(path=table.path, line=lines.number, reason=error)) from error
            if not isinstance(value, dict):
                message = _("{path}, line {line}: not a JSON object; each line has to be one, like {example}.")
                example = '{"text": "…", "label": 1}'
                raise BadInput(message.format(path=table.path, line=lines.number, example=example))
            yield text, value


def batches(table: Table) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file, BATCH at a time."""
    with open_parquet(table.path) as file:
        yield from file.iter_batches(batch_size=BATCH)


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """A `pyarrow.parquet.ParquetFile`. BadInput when the file is damaged or not Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        message = _("{path} cannot be read as Parquet ({reason}): write it again, or check its name.")
        raise BadInput(message.format(path=path, reason=str(error).partition("\n")[0])) from error
