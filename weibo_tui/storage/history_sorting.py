"""The history sorted by another column than the time: its SQL, which walks the index of that column.

The list has three parts: the analyses with a value in the column, those without one, and the labeled files. Only the
first changes its direction. The others are at the end of the list, newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from weibo_tui.storage.codec import pack
from weibo_tui.storage.database import Database
from weibo_tui.storage.entries import (
    ANALYSIS_COLUMNS,
    FILE_COLUMNS,
    Analysis,
    Entry,
    HistoryFilter,
    HistoryOrder,
    read_analysis,
    read_file,
)
from weibo_tui.storage.history_queries import HistoryQueries, conditions_on, conjunction, values_not_indexed
from weibo_tui.storage.search import match_expression

_VALUES = {
    "label": "coalesce(corrected, label)",
    "confidence": "confidence",
    "text": "text",
    "adapter": "adapter",
    "source": "source",
}
_SORT_KEYS: Mapping[str, Callable[[Analysis], Any]] = {
    "label": lambda analysis: pack(analysis.effective_label),
    "confidence": lambda analysis: analysis.confidence,
    "text": lambda analysis: pack(analysis.text),
    "adapter": lambda analysis: pack(analysis.adapter),
    "source": lambda analysis: pack(analysis.source),
}
"""The values of these columns in an analysis."""
_WITH_VALUE, _WITHOUT_VALUE, _FILES = range(3)


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in the list: a part of it, and the values of the part's columns there."""

    part: int
    values: tuple[Any, ...]


def read_sorted(
    database: Database,
    limit: int,
    criteria: HistoryFilter,
    order: HistoryOrder,
    place: Entry | None = None,
    forwards: bool = True,
) -> list[Entry]:
    """Return the next `limit` matching entries after `place`, or before it, in the order of the list.

    Without a place, they are the first or the last of the list.
    """
    entries: list[Entry] = []
    start = None if place is None else _find(database, place, order)
    for query, descending in _queries(criteria, order, start, forwards):
        files = query.tables == "labelled_files"
        sql = query.page(FILE_COLUMNS if files else ANALYSIS_COLUMNS, descending)
        values = query.values | {"limit": limit - len(entries)}
        entries += database.read(read_file if files else read_analysis, sql, values)
        if len(entries) == limit:
            break
    return entries if forwards else entries[::-1]


def count_before(database: Database, criteria: HistoryFilter, order: HistoryOrder, entry: Entry) -> int:
    """Return the number of matching entries before `entry` in the list."""
    place = _find(database, entry, order)
    return sum(
        count
        for query, _descending in _queries(criteria, order, place, forwards=False)
        for count in database.read(lambda row: int(row[0]), query.count(), query.values)
    )


def sort_analyses(analyses: Iterable[Analysis], order: HistoryOrder) -> list[Analysis]:
    """Return analyses in the order of the list."""
    by_time = sorted(analyses, key=lambda analysis: (analysis.created_at, analysis.id))
    if order.column == "time":
        return by_time[::-1] if order.descending else by_time
    value = _SORT_KEYS[order.column]
    some = [analysis for analysis in by_time if value(analysis) is not None]
    some.sort(key=value)
    return (some[::-1] if order.descending else some) + [item for item in by_time[::-1] if value(item) is None]


def _find(database: Database, entry: Entry, order: HistoryOrder) -> _Place:
    """Return the place of an entry, which may be deleted or changed since it was read."""
    if not isinstance(entry, Analysis):
        return _Place(_FILES, (entry.created_at, entry.id))
    value, created_at = _SORT_KEYS[order.column](entry), entry.created_at
    query = f"SELECT {ANALYSIS_COLUMNS}, {_VALUES[order.column]}, created_at FROM analyses WHERE id = ?"
    for stored, *keys in database.read(lambda row: (read_analysis(row), *row[-2:]), query, (entry.id,)):
        if stored == entry:  # the values of a damaged one are not those that it is sorted by
            value, created_at = keys
    if value is None:
        return _Place(_WITHOUT_VALUE, (created_at, entry.id))
    return _Place(_WITH_VALUE, (value, created_at, entry.id))


def _queries(
    criteria: HistoryFilter, order: HistoryOrder, place: _Place | None, forwards: bool
) -> Iterator[tuple[HistoryQueries, bool]]:
    """Yield the queries of the parts from `place` on, and whether each reads its values in descending order."""
    parts = list(_parts(criteria, order))
    for part, query, descending in parts if forwards else reversed(parts):
        reads_descending = descending == forwards
        if place is None or (part > place.part if forwards else part < place.part):
            yield query, reads_descending
        elif part == place.part:
            names = [f"place_{index}" for index in range(len(place.values))]
            bound = f"({', '.join(query.order)}) {'<' if reads_descending else '>'} (:{', :'.join(names)})"
            values = query.values | dict(zip(names, place.values, strict=True))
            yield HistoryQueries(query.tables, conjunction([query.where, bound]), query.order, values), reads_descending


def _parts(criteria: HistoryFilter, order: HistoryOrder) -> Iterator[tuple[int, HistoryQueries, bool]]:
    """Yield the parts that can have matches, with a query for all of each, and whether it is in descending order."""
    times = {"earliest": criteria.earliest, "latest": criteria.latest}
    values: dict[str, Any] = {name: value for name, value in times.items() if value is not None}
    in_time = [f"created_at {'>=' if name == 'earliest' else '<='} :{name}" for name in values]
    by_time = ("created_at", "id")
    if criteria.matches_analyses:
        rest = values_not_indexed(criteria)
        conditions = [*in_time, *conditions_on(rest)]
        matched = values | rest
        if expression := match_expression(criteria):
            # The plus keeps SQLite from sorting the matches, of which there may be many.
            conditions.append("+analyses.id IN (SELECT rowid FROM search WHERE search MATCH :expression)")
            matched["expression"] = expression
        value = _VALUES[order.column]
        some = HistoryQueries(
            "analyses", conjunction([f"{value} IS NOT NULL", *conditions]), (value, *by_time), matched
        )
        yield _WITH_VALUE, some, order.descending
        if order.column == "confidence":
            none = HistoryQueries("analyses", conjunction([f"{value} IS NULL", *conditions]), by_time, matched)
            yield _WITHOUT_VALUE, none, True
    if criteria.matches_files:
        adapter = {} if criteria.adapter is None else {"adapter": pack(criteria.adapter)}
        where = conjunction([*in_time, *conditions_on(adapter)])
        yield _FILES, HistoryQueries("labelled_files", where, by_time, values | adapter), True
