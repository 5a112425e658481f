"""The SQL of a filter and a place in the history, which walks an index and sorts next to nothing.

Entries are sorted by time, and those of one moment by id. The search index returns matches by id only, which is the
same order where every analysis was added in its time. An analysis that was added after a newer one (another program was
quicker, or the clock was set back) is marked as out of order, in the column `late`. So the analyses are two sets, each
in order and quick to walk: those in order, by id, and the few that are out of order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from weibo_tui.storage.codec import pack
from weibo_tui.storage.entries import Analysis, Entry, HistoryFilter
from weibo_tui.storage.search import MAX_SEARCH_LENGTH, fold, match_expression

LAST_ID = 2**63 - 1

PageKey = tuple[str, int]
"""A place between two entries: a time and an id."""

_MATCHED = "search CROSS JOIN analyses ON analyses.id = search.rowid"  # CROSS keeps SQLite from reversing the join
_CONDITIONS = {
    "low_at": "(created_at, id) > (:low_at, :low_id)",
    "high_at": "(created_at, id) < (:high_at, :high_id)",
    "confidence_from": "confidence >= :confidence_from",
    "confidence_to": "confidence <= :confidence_to",
    "needle": "contains(text, :needle)",
    "adapter": "adapter = :adapter",
}


@dataclass(frozen=True, slots=True)
class HistoryQueries:
    """Queries for rows of one kind: their tables, conditions, order by time, and parameters."""

    tables: str
    where: str
    order: tuple[str, ...]
    values: dict[str, Any]

    def page(self, columns: str, newest_first: bool) -> str:
        """Return the query for the first `:limit` rows."""
        order = ", ".join(f"{column} {'DESC' if newest_first else 'ASC'}" for column in self.order)
        return f"SELECT {columns} FROM {self.tables} WHERE {self.where} ORDER BY {order} LIMIT :limit"

    def count(self) -> str:
        """Return the query for the number of rows."""
        return f"SELECT count(*) FROM {self.tables} WHERE {self.where}"


def analysis_queries(
    criteria: HistoryFilter, before: Entry | None = None, after: Entry | None = None, count_only: bool = False
) -> Iterator[HistoryQueries]:
    """Yield queries for the analyses that match, older than `before` and newer than `after`."""
    if not criteria.matches_analyses:
        return
    bounds = _bounds(criteria, before, after, _analysis_key)
    rest = values_not_indexed(criteria)
    expression = match_expression(criteria)
    for late in (False, True):
        in_bounds = conjunction([f"late = {late}", *conditions_on(bounds)])
        if not expression:
            where = conjunction([in_bounds, *conditions_on(rest)])
            yield HistoryQueries("analyses", where, ("created_at", "id"), bounds | rest)
        elif late:
            where = conjunction(["search MATCH :expression", *conditions_on(bounds | rest)])
            values = {"expression": f"({expression}) AND facets : late"}
            yield HistoryQueries(_MATCHED, where, ("created_at", "id"), bounds | rest | values)
        else:
            oldest, newest = (
                f"(SELECT id FROM analyses WHERE {in_bounds} ORDER BY created_at {way}, id {way} LIMIT 1)"
                for way in ("ASC", "DESC")
            )
            ids = f"search.rowid BETWEEN {oldest} AND {newest}"
            where = conjunction(["search MATCH :expression", ids, *conditions_on(rest)])
            values = {"expression": f"({expression}) NOT facets : late"}
            tables = "search" if count_only and not rest else _MATCHED  # reading every row takes twenty times as long
            yield HistoryQueries(tables, where, ("search.rowid",), bounds | rest | values)


def file_queries(
    criteria: HistoryFilter, before: Entry | None = None, after: Entry | None = None
) -> Iterator[HistoryQueries]:
    """Yield queries for the labeled files that match, older than `before` and newer than `after`."""
    if not criteria.matches_files:
        return
    values = _bounds(criteria, before, after, _file_key)
    if criteria.adapter is not None:
        values["adapter"] = pack(criteria.adapter)
    yield HistoryQueries("labelled_files", conjunction(conditions_on(values)), ("created_at", "id"), values)


def _bounds(
    criteria: HistoryFilter, before: Entry | None, after: Entry | None, key: Callable[[Entry], PageKey]
) -> dict[str, Any]:
    # One bound on each side, since SQLite seeks to one only.
    values: dict[str, Any] = {}
    lows = [(criteria.earliest, 0)] if criteria.earliest else []
    lows += [key(after)] if after else []
    if lows:
        values["low_at"], values["low_id"] = max(lows)
    highs = [(criteria.latest, LAST_ID)] if criteria.latest else []
    highs += [key(before)] if before else []
    if highs:
        values["high_at"], values["high_id"] = min(highs)
    return values


def _analysis_key(entry: Entry) -> PageKey:
    # Both tables count their ids from 1: at the same moment, all analyses come before all files.
    return (entry.created_at, _id(entry) if isinstance(entry, Analysis) else 0)


def _file_key(entry: Entry) -> PageKey:
    return (entry.created_at, LAST_ID if isinstance(entry, Analysis) else _id(entry))


def _id(entry: Entry) -> int:
    if entry.id is None:
        raise ValueError("an entry without an id has no place in the history")
    return entry.id


def values_not_indexed(criteria: HistoryFilter) -> dict[str, Any]:
    """Return the parameters of the conditions that the search index does not know."""
    bounds = {"confidence_from": criteria.confidence_from, "confidence_to": criteria.confidence_to}
    values: dict[str, Any] = {name: value for name, value in bounds.items() if value is not None}
    needle = fold(criteria.text)
    if len(needle) > MAX_SEARCH_LENGTH:
        values["needle"] = pack(needle)
    return values


def conditions_on(values: dict[str, Any]) -> list[str]:
    """Return the conditions that need these parameters."""
    return [condition for name, condition in _CONDITIONS.items() if name in values]


def conjunction(conditions: list[str]) -> str:
    """Return the condition that all `conditions` are met."""
    return " AND ".join(conditions) or "TRUE"
