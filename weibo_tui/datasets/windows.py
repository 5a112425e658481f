"""Windows of the rows of a table: days or weeks, by the dates or ids of the posts, or the values of a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from weibo_tui.datasets.columns import find_role
from weibo_tui.datasets.reading import PostTable, read_values
from weibo_tui.datasets.tables import Report
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_names
from weibo_tui.text.dates import id_time, parse_date

DAY, WEEK = "day", "week"
MAX_WINDOWS = 10_000
_SAMPLE_ROWS = 200
_ANY_ID = "4868065483040592"  # makes relative dates readable
_MIN_SHARE, _MIN_SHARE_UNNAMED = 0.5, 0.9


@dataclass(frozen=True, slots=True)
class Windows:
    """The function from the cells of a row to its window, None where it has none, and the columns that it reads."""

    window: Callable[[Mapping[str, Any]], str | None]
    columns: tuple[str, ...]


def find_windows(source: PostTable, by: str, date_column: str | None, collected: datetime | None) -> Windows:
    """Return the windows of a table by `day`, by `week` (named by its Monday), or by the column `by`.

    `date_column` is detected by default, by names and content, and so is a column of ids. `collected` is the time to
    which relative dates refer where the row has no id. Raise UserInputError where the table has no such column.
    """
    if by not in (DAY, WEEK):
        column = source.column(by, "--by")
        return Windows(lambda cells: _value(cells.get(column)), (column,))
    date, post_id = _find_dates(source, date_column)

    def window(cells: Mapping[str, Any]) -> str | None:
        post = cells.get(post_id) if post_id else None
        moment = parse_date(cells.get(date), post, collected) if date else None
        moment = moment or id_time(post)
        if moment is None:
            return None
        day = moment.date()
        return (day - timedelta(days=day.weekday()) if by == WEEK else day).isoformat()

    return Windows(window, tuple(filter(None, (date, post_id))))


def _value(cell: Any) -> str | None:
    if isinstance(cell, list):
        cell = join_list(map(str, cell))
    return None if cell is None else str(cell).strip() or None


def _find_dates(source: PostTable, requested: str | None) -> tuple[str | None, str | None]:
    """Return the columns of dates and of ids. Raise UserInputError without either."""
    rows = list(islice(read_values(source, Report()), _SAMPLE_ROWS))
    columns = {name: [cell for row in rows if (cell := row.get(name)) not in (None, "")] for name in source.columns}
    post_id = _first(columns, find_role(source.columns, "id"), _MIN_SHARE, id_time)
    if requested is not None:
        return source.column(requested, "--date-column"), post_id
    date = _first(columns, find_role(source.columns, "date"), _MIN_SHARE, lambda cell: parse_date(cell, _ANY_ID))
    date = date or _first(columns, source.columns, _MIN_SHARE_UNNAMED, _full_date)
    if date is None and post_id is None:
        message = _("{path}: no column of dates detected. Choose it with --date-column. Columns: {columns}.")
        in_app = _("{path}: no column of dates detected. Choose it. Columns: {columns}.")
        names = join_names(source.columns, 20)
        raise UserInputError(
            message.format(path=source.path, columns=names), in_app.format(path=source.path, columns=names)
        )
    return date, post_id


def _full_date(cell: Any) -> datetime | None:
    return None if str(cell).strip().isdecimal() else parse_date(cell)


def _first(
    columns: Mapping[str, Sequence[Any]], names: Iterable[str], share: float, read: Callable[[Any], datetime | None]
) -> str | None:
    """Return the first of the columns of which this share of the cells can be read."""
    for name in names:
        cells = columns[name]
        if cells and sum(read(cell) is not None for cell in cells) >= share * len(cells):
            return name
    return None
