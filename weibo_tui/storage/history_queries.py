"""What a filter and a place in the history select, as SQL that walks an index and has next to nothing to sort.

Entries are sorted by time, and at one moment by id. The search index can give its finds only by id, which is the
same order where every analysis was added in its time. One that was added behind a later one (another program was
quicker, or the clock was set back) is marked ``late``. So the analyses are two sets, each in order and quick
to walk: those that are not late, by id; and the late ones, which are few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from weibo_tui.storage.codec import pack
from weibo_tui.storage.entries import Analysis, Entry
from weibo_tui.storage.history_filter import HistoryFilter
from weibo_tui.storage.search import LONGEST, expression, fold

LAST_ID = 2**63 - 1

PageKey = tuple[str, int]
"""A place between two entries: a time and an id."""

_FOUND = "search CROSS JOIN analyses ON analyses.id = search.rowid"  # CROSS: SQLite is not to turn it around
_CONDITIONS = {
    "low_at": "(created_at, id) > (:low_at, :low_id)",
    "high_at": "(created_at, id) < (:high_at, :high_id)",
    "confidence_from": "confidence >= :confidence_from",
    "confidence_to": "confidence <= :confidence_to",
    "needle": "holds(text, :needle)",
    "adapter": "adapter = :adapter",
}


@dataclass(frozen=True, slots=True)
class HistoryQueries:
    """Rows of one kind: the tables they come from, what holds for them, and what sorts them by time."""

    tables: str
    where: str
    order: tuple[str, ...]
    values: dict[str, Any]

    def page(self, columns: str, newest_first: bool) -> str:
        """A query for the first ``:limit`` rows."""
        order = ", ".join(f"{column} {'DESC' if newest_first else 'ASC'}" for column in self.order)
        return f"SELECT {columns} FROM {self.tables} WHERE {self.where} ORDER BY {order} LIMIT :limit"

    def count(self) -> str:
        """A query for the number of rows, counted up to ``:limit``."""
        return f"SELECT count(*) FROM (SELECT 1 FROM {self.tables} WHERE {self.where} LIMIT :limit)"


def analyses(
    asked: HistoryFilter, before: Entry | None = None, after: Entry | None = None, counted: bool = False
) -> Iterator[HistoryQueries]:
    """The analyses that match, older than ``before`` and newer than ``after``; ``counted``: no more than counted."""
    if not asked.finds_analyses:
        return
    span = _span(asked, before, after, _mark_among_analyses)
    rest = _rest(asked)
    matched = expression(asked)
    for late in (False, True):
        in_time = _all([f"late = {late}", *_conditions(span)])
        if not matched:
            where = _all([in_time, *_conditions(rest)])
            yield HistoryQueries("analyses", where, ("created_at", "id"), span | rest)
        elif late:
            where = _all(["search MATCH :matched", *_conditions(span | rest)])
            values = {"matched": f"({matched}) AND facets : late"}
            yield HistoryQueries(_FOUND, where, ("created_at", "id"), span | rest | values)
        else:
            oldest, newest = (
                f"(SELECT id FROM analyses WHERE {in_time} ORDER BY created_at {way}, id {way} LIMIT 1)"
                for way in ("ASC", "DESC")
            )
            where = _all(["search MATCH :matched", f"search.rowid BETWEEN {oldest} AND {newest}", *_conditions(rest)])
            values = {"matched": f"({matched}) NOT facets : late"}
            tables = "search" if counted and not rest else _FOUND  # a look at every row takes twenty times as long
            yield HistoryQueries(tables, where, ("search.rowid",), span | rest | values)


def labelled_files(
    asked: HistoryFilter, before: Entry | None = None, after: Entry | None = None
) -> Iterator[HistoryQueries]:
    """The labelled files that match, older than ``before`` and newer than ``after``."""
    if not asked.finds_files:
        return
    values = _span(asked, before, after, _mark_among_files)
    if asked.adapter is not None:
        values["adapter"] = pack(asked.adapter)
    yield HistoryQueries("labelled_files", _all(_conditions(values)), ("created_at", "id"), values)


def _span(
    asked: HistoryFilter, before: Entry | None, after: Entry | None, mark: Callable[[Entry], PageKey]
) -> dict[str, Any]:
    """The marks between which entries are to stand; one on each side, for SQLite seeks to one only."""
    values: dict[str, Any] = {}
    lows = [(asked.earliest, 0)] if asked.earliest else []
    lows += [mark(after)] if after else []
    if lows:
        values["low_at"], values["low_id"] = max(lows)
    highs = [(asked.latest, LAST_ID)] if asked.latest else []
    highs += [mark(before)] if before else []
    if highs:
        values["high_at"], values["high_id"] = min(highs)
    return values


def _mark_among_analyses(entry: Entry) -> PageKey:
    # Both tables count their ids from 1: at one and the same moment, all analyses come before all files.
    return (entry.created_at, _id(entry) if isinstance(entry, Analysis) else 0)


def _mark_among_files(entry: Entry) -> PageKey:
    return (entry.created_at, LAST_ID if isinstance(entry, Analysis) else _id(entry))


def _id(entry: Entry) -> int:
    if entry.id is None:
        raise ValueError("an entry without an id has no place in the history")
    return entry.id


def _rest(asked: HistoryFilter) -> dict[str, Any]:
    """What neither time nor the search index can tell."""
    values: dict[str, Any] = {}
    if asked.confidence_from is not None:
        values["confidence_from"] = asked.confidence_from
    if asked.confidence_to is not None:
        values["confidence_to"] = asked.confidence_to
    needle = fold(asked.text)
    if len(needle) > LONGEST:
        values["needle"] = pack(needle)
    return values


def _conditions(values: dict[str, Any]) -> list[str]:
    return [condition for name, condition in _CONDITIONS.items() if name in values]


def _all(conditions: list[str]) -> str:
    return " AND ".join(conditions) or "TRUE"
