"""The history: every verdict on a post, and every file that was labelled."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage import history_queries as selection
from weibo_tui.storage import search
from weibo_tui.storage.codec import pack, unpack
from weibo_tui.storage.csv_export import open_csv
from weibo_tui.storage.database import Database
from weibo_tui.storage.entries import (
    ANALYSIS_COLUMNS,
    FILE_COLUMNS,
    Analysis,
    Entry,
    LabeledFile,
    analysis_row,
    file_row,
    read_analysis,
    read_file,
)
from weibo_tui.storage.history_filter import EVERYTHING, FILES, FilterChoices, HistoryFilter
from weibo_tui.storage.history_queries import LAST_ID, HistoryQueries

# What those who use the history need, from one place.
__all__ = ["EVERYTHING", "FILES", "Analysis", "Entry", "FilterChoices", "History", "HistoryFilter", "LabeledFile"]

EXPORT_COLUMNS = (
    "id",
    "created_at",
    "text",
    "label",
    "confidence",
    "adapter",
    "uncertain",
    "truncated",
    "characters",
    "characters_read",
    "milliseconds",
    "source",
    "probabilities",
    "error",
    "corrected",
    "label_source",
    "predicted",
)
_EXPORTED_AT_ONCE = 2000
_LISTED_AT_ONCE = 1000

# The neighbours in time of the place (:at, :id), among the analyses that are not late.
_OLDER = (
    "SELECT id FROM analyses WHERE late = 0 AND (created_at, id) < (:at, :id) ORDER BY created_at DESC, id DESC LIMIT 1"
)
_NEWER = "SELECT id FROM analyses WHERE late = 0 AND (created_at, id) > (:at, :id) ORDER BY created_at, id LIMIT 1"

# The least value, then again and again the least above it: one step into the index for each there is.
_DISTINCT = """
    WITH RECURSIVE found (value) AS (
        SELECT min({column}) FROM analyses
        UNION ALL
        SELECT (SELECT min({column}) FROM analyses WHERE {column} > value) FROM found WHERE value IS NOT NULL
    )
    SELECT value FROM found WHERE value IS NOT NULL
"""

T = TypeVar("T", Analysis, LabeledFile)


class History:
    """The analyses and labelled files in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check_writable(self) -> None:
        """WeiboTuiError where nothing can be kept."""
        with self._writing():
            pass

    def add(self, analyses: Iterable[Analysis]) -> list[int]:
        """Keep ``analyses``, all or none; when this returns they are on disk. Their ids, in order."""
        with self._writing():
            return [self._insert_analysis(replace(analysis, id=None)) for analysis in analyses]

    def add_file(self, file: LabeledFile) -> int:
        """Keep ``file`` as one entry; its id."""
        with self._writing():
            return self._insert("labelled_files", FILE_COLUMNS, file_row(replace(file, id=None)))

    def has_file(self, file: LabeledFile) -> bool:
        """Whether what was written to that place at that moment is kept already."""
        query = "SELECT 1 FROM labelled_files WHERE created_at = ? AND out = ?"
        return any(self._database.read(bool, query, (file.created_at, pack(str(file.out)))))

    def get(self, analysis_id: int) -> Analysis:
        """The analysis with this id; UserInputError where there is none."""
        return self._get(analysis_id)[0]

    def page(
        self,
        limit: int,
        before: Entry | None = None,
        filter: HistoryFilter = EVERYTHING,  # noqa: A002 - the word for it
        after: Entry | None = None,
    ) -> list[Entry]:
        """At most ``limit`` entries of both kinds that match, newest first.

        They are the newest, or those just older than ``before``, the last entry of a page, or those just newer
        than ``after``, the first entry of a page. Neither has to match, nor to be there still.
        """
        newest_first = after is None
        entries: list[Entry] = [
            *self._analyses(limit, newest_first, filter, before, after),
            *self._read(selection.labelled_files(filter, before, after), read_file, FILE_COLUMNS, limit, newest_first),
        ]
        entries.sort(key=lambda entry: (entry.created_at, isinstance(entry, Analysis), entry.id), reverse=newest_first)
        return entries[:limit] if newest_first else entries[:limit][::-1]

    def newest(self, limit: int) -> Iterator[Entry]:
        """Yield at most ``limit`` entries, newest first, of which few are in memory at once."""
        before: Entry | None = None
        while limit > 0 and (entries := self.page(min(limit, _LISTED_AT_ONCE), before)):
            yield from entries
            limit -= len(entries)
            before = entries[-1]

    def count(
        self,
        filter: HistoryFilter = EVERYTHING,  # noqa: A002
        at_most: int | None = None,
        after: Entry | None = None,
    ) -> int:
        """The number of entries of both kinds that match, or only of those newer than ``after``.

        Counting ends at ``at_most``.
        """
        analyses = selection.analyses(filter, after=after, counted=True)
        return self._count([*analyses, *selection.labelled_files(filter, after=after)], at_most)

    def choices(self) -> FilterChoices:
        """What there is for a filter to ask for."""
        labels = self._distinct(_DISTINCT.format(column="coalesce(corrected, label)"))
        adapters = self._distinct(_DISTINCT.format(column="adapter"))
        sources = self._distinct(_DISTINCT.format(column="source"))
        of_files = self._distinct("SELECT DISTINCT adapter FROM labelled_files")
        if of_files:
            sources.add(FILES)
        return FilterChoices(tuple(sorted(labels)), tuple(sorted(adapters | of_files)), tuple(sorted(sources)))

    def correct(self, analysis_id: int, label: str | None) -> Analysis:
        """Keep ``label`` beside the verdict, or None: nobody has corrected it. The analysis as it is then.

        UserInputError where there is no such analysis.
        """
        with self._writing():
            analysis, late = self._get(analysis_id)
            corrected = replace(analysis, corrected=label)
            search.unindex(self._database, analysis, late)
            self._database.execute(
                "UPDATE analyses SET corrected = ? WHERE id = ?",
                (None if label is None else pack(label), analysis_id),
            )
            search.index(self._database, corrected, late)
        return corrected

    def delete(self, entries: Iterable[Entry]) -> None:
        """Forget ``entries``, all or none; one that is gone already is no error. `restore` brings them back."""
        with self._writing():
            for entry in _by_id(entries):
                # As it is kept: the entry at hand may be from before a correction.
                for kept, late in self._kept(entry.id) if isinstance(entry, Analysis) else ():
                    search.unindex(self._database, kept, late)
                self._database.execute(f"DELETE FROM {_table(entry)} WHERE id = ?", (entry.id,))
            search.purge(self._database)

    def restore(self, entries: Iterable[Entry]) -> None:
        """Keep deleted ``entries`` again under their ids, all or none; one that is there already stays as it is."""
        with self._writing():
            for entry in _by_id(entries):
                if self._database.execute(f"SELECT 1 FROM {_table(entry)} WHERE id = ?", (entry.id,)).fetchone():
                    continue
                if isinstance(entry, Analysis):
                    self._insert_analysis(entry)
                else:
                    self._insert("labelled_files", FILE_COLUMNS, file_row(entry))

    def export(
        self,
        path: Path,
        filter: HistoryFilter = EVERYTHING,  # noqa: A002
        bom: bool = True,
        guard: bool = True,
        overwrite: bool = False,
    ) -> Generator[Progress, None, int]:
        """Write the analyses that match, oldest first, to the CSV file ``path``; their number, when it is whole.

        `label` is the one that counts: of a person where there is one, and `label_source` is `human` then, otherwise
        `model`; `predicted` is always the model's. Labelled files are no posts and stay out. The file holds the
        history of one moment, whatever is added or deleted later. `open_csv` tells how texts are written, and that a
        generator that is closed before its end leaves the place as it was.
        """
        written = 0
        last: Analysis | None = None
        with open_csv(path, EXPORT_COLUMNS, bom, guard, overwrite) as write, self._database.snapshot() as database:
            history = History(database)
            total = history._count([*selection.analyses(filter, counted=True)], None)
            # An entry without its moment comes last, and again after itself: the count is what ends it.
            while written < total and (some := history._analyses(_EXPORTED_AT_ONCE, False, filter, after=last)):
                for analysis in some:
                    write(_export_row(analysis))
                written += len(some)
                last = some[-1]
                yield Progress("writing", written, total)
            if written != total:
                message = _(
                    "Export incomplete: {written} of {total} posts. Check the database with 'weibo-tui doctor'."
                )
                raise CorruptFileError(message.format(written=f"{written:,}", total=f"{total:,}"))
        return written

    def clear(self) -> int:
        """Forget all entries; how many there were. The posts leave the disk too, not only the tables."""
        with self._writing():
            count = self.count()
            self._database.execute("DELETE FROM analyses")
            self._database.execute("DELETE FROM labelled_files")
            search.empty(self._database)
        # What was deleted is overwritten already: only the space is still to be given back, where there is room to.
        with suppress(WeiboTuiError), self._database.faults_named():
            self._database.execute("VACUUM")
        with self._database.faults_named():
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Begin a transaction in the database that others can read. Not for runs: theirs ends well without it."""
        self._database.check_in_place()
        with self._database.transaction():
            yield

    def _insert_analysis(self, analysis: Analysis) -> int:
        place = {"at": analysis.created_at, "id": analysis.id or LAST_ID}
        query = f"SELECT coalesce(({_OLDER}), 0) > :id OR coalesce(({_NEWER}), :id) < :id"
        late = bool(self._database.execute(query, place).fetchone()[0])
        row = (*analysis_row(analysis), late)
        kept = replace(analysis, id=self._insert("analyses", f"{ANALYSIS_COLUMNS}, late", row))
        search.index(self._database, kept, late)
        assert kept.id is not None
        return kept.id

    def _insert(self, table: str, columns: str, row: Sequence[Any]) -> int:
        places = ", ".join("?" for _value in row)
        identity = self._database.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", row).lastrowid
        assert identity is not None  # an INSERT of one row has one
        return identity

    def _get(self, analysis_id: int) -> tuple[Analysis, bool]:
        for kept in self._kept(analysis_id):
            return kept
        message = _("The history holds no analysis {id}: it was deleted, or never kept.")
        raise UserInputError(message.format(id=analysis_id))

    def _kept(self, analysis_id: int | None) -> list[tuple[Analysis, bool]]:
        query = f"SELECT {ANALYSIS_COLUMNS}, late FROM analyses WHERE id = ?"
        return list(self._database.read(lambda row: (read_analysis(row), bool(row[-1])), query, (analysis_id,)))

    def _analyses(
        self,
        limit: int,
        newest_first: bool,
        asked: HistoryFilter,
        before: Entry | None = None,
        after: Entry | None = None,
    ) -> list[Analysis]:
        selections = selection.analyses(asked, before, after)
        found = self._read(selections, read_analysis, ANALYSIS_COLUMNS, limit, newest_first)
        found.sort(key=lambda analysis: (analysis.created_at, analysis.id), reverse=newest_first)
        return found[:limit]

    def _read(
        self,
        selections: Iterable[HistoryQueries],
        make: Callable[[Sequence[Any]], T],
        columns: str,
        limit: int,
        newest_first: bool,
    ) -> list[T]:
        return [
            made
            for one in selections
            for made in self._database.read(make, one.page(columns, newest_first), one.values | {"limit": limit})
        ]

    def _count(self, selections: Sequence[HistoryQueries], at_most: int | None) -> int:
        found = 0
        for one in selections:
            limit = -1 if at_most is None else at_most - found
            found += sum(self._database.read(lambda row: int(row[0]), one.count(), one.values | {"limit": limit}))
        return found

    def _distinct(self, query: str) -> set[str]:
        return set(self._database.read(lambda row: unpack(row[0]), query))


def _by_id(entries: Iterable[Entry]) -> list[Entry]:
    # The search index takes what comes in the order of ids ten times as fast.
    return sorted(entries, key=lambda entry: entry.id or 0)


def _table(entry: Entry) -> str:
    return "analyses" if isinstance(entry, Analysis) else "labelled_files"


def _export_row(analysis: Analysis) -> list[Any]:
    values = {
        "label": analysis.settled_label,
        "label_source": "model" if analysis.corrected is None else "human",
        "predicted": analysis.label,
        "probabilities": json.dumps(analysis.probabilities, ensure_ascii=False),
    }
    return [values[name] if name in values else getattr(analysis, name) for name in EXPORT_COLUMNS]
