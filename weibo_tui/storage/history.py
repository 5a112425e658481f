"""The history: every verdict on a post, and every file that was labelled."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from weibo_tui.storage.csv_export import write_csv
from weibo_tui.storage.database import Database
from weibo_tui.storage.values import from_json, pack, to_json, unpack

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
)

_ANALYSIS = (
    "text, label, confidence, probabilities, uncertain, adapter, truncated, characters, characters_read, "
    "milliseconds, created_at, source, error"
)
_LABELLED_FILE = "path, out, adapter, rows, failed, counts, created_at"

_LAST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Analysis:
    """One verdict on one post. A post that failed has an ``error``, the label "" and the confidence None."""

    text: str
    label: str
    confidence: float | None
    probabilities: dict[str, float]
    uncertain: bool
    adapter: str
    truncated: bool
    characters: int
    characters_read: int
    milliseconds: float
    created_at: str
    """As `weibo_tui.storage.values.timestamp` gives it: the history's order stands on it."""
    source: str
    """Where the post came from: ``cli``, ``stdin`` or ``app``."""
    error: str | None = None
    id: int | None = None
    """Given by the history."""


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A file that was labelled, as one entry: ``counts`` are rows by label, ``failed`` those without one."""

    path: Path
    out: Path
    adapter: str
    rows: int
    failed: int
    counts: dict[str, int]
    created_at: str
    id: int | None = None


Entry = Analysis | LabelledFile

T = TypeVar("T")


class History:
    """The analyses and labelled files in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, analyses: Iterable[Analysis]) -> list[int]:
        """Keep ``analyses``, all or none; when this returns they are on disk. Their ids, in order."""
        rows = [_analysis_row(analysis) for analysis in analyses]
        insert = f"INSERT INTO analyses ({_ANALYSIS}) VALUES ({_places(_ANALYSIS)})"
        with self._database.transaction():
            return [self._insert(insert, row) for row in rows]

    def add_file(self, file: LabelledFile) -> int:
        """Keep ``file`` as one entry; its id."""
        insert = f"INSERT INTO labelled_files ({_LABELLED_FILE}) VALUES ({_places(_LABELLED_FILE)})"
        with self._database.transaction():
            return self._insert(insert, _file_row(file))

    def page(self, limit: int, before: Entry | None = None) -> list[Entry]:
        """The newest ``limit`` entries of both kinds, newest first.

        ``before`` is the last entry of a page, and asks for the page that follows it.
        """
        # Both tables count their ids from 1: at one and the same moment, all analyses come before all files.
        analyses_mark = files_mark = None
        if before is not None:
            is_analysis = isinstance(before, Analysis)
            analyses_mark = (before.created_at, before.id if is_analysis else 0)
            files_mark = (before.created_at, _LAST_ID if is_analysis else before.id)
        entries: list[Entry] = [
            *self._newest(_analysis, "analyses", _ANALYSIS, limit, analyses_mark),
            *self._newest(_file, "labelled_files", _LABELLED_FILE, limit, files_mark),
        ]
        entries.sort(key=lambda entry: (entry.created_at, isinstance(entry, Analysis), entry.id), reverse=True)
        return entries[:limit]

    def count(self) -> int:
        """The number of entries of both kinds."""
        with self._database.faults_named():
            return self._count()

    def export_csv(self, path: Path, bom: bool = True, guard: bool = True) -> int:
        """Write all analyses in the order they were added to the CSV file ``path``; their number.

        Labelled files are no posts and stay out. `write_csv` tells how texts are written.
        """
        analyses = self._database.read(_analysis, f"SELECT id, {_ANALYSIS} FROM analyses ORDER BY id")
        return write_csv(path, EXPORT_COLUMNS, map(_export_row, analyses), bom=bom, guarded=guard)

    def clear(self) -> int:
        """Forget all entries; how many there were. The posts leave the disk too, not only the tables."""
        with self._database.transaction():
            count = self._count()
            self._database.execute("DELETE FROM analyses")
            self._database.execute("DELETE FROM labelled_files")
        with self._database.faults_named():
            self._database.execute("VACUUM")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def _insert(self, statement: str, row: Sequence[Any]) -> int:
        identity = self._database.execute(statement, row).lastrowid
        assert identity is not None  # an INSERT of one row has one
        return identity

    def _newest(
        self,
        make: Callable[[Sequence[Any]], T],
        table: str,
        columns: str,
        limit: int,
        mark: tuple[str, int | None] | None,
    ) -> Iterator[T]:
        where = "" if mark is None else "WHERE (created_at, id) < (?, ?)"
        query = f"SELECT id, {columns} FROM {table} {where} ORDER BY created_at DESC, id DESC LIMIT ?"
        return self._database.read(make, query, (*(mark or ()), limit))

    def _count(self) -> int:
        query = "SELECT (SELECT count(*) FROM analyses) + (SELECT count(*) FROM labelled_files)"
        return int(self._database.execute(query).fetchone()[0])


def _places(columns: str) -> str:
    return ", ".join("?" for _ in columns.split(","))


def _analysis_row(analysis: Analysis) -> tuple[Any, ...]:
    return (
        pack(analysis.text),
        pack(analysis.label),
        analysis.confidence,
        to_json(analysis.probabilities),
        analysis.uncertain,
        pack(analysis.adapter),
        analysis.truncated,
        analysis.characters,
        analysis.characters_read,
        analysis.milliseconds,
        analysis.created_at,
        analysis.source,
        None if analysis.error is None else pack(analysis.error),
    )


def _analysis(row: Sequence[Any]) -> Analysis:
    return Analysis(
        id=row[0],
        text=unpack(row[1]),
        label=unpack(row[2]),
        confidence=None if row[3] is None else float(row[3]),
        probabilities=from_json(row[4]),
        uncertain=bool(row[5]),
        adapter=unpack(row[6]),
        truncated=bool(row[7]),
        characters=int(row[8]),
        characters_read=int(row[9]),
        milliseconds=float(row[10]),
        created_at=unpack(row[11]),
        source=unpack(row[12]),
        error=None if row[13] is None else unpack(row[13]),
    )


def _file_row(file: LabelledFile) -> tuple[Any, ...]:
    return (
        pack(str(file.path)),
        pack(str(file.out)),
        pack(file.adapter),
        file.rows,
        file.failed,
        to_json(file.counts),
        file.created_at,
    )


def _file(row: Sequence[Any]) -> LabelledFile:
    return LabelledFile(
        id=row[0],
        path=Path(unpack(row[1])),
        out=Path(unpack(row[2])),
        adapter=unpack(row[3]),
        rows=int(row[4]),
        failed=int(row[5]),
        counts=from_json(row[6]),
        created_at=unpack(row[7]),
    )


def _export_row(analysis: Analysis) -> list[Any]:
    probabilities = json.dumps(analysis.probabilities, ensure_ascii=False)
    return [probabilities if name == "probabilities" else getattr(analysis, name) for name in EXPORT_COLUMNS]
