"""CSV files that open well in a spreadsheet: with a byte-order mark, and with no cell taken for a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from weibo_tui.files import atomic_open

# The quote itself is among them, so that a leading quote always is the guard's and can be taken off again.
_GUARDED = tuple("=+-@\t\r'")


def guard(cell: str) -> str:
    """``cell`` as a spreadsheet takes it for text: a leading ``'`` where it might read a formula."""
    return f"'{cell}" if cell.startswith(_GUARDED) else cell


def unguard(cell: str) -> str:
    """The cell that `guard` was given."""
    return cell.removeprefix("'")


def write_csv(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]], bom: bool = True, guarded: bool = True
) -> int:
    """Stream ``rows`` into the file ``path`` under the header ``columns``; the number of rows.

    UTF-8, with a byte-order mark unless ``bom`` is off; the file takes its place only when it is whole.
    ``guarded`` concerns texts only, not numbers. None is an empty cell, a bool is true or false. A lone
    surrogate, which UTF-8 cannot hold, is written as its escape (``\\ud800``).
    """
    written = 0
    with atomic_open(path, "w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_cell(column, guarded) for column in columns)
        for row in rows:
            writer.writerow(_cell(value, guarded) for value in row)
            written += 1
    return written


def _cell(value: Any, guarded: bool) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.encode("utf-8", "backslashreplace").decode()
        return guard(text) if guarded else text
    return value
