"""A file written again with columns added; its own cells, order, format and encoding stay as they are."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

from weibo_tui.datasets.reading import Source
from weibo_tui.datasets.records import Table, batches, cells, objects, open_parquet
from weibo_tui.errors import BadInput
from weibo_tui.files import check_output, open_output
from weibo_tui.locale import gettext as _
from weibo_tui.text import guard, header_quoting

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")

Added = Mapping[str, type[str] | type[float]]
"""The columns to add, in order, and what they hold; any value may also be None."""


def check_added(source: Source, out: Path, added: Iterable[str]) -> None:
    """BadInput when `out` is the source or no regular file, and when the source has a column of an added name."""
    check_output(out, overwrite=True, inputs=[source.path])
    taken = [name for name in added if name in source.columns]
    if taken:
        message = _("{path} has columns named {columns} already: rename them first.")
        raise BadInput(message.format(path=source.path, columns=", ".join(taken)))


def write_labelled(
    source: Source, out: Path, verdicts: Iterable[Mapping[str, Any]], added: Added, overwrite: bool = False
) -> Iterator[int]:
    """Write `out`: every row of `source` and behind it the values of its verdict; a verdict a row, in order.

    In CSV and TSV numbers have six significant digits at most, and texts that a spreadsheet might take for a formula
    the guard of `weibo_tui.text`. Yields the number of rows written so far. `out`
    appears when the last is written, and not at all when the generator fails or is closed before. ValueError
    when there are fewer or more verdicts than rows.
    """
    check_added(source, out, added)
    with open_output(out, "wb", overwrite=overwrite) as file:
        if source.format == "parquet":
            yield from _write_batches(source.table, file, verdicts, added)
            return
        encoding = source.table.encoding
        file.write(encoding.mark)
        stream = io.TextIOWrapper(file, encoding.codec, newline="")
        write = _write_lines if source.format == "jsonl" else _write_cells
        try:
            yield from write(source.table, stream, verdicts, added)
        except UnicodeEncodeError as error:
            message = _("{path}: its encoding, {encoding}, has no {text}; save the file as UTF-8 first.")
            bad = error.object[error.start : error.end]
            raise BadInput(message.format(path=source.path, encoding=encoding.name, text=bad)) from error
        finally:
            stream.detach()


def _write_cells(table: Table, stream: IO[str], verdicts: Iterable[Mapping[str, Any]], added: Added) -> Iterator[int]:
    # The writer is told CR LF so that it quotes a cell with either in it (before Python 3.13 it looks for the
    # line's own end only); each line then gets the end that the file has.
    line = io.StringIO()

    # Every cell is quoted, so that no spreadsheet parts it.
    def write(row: list[str], quoting: Literal[0, 1] = csv.QUOTE_ALL) -> None:
        line.seek(0)
        line.truncate()
        csv.writer(line, delimiter=table.delimiter, lineterminator="\r\n", quoting=quoting).writerow(row)
        stream.write(line.getvalue()[:-2] + table.newline)

    records = cells(table)
    header = [*next(records), *added]
    write(header, header_quoting(header))
    for number, (row, verdict) in enumerate(zip(records, verdicts, strict=True), start=1):
        write(row + [_cell(verdict.get(name)) for name in added])
        yield number


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return format(value, ".6g")
    text = "" if value is None else str(value)
    # A label may be a number as well, and -1 is none that a spreadsheet computes with.
    return text if _NUMBER.fullmatch(text) else guard(text)


def _write_lines(table: Table, stream: IO[str], verdicts: Iterable[Mapping[str, Any]], added: Added) -> Iterator[int]:
    escape = not table.encoding.holds_everything
    for number, ((line, value), verdict) in enumerate(zip(objects(table), verdicts, strict=True), start=1):
        taken = [name for name in added if name in value]
        if taken:
            message = _("{path}, row {row}: it has {columns} already: rename them first.")
            raise BadInput(message.format(path=table.path, row=number, columns=", ".join(taken)))
        ours = json.dumps({name: verdict.get(name) for name in added}, ensure_ascii=escape)
        # The object's own text goes on as it stands, so that numbers and escapes keep their form.
        stream.write(line[:-1].rstrip() + (", " if value else "") + ours[1:] + table.newline)
        yield number


def _write_batches(table: Table, file: IO[bytes], verdicts: Iterable[Mapping[str, Any]], added: Added) -> Iterator[int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_parquet(table.path) as source:
        schema: pa.Schema = source.schema_arrow
    for name, kind in added.items():
        schema = schema.append(pa.field(name, pa.float64() if kind is float else pa.string()))
    given = iter(verdicts)
    number = 0
    with pq.ParquetWriter(file, schema) as writer:
        for batch in batches(table):
            of_batch = list(islice(given, len(batch)))
            columns = [
                pa.array([verdict.get(name) for verdict in of_batch], type=schema.field(name).type) for name in added
            ]
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema))
            number += len(batch)
            yield number
    if next(given, None) is not None:
        raise ValueError("more verdicts than rows")
