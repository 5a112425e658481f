"""A run's journal as a file for other programs: JSON lines, or a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from weibo_tui.atomic import open_output
from weibo_tui.storage.codec import to_json
from weibo_tui.storage.csv_export import write_csv

Events = Iterable[Mapping[str, Any]]


def write_json_lines(path: Path, events: Events, overwrite: bool = False) -> int:
    """One JSON object a line; the number of lines."""
    written = 0
    with open_output(path, "w", encoding="utf-8", overwrite=overwrite) as file:
        for event in events:
            file.write(to_json(event) + "\n")
            written += 1
    return written


def write_table(path: Path, read: Callable[[], Events], overwrite: bool = False) -> int:
    """CSV with a column for each field that holds single values somewhere; the number of rows.

    ``read`` gives the same events each time it is called: the header needs their names before the rows are
    written, and a long journal is not kept in memory for that.
    """
    columns = dict.fromkeys(("seq", "at", "event"))
    for event in read():
        columns.update(dict.fromkeys(name for name, value in event.items() if _is_single(value)))
    rows = ([value if _is_single(value := event.get(name)) else None for name in columns] for event in read())
    return write_csv(path, tuple(columns), rows, overwrite)


def _is_single(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
