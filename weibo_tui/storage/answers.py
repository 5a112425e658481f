"""The log of answers that people give for the rows of a table: append-only, and the current answers follow from it.

A table is known by its posts, not by its path: the same posts in another file have the same answers. Nothing is ever
changed in the log except that an entry is marked as undone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.storage.codec import pack, timestamp, to_json, unpack, unpack_name
from weibo_tui.storage.database import Database

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Purpose = Literal["sample", "teach", "correction"]
"""Why a row was answered: drawn at random to measure, chosen to train on, or corrected by the user's own choice."""

Kind = Literal["label", "cannot_tell", "cleared", "flag", "unflag", "note"]
"""The first three are answers; `cleared` takes an answer back for all annotators."""

ANSWER_KINDS = ("label", "cannot_tell", "cleared")
PURPOSES: tuple[Purpose, ...] = ("sample", "teach", "correction")

_COLUMNS = (
    "id, action, posts, row, text_key, text, purpose, annotator, pass, rank, kind, value, predicted, confidence, "
    "adapter, seconds, created_at, undone_at"
)
_ROWS_A_QUERY = 500  # SQLite takes at least 999 parameters


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One entry of the log.

    `row` counts from 1. `repeat` is True for a second answer of the same annotator, which is compared with the
    first one and is not the row's answer. `rank` is the place in the sample's order, from 0. `predicted`,
    `confidence` and `adapter` are the model's at that time. Entries that were added together have the same `action`.
    """

    posts: str
    row: int
    text_key: int
    text: str
    purpose: Purpose
    annotator: str
    kind: Kind
    value: str | None = None
    repeat: bool = False
    rank: int | None = None
    predicted: str | None = None
    confidence: float | None = None
    adapter: str | None = None
    seconds: float | None = None
    created_at: str = ""
    """Default: now."""
    id: int | None = None
    action: int | None = None
    undone_at: str | None = None


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """The current state of one row. `label` is None without an answer and where the label could not be told.

    `purpose` is None for a row without an answer, and `id` that of its last entry."""

    label: str | None = None
    cannot_tell: bool = False
    purpose: Purpose | None = None
    annotator: str = ""
    rank: int | None = None
    flagged: bool = False
    note: str = ""
    id: int = 0

    @property
    def is_answered(self) -> bool:
        return self.label is not None or self.cannot_tell


@dataclass(frozen=True, slots=True)
class AnnotatedFile:
    """A table with answers.

    `path` is where it was last, `rows` the number of its rows that have a text, `labels` are those of the model and of
    answers. `reserve` is the rank at which the sample ends, None without an end.
    """

    posts: str
    path: Path
    rows: int
    labels: tuple[str, ...]
    guideline: str = ""
    reserve: int | None = None
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class SampleTexts:
    """The hashes of the posts of one table that were drawn at random, (n,): never to be trained on."""

    posts: str
    path: Path
    keys: NDArray[np.int64]


class Answers:
    """The log in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def files(self) -> list[AnnotatedFile]:
        """Return the tables with answers, those that were answered last first."""
        query = """
            SELECT posts, path, rows, labels, guideline, reserve, created_at FROM annotated_files
            ORDER BY (SELECT max(id) FROM answers WHERE answers.posts = annotated_files.posts) DESC NULLS LAST
        """
        return list(self._database.read(_read_file, query))

    def file(self, posts: str) -> AnnotatedFile | None:
        """Return a table, None before `register`."""
        query = """
            SELECT posts, path, rows, labels, guideline, reserve, created_at FROM annotated_files WHERE posts = ?
        """
        return next(self._database.read(_read_file, query, (posts,)), None)

    def files_at(self, path: Path) -> list[AnnotatedFile]:
        """Return the tables that were at this path: more than one where its posts have changed."""
        return [file for file in self.files() if file.path == path]

    def register(self, file: AnnotatedFile) -> None:
        """Store a table, or that it is at another path or has more labels now. Its other values stay as they are."""
        with self._writing():
            stored = self.file(file.posts)
            labels = tuple(dict.fromkeys((*file.labels, *(stored.labels if stored else ()))))
            self._database.execute(
                """
                INSERT INTO annotated_files (posts, path, rows, labels, guideline, created_at)
                VALUES (:posts, :path, :rows, :labels, :guideline, :created_at)
                ON CONFLICT (posts) DO UPDATE SET path = excluded.path, labels = excluded.labels
                WHERE (path, labels) IS NOT (excluded.path, excluded.labels)
                """,
                {
                    "posts": file.posts,
                    "path": pack(str(file.path)),
                    "rows": file.rows,
                    "labels": to_json(labels),
                    "guideline": pack(file.guideline),
                    "created_at": file.created_at or timestamp(),
                },
            )

    def set_guideline(self, posts: str, text: str) -> None:
        """Store what the labels of a registered table mean."""
        with self._writing():
            self._database.execute("UPDATE annotated_files SET guideline = ? WHERE posts = ?", (pack(text), posts))

    def reserve(self, posts: str, ranks: int) -> int:
        """End the sample of a registered table at `ranks`, or where it is already if that is more. Return the end.

        The first call decides for all times, so that the rows that follow can be trained on."""
        with self._writing():
            query = """
                UPDATE annotated_files SET reserve = max(
                    :ranks, (SELECT coalesce(max(rank) + 1, 0) FROM answers WHERE posts = :posts AND purpose = 'sample')
                ) WHERE posts = :posts AND reserve IS NULL
            """
            self._database.execute(query, {"posts": posts, "ranks": ranks})
            stored = self._database.execute("SELECT reserve FROM annotated_files WHERE posts = ?", (posts,)).fetchone()
        return int(stored[0])

    def add(self, entries: Iterable[LoggedAnswer]) -> list[int]:
        """Add the entries of one action to the log, all or none, on disk when this returns. Return their ids.

        Their tables must be registered. Raise UserInputError for a row of the sample that is left to teach now."""
        ids: list[int] = []
        with self._writing():
            for entry in entries:
                if entry.purpose == "sample" and not entry.repeat:
                    self._check_in_sample(entry)
                ids.append(self._insert(entry, ids[0] if ids else None))
        return ids

    def undo(self, posts: str, annotator: str, purpose: Purpose | None = None) -> list[LoggedAnswer]:
        """Undo the last action of an annotator on a table that is not undone. Return its entries, [] without one."""
        purposes = PURPOSES if purpose is None else (purpose,)
        chosen = ", ".join("?" for _purpose in purposes)
        with self._writing():
            last = self._database.execute(
                f"""
                SELECT action FROM answers WHERE posts = ? AND annotator = ? AND purpose IN ({chosen})
                AND undone_at IS NULL ORDER BY id DESC LIMIT 1
                """,
                (posts, pack(annotator), *purposes),
            ).fetchone()
            if last is None:
                return []
            # An action is of one table, but its rows may be of several purposes.
            query = f"SELECT {_COLUMNS} FROM answers WHERE posts = ? AND action = ? AND undone_at IS NULL ORDER BY id"
            entries = list(self._database.read(_read_entry, query, (posts, *last)))
            now = timestamp()
            for entry in entries:
                self._database.execute("UPDATE answers SET undone_at = ? WHERE id = ?", (now, entry.id))
        return [replace(entry, undone_at=now) for entry in entries]

    def remove(self, posts: str) -> int:
        """Delete a table and all of its answers. Return the number of entries."""
        with self._writing():
            (number,) = self._database.execute("SELECT count(*) FROM answers WHERE posts = ?", (posts,)).fetchone()
            self._database.execute("DELETE FROM annotated_files WHERE posts = ?", (posts,))
        return int(number)

    def revision(self, posts: str) -> tuple[int, ...]:
        """Return a value that differs after every change to the answers of a table, in any program, to the end of
        its sample, and after its removal."""
        query = """
            SELECT (SELECT coalesce(max(id), 0) FROM answers WHERE posts = :posts),
                (SELECT coalesce(min(id), 0) FROM answers WHERE posts = :posts),
                (SELECT count(*) FROM answers WHERE posts = :posts AND undone_at IS NOT NULL),
                coalesce((SELECT coalesce(reserve, -1) FROM annotated_files WHERE posts = :posts), -2)
        """
        return next(self._database.read(lambda row: tuple(map(int, row)), query, {"posts": posts}))

    def changed_rows(self, posts: str, since: Sequence[int]) -> list[int]:
        """Return the rows whose state may differ from that at a `revision`: those with later or undone entries."""
        query = """
            SELECT row FROM answers WHERE posts = :posts AND id > :id
            UNION SELECT row FROM answers WHERE posts = :posts AND undone_at IS NOT NULL
        """
        return list(self._database.read(lambda row: int(row[0]), query, {"posts": posts, "id": since[0]}))

    def last_id(self) -> int:
        """Return the id of the last entry, 0 without one."""
        return next(self._database.read(lambda row: int(row[0]), "SELECT coalesce(max(id), 0) FROM answers"))

    def of(self, posts: str, rows: Collection[int] | None = None) -> dict[int, RowAnswer]:
        """Return the current state of all rows that the log has, or of those in `rows`, by number."""
        query = "SELECT id, row, purpose, annotator, rank, kind, value FROM answers WHERE posts = ?"
        ending = "AND pass = 1 AND undone_at IS NULL ORDER BY id"
        answers: dict[int, RowAnswer] = {}
        for condition, values in _row_conditions(rows):
            for entry in self._database.read(_read_short, f"{query} {condition} {ending}", (posts, *values)):
                answers[entry.row] = _apply(entry, answers.get(entry.row, RowAnswer()))
        return answers

    def entries(self, posts: str, annotator: str | None = None) -> list[LoggedAnswer]:
        """Return the entries of a table that are not undone, of one annotator or of all, in order."""
        condition, values = ("", (posts,)) if annotator is None else ("AND annotator = ?", (posts, pack(annotator)))
        query = f"SELECT {_COLUMNS} FROM answers WHERE posts = ? {condition} AND undone_at IS NULL ORDER BY id"
        return list(self._database.read(_read_entry, query, values))

    def by_text(self, tables: Iterable[str]) -> dict[int, RowAnswer]:
        """Return the current answers in the tables with these posts, by the hash of the text: each text's last one."""
        last: dict[int, RowAnswer] = {}
        for posts in tables:
            answers = self.of(posts)
            query = "SELECT DISTINCT row, text_key FROM answers WHERE posts = ? AND text_key <> 0"
            for row, key in self._database.read(lambda row: (int(row[0]), int(row[1])), query, (posts,)):
                answer = answers.get(row)
                if answer is not None and answer.is_answered and answer.id > last.get(key, RowAnswer()).id:
                    last[key] = answer
        return last

    def sample_texts(self, until: int | None = None) -> list[SampleTexts]:
        """Return the posts that were drawn at random in each table, by the log up to the entry `until`.

        Undone answers count, because their rows are in the sample. So the same `until` always gives the same posts."""
        import numpy as np

        limit = self.last_id() if until is None else until
        query = "SELECT DISTINCT text_key FROM answers WHERE posts = ? AND purpose = 'sample' AND id <= ?"
        samples = []
        for file in self.files():
            keys = np.array([*self._database.read(lambda row: int(row[0]), query, (file.posts, limit))], np.int64)
            if len(keys):
                samples.append(SampleTexts(file.posts, file.path, np.sort(keys)))
        return samples

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._database.check_in_place()
        with self._database.transaction():
            yield

    def _check_in_sample(self, entry: LoggedAnswer) -> None:
        query = "SELECT reserve FROM annotated_files WHERE posts = ?"
        (reserve,) = self._database.execute(query, (entry.posts,)).fetchone() or (None,)
        if reserve is not None and entry.rank is not None and entry.rank >= reserve:
            message = _("The sample of this file ends at {number} posts. The others are kept for training.")
            raise UserInputError(message.format(number=f"{reserve:,}"))

    def _insert(self, entry: LoggedAnswer, action: int | None) -> int:
        names = [name for name in _COLUMNS.split(", ") if name not in ("id", "undone_at")]
        values = _entry_values(entry) | {"action": action or 0}
        marks = ", ".join(f":{name}" for name in names)
        query = f"INSERT INTO answers ({', '.join(names)}) VALUES ({marks})"
        identity = self._database.execute(query, values).lastrowid
        assert identity is not None  # an INSERT of one row has one
        if action is None:
            self._database.execute("UPDATE answers SET action = id WHERE id = ?", (identity,))
        return identity


def _apply(entry: LoggedAnswer, before: RowAnswer) -> RowAnswer:
    """Return the state of a row after an entry."""
    identity = entry.id or 0
    if entry.kind in ("flag", "unflag"):
        return replace(before, flagged=entry.kind == "flag", id=identity)
    if entry.kind == "note":
        return replace(before, note=entry.value or "", id=identity)
    if entry.kind == "cleared":
        return replace(before, label=None, cannot_tell=False, purpose=None, rank=None, id=identity)
    # A row of the sample stays one, for example after a correction of the same row.
    is_sample = "sample" in (before.purpose, entry.purpose)
    return replace(
        before,
        label=entry.value if entry.kind == "label" else None,
        cannot_tell=entry.kind == "cannot_tell",
        purpose="sample" if is_sample else entry.purpose,
        annotator=entry.annotator,
        rank=before.rank if entry.rank is None else entry.rank,
        id=identity,
    )


def _row_conditions(rows: Collection[int] | None) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield the conditions, with their values, of queries that together read these rows, or all."""
    if rows is None:
        yield "", ()
        return
    numbers = list(rows)
    for start in range(0, len(numbers), _ROWS_A_QUERY):
        part = numbers[start : start + _ROWS_A_QUERY]
        yield f"AND row IN ({', '.join('?' for _number in part)})", part


def _entry_values(entry: LoggedAnswer) -> dict[str, Any]:
    values = {name: getattr(entry, "repeat" if name == "pass" else name) for name in _COLUMNS.split(", ")}
    values |= {"pass": 2 if entry.repeat else 1, "created_at": entry.created_at or timestamp()}
    return {name: pack(value) if isinstance(value, str) else value for name, value in values.items()}


def _read_entry(row: Sequence[Any]) -> LoggedAnswer:
    return LoggedAnswer(
        id=int(row[0]),
        action=int(row[1]),
        posts=unpack_name(row[2]),
        row=int(row[3]),
        text_key=int(row[4]),
        text=unpack(row[5]),
        purpose=row[6],
        annotator=unpack_name(row[7]),
        repeat=row[8] == 2,
        rank=None if row[9] is None else int(row[9]),
        kind=row[10],
        value=None if row[11] is None else unpack(row[11]),
        predicted=None if row[12] is None else unpack_name(row[12]),
        confidence=None if row[13] is None else float(row[13]),
        adapter=None if row[14] is None else unpack_name(row[14]),
        seconds=None if row[15] is None else float(row[15]),
        created_at=unpack_name(row[16]),
        undone_at=row[17],
    )


def _read_short(row: Sequence[Any]) -> LoggedAnswer:
    """Read the columns of `Answers.of`, where the rest is not needed and would take most of the time."""
    identity, number, purpose, annotator, rank, kind, value = row
    label = None if value is None else unpack(value)
    return LoggedAnswer("", number, 0, "", purpose, unpack(annotator), kind, label, rank=rank, id=identity)


def _read_file(row: Sequence[Any]) -> AnnotatedFile:
    labels = tuple(unpack_name(label) for label in json.loads(row[3]))
    reserve = None if row[5] is None else int(row[5])
    path = Path(unpack(row[1]))
    return AnnotatedFile(unpack_name(row[0]), path, int(row[2]), labels, unpack(row[4]), reserve, unpack_name(row[6]))
