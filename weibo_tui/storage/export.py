"""Files for other programs: CSV that opens well in a spreadsheet, and JSON lines."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from weibo_tui.atomic import open_output
from weibo_tui.storage.codec import to_json
from weibo_tui.text.spreadsheet import escape_formula, header_quoting

Events = Iterable[Mapping[str, Any]]


@contextmanager
def open_csv(
    path: Path, columns: Sequence[str], bom: bool = True, escape_formulas: bool = True, overwrite: bool = False
) -> Iterator[Callable[[Sequence[Any]], None]]:
    """Open the CSV file `path` with the header `columns`. The block gets a function that writes one row.

    UTF-8, with a byte-order mark unless `bom` is off. The file takes its place when the block ends without an error.
    Every text is quoted, so that nothing in it separates cells, and escaped where it may be a formula. None is an empty
    cell, a bool is true or false. A lone surrogate, which UTF-8 cannot hold, becomes its escape (`\\ud800`).
    """
    encoding = "utf-8-sig" if bom else "utf-8"
    with open_output(path, "w", encoding=encoding, newline="", overwrite=overwrite) as file:
        yield csv_rows(file, columns, escape_formulas)


def csv_rows(file: IO[str], columns: Sequence[str], escape_formulas: bool = True) -> Callable[[Sequence[Any]], None]:
    """Write the header `columns` to an open file, and return a function that writes one row; see `open_csv`."""
    names = [_cell(name, escape_formulas) for name in columns]
    csv.writer(file, quoting=header_quoting(names)).writerow(names)
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
    return lambda row: writer.writerow([_cell(value, escape_formulas) for value in row])


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]], overwrite: bool = False) -> int:
    """Write `rows` as `open_csv` does. Return their number."""
    count = 0
    with open_csv(path, columns, overwrite=overwrite) as write:
        for row in rows:
            write(row)
            count += 1
    return count


def _cell(value: Any, escape_formulas: bool) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.encode("utf-8", "backslashreplace").decode()
        return escape_formula(text) if escape_formulas else text
    return value


def write_json_lines(path: Path, events: Events, overwrite: bool = False) -> int:
    """Write one JSON object a line. Return the number of lines."""
    count = 0
    with open_output(path, "w", encoding="utf-8", overwrite=overwrite) as file:
        for event in events:
            file.write(to_json(event) + "\n")
            count += 1
    return count


def write_event_table(path: Path, read: Callable[[], Events], overwrite: bool = False) -> int:
    """Write CSV with a column for each field that is a single value in some event. Return the number of rows.

    `read` returns the same events each time: the header needs their names before the rows are written, and a long
    journal is not kept in memory for that.
    """
    columns = dict.fromkeys(("seq", "at", "event"))
    for event in read():
        columns.update(dict.fromkeys(name for name, value in event.items() if _is_single(value)))
    rows = ([value if _is_single(value := event.get(name)) else None for name in columns] for event in read())
    return write_csv(path, tuple(columns), rows, overwrite)


def _is_single(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
