"""Parts of a table: its rows as Arrow tables of a fixed number of rows, with unreadable rows in their places."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from weibo_tui.datasets.arrow_files import read_batches, read_schema
from weibo_tui.datasets.json_files import read_objects
from weibo_tui.datasets.reading import PostTable, read_grid
from weibo_tui.datasets.sinks import valid_text
from weibo_tui.datasets.tables import BadRow, Report
from weibo_tui.locale import gettext as _

if TYPE_CHECKING:
    import pyarrow as pa

Row: TypeAlias = tuple[int | None, str | None, Sequence[Any]]
"""The number of a row (None if it is unreadable), the error of an unreadable one, and the cells."""


@dataclass(slots=True)
class _Unreadable(Report):
    """A report that gives each unreadable row to the reader at its place."""

    waiting: list[BadRow] = field(default_factory=list)

    def skip(self, line: int, reason: str, content: str) -> None:
        Report.skip(self, line, reason, content)
        self.waiting.append(BadRow(line, reason, content[:1000].rstrip("\r\n")))
        self.bad.clear()  # a file may have millions of them

    def take(self) -> list[BadRow]:
        rows, self.waiting = self.waiting, []
        return rows


def read_parts(
    source: PostTable, columns: Sequence[str], rows: int, needed: Collection[int]
) -> Iterator[tuple[int, pa.Table]]:
    """Yield the parts `needed` of a table by number (from 0), `rows` rows each, and fewer at the end.

    Before the cells, a part has two columns: the number of the row, and the error of an unreadable row, whose content
    is in the text column."""
    if source.format in ("parquet", "feather"):
        yield from _arrow_parts(source, rows, needed)
    else:
        yield from _text_parts(source, columns, rows, needed)


def _text_parts(
    source: PostTable, columns: Sequence[str], rows: int, needed: Collection[int]
) -> Iterator[tuple[int, pa.Table]]:
    iterator = _rows(source, columns)
    for number in range(max(needed, default=-1) + 1):
        chunk = islice(iterator, rows)
        if number in needed:
            yield number, _text_table(list(chunk), columns)
        else:
            for _row in chunk:
                pass


def _rows(source: PostTable, columns: Sequence[str]) -> Iterator[Row]:
    report = _Unreadable()
    text = list(columns).index(source.text_column)

    def unreadable() -> Iterator[Row]:
        for row in report.take():
            error = _("line {line}: {reason}").format(line=f"{row.line:,}", reason=row.reason)
            yield None, error, [row.content if place == text else None for place in range(len(columns))]

    for number, cells in enumerate(_cells(source, columns, report), 1):
        if report.waiting:
            yield from unreadable()
        yield number, None, cells
    yield from unreadable()


def _cells(source: PostTable, columns: Sequence[str], report: Report) -> Iterator[Sequence[Any]]:
    if source.table.is_grid:
        for _line, row in read_grid(source, report):
            yield row
    else:
        for _line, _text, values in read_objects(source.table, report, source.text_column):
            yield [values.get(name) for name in columns]


def _text_table(rows: Sequence[Row], columns: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    if not rows:  # the file has become shorter
        return pa.table({})
    numbers, errors, cells = zip(*rows, strict=True)
    by_column = zip(*cells, strict=True)
    arrays = [pa.array(numbers, pa.int64()), pa.array(errors, pa.string()), *map(_text_array, by_column)]
    return pa.Table.from_arrays(arrays, names=["number", "error", *columns])


def _text_array(cells: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(cells, pa.string())
    except (TypeError, UnicodeEncodeError):  # cells of JSON that are no texts, and texts with lone surrogates
        return pa.array([None if cell is None else valid_text(cell) for cell in cells], pa.string())


def _arrow_parts(source: PostTable, rows: int, needed: Collection[int]) -> Iterator[tuple[int, pa.Table]]:
    import pyarrow as pa

    schema = read_schema(source.table)[0]
    done, held = 0, list[pa.RecordBatch]()

    def part() -> pa.Table:
        cells = pa.Table.from_batches(held, schema)
        numbers = pa.array(range(done - len(cells) + 1, done + 1), pa.int64())
        added = [("number", numbers), ("error", pa.nulls(len(cells), pa.string()))]
        for place, (name, values) in enumerate(added):
            cells = cells.add_column(place, name, values)
        return cells

    for batch in read_batches(source.table):
        while len(batch):
            taken = batch.slice(0, rows - done % rows)
            held.append(taken)
            batch = batch.slice(len(taken))  # noqa: PLW2901 - what is left of it
            done += len(taken)
            if done % rows == 0:
                if (number := done // rows - 1) in needed:
                    yield number, part()
                held.clear()
    if (number := done // rows) in needed:
        yield number, part()
