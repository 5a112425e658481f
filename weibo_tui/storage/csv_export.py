"""CSV files that open well in a spreadsheet: with a byte-order mark, and with no cell taken for a formula."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weibo_tui.atomic import open_output
from weibo_tui.text.spreadsheet import escape_formula, header_quoting


@contextmanager
def open_csv(
    path: Path, columns: Sequence[str], bom: bool = True, guarded: bool = True, overwrite: bool = False
) -> Iterator[Callable[[Sequence[Any]], None]]:
    """Open the file ``path`` under the header ``columns``; the block gets a function that writes one row.

    UTF-8, with a byte-order mark unless ``bom`` is off; the file takes its place when the block ends well.
    Every text is quoted, so that nothing in it parts cells. ``guarded`` concerns texts only, not numbers. None is an
    empty cell, a bool is true or false. A lone surrogate, which UTF-8 cannot hold, is written as its escape
    (``\\ud800``).
    """
    encoding = "utf-8-sig" if bom else "utf-8"
    with open_output(path, "w", encoding=encoding, newline="", overwrite=overwrite) as file:
        names = [_cell(name, guarded) for name in columns]
        csv.writer(file, quoting=header_quoting(names)).writerow(names)
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        yield lambda row: writer.writerow([_cell(value, guarded) for value in row])


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]], overwrite: bool = False) -> int:
    """Write ``rows`` as `open_csv` does; their number."""
    written = 0
    with open_csv(path, columns, overwrite=overwrite) as write:
        for row in rows:
            write(row)
            written += 1
    return written


def _cell(value: Any, guarded: bool) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.encode("utf-8", "backslashreplace").decode()
        return escape_formula(text) if guarded else text
    return value
