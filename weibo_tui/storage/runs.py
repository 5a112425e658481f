"""Runs: each training, its state, its folder and the journal of its events."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import filelock

from weibo_tui.atomic import cannot_write, folder_aside, make_private_folder
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.storage.codec import UNREADABLE, from_json, pack, timestamp, to_json, unpack, unpack_name
from weibo_tui.storage.database import BUSY_SECONDS, Database
from weibo_tui.storage.journal_export import write_json_lines, write_table
from weibo_tui.text.terminal import join_names, truncate

State = Literal["running", "finished", "stopped", "failed", "interrupted"]
"""As shown. ``interrupted`` is never stored: it is a running one whose process is gone."""

DAMAGED = "Damaged"
"""In place of an event that the disk damaged."""

PATIENCE_SECONDS = 600.0
"""How long a run waits at its checkpoints and its end for another program's transaction."""

_CLAIM_SECONDS = 0.5
_EVENTS_AT_ONCE = 1000
_COLUMNS = "id, kind, name, plan, state, created_at, updated_at, step, steps, summary"


@dataclass(frozen=True, slots=True)
class Run:
    """One training. ``step`` and ``steps`` (None: not known) are the latest that its events gave."""

    id: str
    kind: str
    name: str
    state: State
    created_at: str
    updated_at: str
    step: int
    steps: int | None
    plan: dict[str, Any]
    summary: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One event as the journal keeps it: ``seq`` counts from 1 within the run, ``at`` is when it happened."""

    seq: int
    at: str
    event: dict[str, Any]


class Runs:
    """The runs in the database, and their folders under ``folder``."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def create(self, kind: str, name: str, plan: Mapping[str, Any]) -> Run:
        """A new running run with an empty folder. Claim it at once: others take it for interrupted else."""
        moment = datetime.now(UTC)
        now = timestamp(moment)
        run_id = self._new_folder(f"{moment:%Y%m%d-%H%M%S}")
        folder = self.folder(run_id)
        try:
            with self._database.transaction():
                self._database.execute(
                    "INSERT INTO runs (id, kind, name, plan, state, created_at, updated_at) "
                    "VALUES (?, ?, ?, ?, 'running', ?, ?)",
                    (run_id, kind, pack(name), to_json(plan), now, now),
                )
        except BaseException:
            folder.rmdir()
            raise
        return self.get(run_id)

    def _new_folder(self, moment: str) -> str:
        """The id of a run that begins at `moment`, whose folder is made: several may begin in one second."""
        folder = self._folder
        try:
            make_private_folder(folder)
            while True:
                run_id = f"{moment}-{secrets.token_hex(2)}"
                folder = self.folder(run_id)
                if not folder.exists():
                    folder.mkdir(mode=0o700)
                    return run_id
        except OSError as error:
            raise cannot_write(folder, error) from error

    def folder(self, run_id: str) -> Path:
        """Where the run keeps its checkpoints."""
        if not re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", run_id):
            # The id becomes a path that `remove` deletes: one from a tampered database must not climb out.
            message = _("The database {path} holds a run that is none ({run}): move the database aside.")
            raise CorruptFileError(message.format(path=self._database.path, run=run_id))
        return self._folder / run_id

    @contextmanager
    def claim(self, run_id: str) -> Iterator[None]:
        """Hold the run for this process, as the one that works on it; UserInputError when another does.

        The claim ends with the block, or with the process however that ends.
        """
        run_id = self.get(run_id).id
        # A moment's patience: a listing in another program tries the lock for an instant.
        lock = self._lock(run_id, _CLAIM_SECONDS)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            message = _("Run {run} is at work in another program: stop it there, then try again.")
            raise UserInputError(message.format(run=run_id)) from error
        except OSError as error:
            raise cannot_write(Path(lock.lock_file), error) from error
        try:
            self.get(run_id)  # it may have been removed while we waited
            yield
        finally:
            lock.release()

    def record(
        self,
        run_id: str,
        events: Iterable[Mapping[str, Any]],
        after: int | None = None,
        patience: float = BUSY_SECONDS,
    ) -> int:
        """Append ``events`` to the run's journal, all or none; the seq of the last (0: the journal is empty).

        Each has the key ``event``, its kind. ``at`` is when it happened (now, if missing); whole numbers under ``step``
        and ``steps`` move the run's. Numbers that are not finite are kept as null. ``after`` is the seq to go on from,
        if known; what stands behind it from an earlier try is written over. Raises DatabaseBusyError where another
        program's transaction outlasts ``patience`` seconds."""
        events = list(events)
        now = timestamp()
        with self._database.transaction(patience):
            last = self.last_seq(run_id) if after is None else after
            self._database.executemany(
                "INSERT OR REPLACE INTO events (run_id, seq, at, event, data) VALUES (?, ?, ?, ?, ?)",
                [
                    (run_id, seq, event.get("at", now), event["event"], to_json(_without_at(event)))
                    for seq, event in enumerate(events, start=last + 1)
                ],
            )
            self._database.execute(
                "UPDATE runs SET updated_at = ?, step = coalesce(?, step), steps = coalesce(?, steps) WHERE id = ?",
                (now, _latest(events, "step"), _latest(events, "steps"), run_id),
            )
        return last + len(events)

    def last_seq(self, run_id: str) -> int:
        """The seq of the journal's last event, 0 when it is empty."""
        query = "SELECT coalesce(max(seq), 0) FROM events WHERE run_id = ?"
        (last,) = self._database.read(lambda row: int(row[0]), query, (run_id,))
        return last

    def truncate(self, run_id: str, after: int) -> None:
        """Forget the events with a seq above ``after``: what a run does that goes back to its checkpoint."""
        with self._database.transaction():
            self._database.execute("DELETE FROM events WHERE run_id = ? AND seq > ?", (run_id, after))
            self._database.execute(
                "UPDATE runs SET step = coalesce(("
                "SELECT json_extract(data, '$.step') FROM events WHERE run_id = runs.id "
                "AND json_type(data, '$.step') = 'integer' ORDER BY seq DESC LIMIT 1), 0) WHERE id = ?",
                (run_id,),
            )

    def finish(
        self,
        run_id: str,
        state: Literal["finished", "stopped", "failed"],
        summary: Mapping[str, Any] | None = None,
    ) -> None:
        """Record how the run ended, with much patience: what was computed must not be lost to another program."""
        self._set_state(run_id, state, None if summary is None else to_json(summary), PATIENCE_SECONDS)

    def reopen(self, run_id: str) -> None:
        """Make a run that ended, or was interrupted, a running one again."""
        self._set_state(run_id, "running", None)

    def list(self) -> tuple[Run, ...]:
        """All runs, newest first."""
        query = f"SELECT {_COLUMNS} FROM runs ORDER BY created_at DESC, id DESC"
        return tuple(self._database.read(self._run, query))

    def get(self, run_id: str) -> Run:
        """The run with this id, or the only one whose id begins with it; UserInputError where that is not one."""
        query = f"SELECT {_COLUMNS} FROM runs WHERE substr(id, 1, ?) = ? ORDER BY id"
        found = tuple(self._database.read(self._run, query, (len(run_id), pack(run_id)))) if run_id else ()
        if len(found) == 1:
            return found[0]
        if found:
            message = _("Several runs begin with {run} ({ids}): give more of the id.")
            raise UserInputError(message.format(run=run_id, ids=join_names(run.id for run in found)))
        message = _("There is no run {run}: 'weibo-tui runs list' shows those that there are.")
        raise UserInputError(message.format(run=run_id))

    def events(self, run_id: str, after: int = 0) -> Iterator[JournalEntry]:
        """The run's events with a seq above ``after``, in order: after the last one seen, what is new."""
        query = "SELECT seq, at, data FROM events WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        entries: Sequence[JournalEntry]
        while True:
            # Page by page: a query left open while the reader takes its time holds up SQLite's checkpoints.
            entries = tuple(self._database.read(_entry, query, (run_id, after, _EVENTS_AT_ONCE)))
            yield from entries
            if len(entries) < _EVENTS_AT_ONCE:
                return
            after = entries[-1].seq

    def export(self, run_id: str, path: Path, overwrite: bool = False) -> int:
        """Write the run's events, each with its ``seq`` and ``at``, to ``path``; their number.

        JSON lines; where ``path`` ends in .csv, a table of all fields that are single values.
        """
        run_id = self.get(run_id).id
        last = self.last_seq(run_id)  # a run that goes on writing is exported up to here

        def read() -> Iterator[dict[str, Any]]:
            entries = itertools.takewhile(lambda entry: entry.seq <= last, self.events(run_id))
            return ({**entry.event, "seq": entry.seq, "at": entry.at} for entry in entries)

        if path.suffix.lower() == ".csv":
            return write_table(path, read, overwrite)
        return write_json_lines(path, read(), overwrite)

    def remove(self, run_id: str) -> None:
        """Delete the run, its journal and its folder; UserInputError for the beginning of an id alone, and while a
        process works on it."""
        run = self.get(run_id)
        if run.id != run_id:
            message = _("{beginning} is only the beginning of run {run} ('{name}'). Give the full id to remove it.")
            raise UserInputError(message.format(beginning=run_id, run=run.id, name=truncate(run.name)))
        # The folder goes for good when the row has, and comes back where that may not be.
        with self.claim(run_id), folder_aside(self.folder(run_id)), self._database.transaction():
            self._database.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def rename(self, run_id: str, name: str, plan: Mapping[str, Any]) -> None:
        """Give the run another name, and the plan that says so; UserInputError while a process works on it."""
        with self.claim(run_id), self._database.transaction():
            self._database.execute(
                "UPDATE runs SET name = ?, plan = ?, updated_at = ? WHERE id = ?",
                (pack(name), to_json(plan), timestamp(), run_id),
            )

    def _set_state(self, run_id: str, state: str, summary: str | None, patience: float = BUSY_SECONDS) -> None:
        with self._database.transaction(patience):
            self._database.execute(
                "UPDATE runs SET state = ?, summary = ?, updated_at = ? WHERE id = ?",
                (state, summary, timestamp(), run_id),
            )

    def _run(self, row: Sequence[Any]) -> Run:
        """The run whose _COLUMNS these are; one that the disk damaged has failed, and its summary says so."""
        try:
            return self._sound_run(row)
        except (*UNREADABLE, CorruptFileError):
            texts = [truncate(value if isinstance(value, str) else repr(value)) for value in row[:7]]
            run_id, kind, name, _plan, _state, created_at, updated_at = texts
            damage = {"error": _("the disk damaged this run")}
            return Run(run_id, kind, name, "failed", created_at, updated_at, 0, None, {}, damage)

    def _sound_run(self, row: Sequence[Any]) -> Run:
        run_id, kind, name, plan, state, created_at, updated_at, step, steps, summary = row
        return Run(
            id=run_id,
            kind=unpack_name(kind),
            name=unpack_name(name),
            state="interrupted" if state == "running" and not self._is_claimed(run_id) else state,
            created_at=unpack_name(created_at),
            updated_at=unpack_name(updated_at),
            step=int(step),
            steps=None if steps is None else int(steps),
            plan=dict(from_json(plan)),
            summary=None if summary is None else dict(from_json(summary)),
        )

    def _lock(self, run_id: str, seconds: float) -> filelock.BaseFileLock:
        # Not thread-local: a generator that holds a claim may be closed by another thread than began it.
        path = self.folder(run_id) / "lock"
        return filelock.FileLock(path, timeout=seconds, mode=0o600, thread_local=False)

    def _is_claimed(self, run_id: str) -> bool:
        lock = self._lock(run_id, 0)
        if not Path(lock.lock_file).exists():
            return False
        try:
            lock.acquire()
        except filelock.Timeout:
            return True
        except OSError:
            return False  # the folder went away, or is not ours to write: nobody of ours works there
        lock.release()
        return False


def _entry(row: Sequence[Any]) -> JournalEntry:
    try:
        event = dict(from_json(row[2]))
        if not isinstance(event["event"], str):
            raise TypeError("the event's kind is none")
        return JournalEntry(seq=int(row[0]), at=unpack(row[1]), event=event)
    except UNREADABLE:
        return JournalEntry(seq=int(row[0]), at=timestamp(), event={"event": DAMAGED})


def _without_at(event: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != "at"}


def _latest(events: Sequence[Mapping[str, Any]], field: str) -> int | None:
    return next((event[field] for event in reversed(events) if isinstance(event.get(field), int)), None)
