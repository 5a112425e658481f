"""The history: every prediction for a post, and every file that was labeled."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage import search
from weibo_tui.storage.codec import pack, unpack
from weibo_tui.storage.database import Database
from weibo_tui.storage.entries import (
    ANALYSIS_COLUMNS,
    EVERYTHING,
    FILE_COLUMNS,
    FILE_SOURCE,
    NEWEST_FIRST,
    OLDEST_FIRST,
    Analysis,
    Entry,
    FilterChoices,
    HistoryFilter,
    HistoryOrder,
    LabeledFile,
    entry_row,
    read_analysis,
    read_file,
)
from weibo_tui.storage.export import open_csv
from weibo_tui.storage.history_export import export_columns, export_row
from weibo_tui.storage.history_queries import LAST_ID, HistoryQueries, analysis_queries, file_queries
from weibo_tui.storage.history_sorting import count_before, read_sorted, sort_analyses

# What users of the history need, from one place.
__all__ = [
    "EVERYTHING",
    "FILE_SOURCE",
    "NEWEST_FIRST",
    "Analysis",
    "Entry",
    "FilterChoices",
    "History",
    "HistoryFilter",
    "HistoryOrder",
    "LabeledFile",
]

_EXPORT_PAGE_SIZE = 2000
_LIST_PAGE_SIZE = 1000
_MARK_PAGE_SIZE = 500

# The neighbors in time of the place (:at, :id), among the analyses that are in order.
_OLDER = (
    "SELECT id FROM analyses WHERE late = 0 AND (created_at, id) < (:at, :id) ORDER BY created_at DESC, id DESC LIMIT 1"
)
_NEWER = "SELECT id FROM analyses WHERE late = 0 AND (created_at, id) > (:at, :id) ORDER BY created_at, id LIMIT 1"

# The smallest value, then repeatedly the smallest above it: one index seek for each value.
_DISTINCT = """
    WITH RECURSIVE item (value) AS (
        SELECT min({column}) FROM analyses
        UNION ALL
        SELECT (SELECT min({column}) FROM analyses WHERE {column} > value) FROM item WHERE value IS NOT NULL
    )
    SELECT value FROM item WHERE value IS NOT NULL
"""

T = TypeVar("T", Analysis, LabeledFile)


class History:
    """The analyses and labeled files in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check_writable(self) -> None:
        """Raise WeiboTuiError where nothing can be stored."""
        with self._writing():
            pass

    def add(self, analyses: Iterable[Analysis]) -> list[int]:
        """Store `analyses` on disk, all or none. Return their ids, in order."""
        with self._writing():
            return [self._insert_analysis(replace(analysis, id=None)) for analysis in analyses]

    def add_file(self, file: LabeledFile) -> int:
        """Store `file` as one entry. Return its id."""
        with self._writing():
            return self._insert("labelled_files", FILE_COLUMNS, entry_row(replace(file, id=None), FILE_COLUMNS))

    def contains_file(self, file: LabeledFile) -> bool:
        """Return whether an entry for the same output and time is stored already."""
        query = "SELECT 1 FROM labelled_files WHERE created_at = ? AND out = ?"
        return any(self._database.read(bool, query, (file.created_at, pack(str(file.out)))))

    def get(self, analysis_id: int) -> Analysis:
        """Return the analysis with this id. Raise UserInputError without one."""
        return self._get(analysis_id)[0]

    def page(
        self,
        limit: int,
        before: Entry | None = None,
        filter: HistoryFilter = EVERYTHING,  # noqa: A002 - the usual word
        after: Entry | None = None,
        order: HistoryOrder = NEWEST_FIRST,
        last: bool = False,
    ) -> list[Entry]:
        """Return at most `limit` matching entries of both kinds, in this order.

        They are the first of the list, or those that follow `before`, the last entry of a page (newest first: those
        just older), or those that precede `after`, the first entry of a page, or the `last` of the list. Neither
        `before` nor `after` has to match, or to exist any more.
        """
        if order.column != "time":
            place, forwards = before or after, after is None and not last
            return read_sorted(self._database, limit, filter, order, place, forwards)
        if order.descending:
            return self._page_by_time(limit, before, filter, after, newest_first=after is None and not last)
        return self._page_by_time(limit, after, filter, before, newest_first=after is not None or last)[::-1]

    def _page_by_time(
        self, limit: int, before: Entry | None, criteria: HistoryFilter, after: Entry | None, newest_first: bool
    ) -> list[Entry]:
        """Return the newest matching entries between the two, or the oldest, newest first."""
        files = self._read(file_queries(criteria, before, after), read_file, FILE_COLUMNS, limit, newest_first)
        entries: list[Entry] = [*self._analyses(limit, newest_first, criteria, before, after), *files]
        entries.sort(key=lambda entry: (entry.created_at, isinstance(entry, Analysis), entry.id), reverse=newest_first)
        return entries[:limit] if newest_first else entries[:limit][::-1]

    def newest(self, limit: int) -> Iterator[Entry]:
        """Yield at most `limit` entries, newest first, with only one page of them in memory."""
        before: Entry | None = None
        while limit > 0 and (entries := self.page(min(limit, _LIST_PAGE_SIZE), before)):
            yield from entries
            limit -= len(entries)
            before = entries[-1]

    def count(self, filter: HistoryFilter = EVERYTHING) -> int:  # noqa: A002
        """Return the number of matching entries of both kinds."""
        return self._count([*analysis_queries(filter, count_only=True), *file_queries(filter)])

    def count_before(
        self,
        entry: Entry,
        filter: HistoryFilter = EVERYTHING,  # noqa: A002
        order: HistoryOrder = NEWEST_FIRST,
    ) -> int:
        """Return the number of matching entries that precede `entry` in this order."""
        if order.column != "time":
            return count_before(self._database, filter, order, entry)
        bounds = {"after" if order.descending else "before": entry}
        return self._count([*analysis_queries(filter, **bounds, count_only=True), *file_queries(filter, **bounds)])

    def filter_choices(self) -> FilterChoices:
        """Return the values in the history that a filter can select."""
        labels = self._distinct(_DISTINCT.format(column="coalesce(corrected, label)"))
        adapters = self._distinct(_DISTINCT.format(column="adapter"))
        sources = self._distinct(_DISTINCT.format(column="source"))
        adapters_of_files = self._distinct("SELECT DISTINCT adapter FROM labelled_files")
        if adapters_of_files:
            sources.add(FILE_SOURCE)
        return FilterChoices(tuple(sorted(labels)), tuple(sorted(adapters | adapters_of_files)), tuple(sorted(sources)))

    def correct(self, analysis_id: int, label: str | None) -> Analysis:
        """Store a user's `label` with the prediction, or None to remove it. Return the changed analysis.

        Raise UserInputError if the analysis does not exist.
        """
        with self._writing():
            return self._correct(*self._get(analysis_id), label)

    def correct_all(self, labels: Mapping[int, str | None]) -> list[Analysis]:
        """Do as `correct` does for each id, all or none. Return the analyses as they were before.

        Those that do not exist are left out.
        """
        with self._writing():
            stored = [found for analysis_id in sorted(labels) for found in self._stored(analysis_id)]
            for analysis, out_of_order in stored:
                self._correct(analysis, out_of_order, labels[analysis.id or 0])
        return [analysis for analysis, _out_of_order in stored]

    def mark_uncertain(self, below: float, after: int) -> int | None:
        """Mark predictions as uncertain by another threshold, some of those with an id above `after`.

        Return the last id, or None if no others are left."""
        query = f"""SELECT {ANALYSIS_COLUMNS}, late FROM analyses
            WHERE id > ? AND error IS NULL AND uncertain <> (confidence < ?) ORDER BY id LIMIT ?"""
        with self._writing():
            page = list(self._database.read(_read_stored, query, (after, below, _MARK_PAGE_SIZE)))
            for analysis, out_of_order in page:
                if analysis.error is None:  # a damaged one stays as it is
                    search.unindex(self._database, analysis, out_of_order)
                    uncertain = not analysis.uncertain
                    self._database.execute("UPDATE analyses SET uncertain = ? WHERE id = ?", (uncertain, analysis.id))
                    search.index(self._database, replace(analysis, uncertain=uncertain), out_of_order)
        return page[-1][0].id if len(page) == _MARK_PAGE_SIZE else None

    def delete(self, entries: Iterable[Entry]) -> None:
        """Delete `entries`, all or none. It is no error if some are gone already. `restore` brings them back."""
        with self._writing():
            for entry in _by_id(entries):
                # As it is stored: the caller's entry may be older than a correction.
                for stored, out_of_order in self._stored(entry.id) if isinstance(entry, Analysis) else ():
                    search.unindex(self._database, stored, out_of_order)
                self._database.execute(f"DELETE FROM {_table(entry)} WHERE id = ?", (entry.id,))
            search.purge(self._database)

    def restore(self, entries: Iterable[Entry]) -> None:
        """Store deleted `entries` again under their ids, all or none. One that exists stays as it is."""
        with self._writing():
            for entry in _by_id(entries):
                if self._database.execute(f"SELECT 1 FROM {_table(entry)} WHERE id = ?", (entry.id,)).fetchone():
                    continue
                if isinstance(entry, Analysis):
                    self._insert_analysis(entry)
                else:
                    self._insert("labelled_files", FILE_COLUMNS, entry_row(entry, FILE_COLUMNS))

    def export(
        self,
        path: Path,
        filter: HistoryFilter = EVERYTHING,  # noqa: A002
        bom: bool = True,
        escape_formulas: bool = True,
        overwrite: bool = False,
        readable: bool = False,
        ids: Iterable[int] | None = None,
        order: HistoryOrder = OLDEST_FIRST,
    ) -> Generator[Progress, None, int]:
        """Write the matching analyses, or those with these `ids`, to the CSV file `path`. Return their number.

        `label` is the effective one, and `label_source` says whose it is: `human` or `model`. `predicted` is always the
        model's. `readable` columns have local times, rounded probabilities, and a column for each label that occurs.
        Labeled files are no posts and are left out. The file holds the history as it was at the start. See `open_csv`
        for how texts are written. A generator that is closed before its end leaves `path` as it was.
        """
        with self._database.snapshot() as database:
            history = History(database)
            chosen = None if ids is None else history._sorted(ids, order)
            total = history._count(analysis_queries(filter, count_only=True)) if chosen is None else len(chosen)

            def pages() -> Iterable[list[Analysis]]:
                return history._export_pages(filter, total, order) if chosen is None else [chosen]

            labels = (yield from _labels(pages(), total)) if readable else None
            written = 0
            with open_csv(path, export_columns(labels), bom, escape_formulas, overwrite) as write:
                for page in pages():
                    for analysis in page:
                        write(export_row(analysis, labels))
                    written += len(page)
                    yield Progress("writing", written, total)
                if written != total:
                    message = _(
                        "Export incomplete: {written} of {total} posts. Check the database with 'weibo-tui doctor'."
                    )
                    raise CorruptFileError(message.format(written=f"{written:,}", total=f"{total:,}"))
        return written

    def clear(self) -> int:
        """Delete all entries, from the disk too. Return how many there were."""
        with self._writing():
            count = self.count()
            self._database.execute("DELETE FROM analyses")
            self._database.execute("DELETE FROM labelled_files")
            search.clear(self._database)
        # The posts are overwritten already. VACUUM frees their space, if the disk has room for it.
        with suppress(WeiboTuiError), self._database.exclusive():
            self._database.execute("VACUUM")
        with self._database.exclusive():
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Begin a transaction in a file that is still in place. Runs do without: theirs ends well even if it is not."""
        self._database.check_in_place()
        with self._database.transaction():
            yield

    def _correct(self, analysis: Analysis, out_of_order: bool, label: str | None) -> Analysis:
        corrected = replace(analysis, corrected=label)
        search.unindex(self._database, analysis, out_of_order)
        query = "UPDATE analyses SET corrected = ? WHERE id = ?"
        self._database.execute(query, (None if label is None else pack(label), analysis.id))
        search.index(self._database, corrected, out_of_order)
        return corrected

    def _insert_analysis(self, analysis: Analysis) -> int:
        place = {"at": analysis.created_at, "id": analysis.id or LAST_ID}
        query = f"SELECT coalesce(({_OLDER}), 0) > :id OR coalesce(({_NEWER}), :id) < :id"
        out_of_order = bool(self._database.execute(query, place).fetchone()[0])
        row = (*entry_row(analysis, ANALYSIS_COLUMNS), out_of_order)
        identity = self._insert("analyses", f"{ANALYSIS_COLUMNS}, late", row)
        search.index(self._database, replace(analysis, id=identity), out_of_order)
        return identity

    def _insert(self, table: str, columns: str, row: Sequence[Any]) -> int:
        placeholders = ", ".join("?" for _value in row)
        identity = self._database.execute(f"INSERT INTO {table} ({columns}) VALUES ({placeholders})", row).lastrowid
        assert identity is not None  # an INSERT of one row has one
        return identity

    def _get(self, analysis_id: int) -> tuple[Analysis, bool]:
        for stored in self._stored(analysis_id):
            return stored
        message = _("History entry {id} not found: it was deleted or never recorded.")
        raise UserInputError(message.format(id=analysis_id))

    def _stored(self, analysis_id: int | None) -> list[tuple[Analysis, bool]]:
        query = f"SELECT {ANALYSIS_COLUMNS}, late FROM analyses WHERE id = ?"
        return list(self._database.read(_read_stored, query, (analysis_id,)))

    def _analyses(
        self,
        limit: int,
        newest_first: bool,
        criteria: HistoryFilter,
        before: Entry | None = None,
        after: Entry | None = None,
    ) -> list[Analysis]:
        queries = analysis_queries(criteria, before, after)
        analyses = self._read(queries, read_analysis, ANALYSIS_COLUMNS, limit, newest_first)
        analyses.sort(key=lambda analysis: (analysis.created_at, analysis.id), reverse=newest_first)
        return analyses[:limit]

    def _export_pages(self, criteria: HistoryFilter, total: int, order: HistoryOrder) -> Iterator[list[Analysis]]:
        """Yield the matching analyses page by page, until there are `total`."""
        read, last = 0, None
        # An entry without a time comes last, and again after itself: the count is what ends the loop.
        while read < total and (page := self._export_page(criteria, last, order)):
            yield page
            read += len(page)
            last = page[-1]

    def _export_page(self, criteria: HistoryFilter, last: Analysis | None, order: HistoryOrder) -> list[Analysis]:
        if order.column == "time":
            before, after = (last, None) if order.descending else (None, last)
            return self._analyses(_EXPORT_PAGE_SIZE, order.descending, criteria, before, after)
        entries = read_sorted(self._database, _EXPORT_PAGE_SIZE, criteria, order, last)
        return [entry for entry in entries if isinstance(entry, Analysis)]  # files come last

    def _sorted(self, ids: Iterable[int], order: HistoryOrder) -> list[Analysis]:
        return sort_analyses((stored[0] for analysis_id in ids for stored in self._stored(analysis_id)), order)

    def _read(
        self,
        queries: Iterable[HistoryQueries],
        decode: Callable[[Sequence[Any]], T],
        columns: str,
        limit: int,
        newest_first: bool,
    ) -> list[T]:
        return [
            entry
            for query in queries
            for entry in self._database.read(decode, query.page(columns, newest_first), query.values | {"limit": limit})
        ]

    def _count(self, queries: Iterable[HistoryQueries]) -> int:
        return sum(
            count
            for query in queries
            for count in self._database.read(lambda row: int(row[0]), query.count(), query.values)
        )

    def _distinct(self, query: str) -> set[str]:
        return set(self._database.read(lambda row: unpack(row[0]), query))


def _read_stored(row: Sequence[Any]) -> tuple[Analysis, bool]:
    """Return an analysis, and whether it is out of order."""
    return read_analysis(row), bool(row[-1])


def _by_id(entries: Iterable[Entry]) -> list[Entry]:
    # The search index takes entries ten times as fast in the order of their ids.
    return sorted(entries, key=lambda entry: entry.id or 0)


def _table(entry: Entry) -> str:
    return "analyses" if isinstance(entry, Analysis) else "labelled_files"


def _labels(pages: Iterable[list[Analysis]], total: int) -> Generator[Progress, None, list[str]]:
    """Return the labels that have a probability in some analysis."""
    labels: dict[str, None] = {}
    read = 0
    for page in pages:
        labels.update(dict.fromkeys(label for analysis in page for label in analysis.probabilities))
        read += len(page)
        yield Progress("reading", read, total)
    return list(labels)
