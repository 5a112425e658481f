"""Windows of the rows of a table: days or weeks, by the dates or ids of the posts, or the values of a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
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
    """The function from the cells of a row to its window, None where it has none, and the columns that it reads.

    `by_date` is true for days and weeks."""

    window: Callable[[Mapping[str, Any]], str | None]
    columns: tuple[str, ...]
    by_date: bool


class Spellings:
    """Names of values that differ in upper and lower case only: that of the first."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def name(self, value: str | None) -> str | None:
        """Return the first spelling of a value, None for none."""
        return value and self._first.setdefault(value.casefold(), value)


@dataclass(frozen=True, slots=True)
class Dates:
    """The columns of dates and of ids, None for one that does not exist.

    `collected` is the time to which relative dates refer where the row has no id.
    """

    date: str | None
    post_id: str | None
    collected: datetime | None = None

    def moment(self, cells: Mapping[str, Any]) -> datetime | None:
        """Return the time of a row by its date, or else by its id. Return None where neither can be read."""
        post = cells.get(self.post_id) if self.post_id else None
        moment = None
        if self.date:
            value = str(cells.get(self.date))
            moment = _absolute_date(value) or parse_date(value, post, self.collected)
        return moment or id_time(post)


@lru_cache(10_000)
def _absolute_date(value: str) -> datetime | None:
    """Return the time of a date that needs neither id nor reference, and is that of many posts."""
    return parse_date(value)


def find_windows(source: PostTable, by: str, date_column: str | None, collected: datetime | None) -> Windows:
    """Return the windows of a table by `day`, by `week` (named by its Monday), or by the column `by` in any case.

    See `find_dates` for the other two. Raise UserInputError where the table has no such column.
    """
    if by not in (DAY, WEEK):
        column, spellings = source.column(by, "--by"), Spellings()
        return Windows(lambda cells: spellings.name(cell_value(cells.get(column))), (column,), by_date=False)
    dates = find_dates(source, date_column, collected)
    if dates is None:
        raise no_dates(source.path, source.columns)

    def window(cells: Mapping[str, Any]) -> str | None:
        moment = dates.moment(cells)
        return None if moment is None else window_name(moment.date(), by)

    return Windows(window, tuple(filter(None, (dates.date, dates.post_id))), by_date=True)


def no_dates(path: Path, columns: Sequence[str]) -> UserInputError:
    """Return the error for a table without dates, of which windows by time are requested."""
    message = _("{path}: no column of dates detected. Choose it with --date-column. Columns: {columns}.")
    in_app = _("{path}: no column of dates detected. Choose it. Columns: {columns}.")
    values = {"path": path, "columns": join_names(columns, 20)}
    return UserInputError(message.format(**values), in_app.format(**values))


def window_name(day: date, by: str) -> str:
    """Return the name of the window of a day: the day itself, or by `week` its Monday."""
    return (day - timedelta(days=day.weekday()) if by == WEEK else day).isoformat()


def cell_value(cell: Any) -> str | None:
    if isinstance(cell, list):
        cell = join_list(map(str, cell))
    return None if cell is None else str(cell).strip() or None


def find_dates(source: PostTable, requested: str | None, collected: datetime | None) -> Dates | None:
    """Return the column `requested`, or the one of dates by names and content, and the column of ids.

    `collected` is the time to which relative dates refer where the row has no id. Return None without either column.
    """
    rows = list(islice(read_values(source, Report()), _SAMPLE_ROWS))
    columns = {name: [cell for row in rows if (cell := row.get(name)) not in (None, "")] for name in source.columns}
    post_id = _first(columns, find_role(source.columns, "id"), _MIN_SHARE, id_time)
    if requested is not None:
        return Dates(source.column(requested, "--date-column"), post_id, collected)
    named = find_role(source.columns, "date")
    found = _first(columns, named, _MIN_SHARE, lambda cell: parse_date(cell, _ANY_ID))
    found = found or _first(columns, source.columns, _MIN_SHARE_UNNAMED, _full_date)
    return None if found is None and post_id is None else Dates(found, post_id, collected)


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
