"""Runs: each training, its state, its folder, and the journal of its events."""

from __future__ import annotations

import itertools
import json
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
from weibo_tui.display_names import display_name
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.storage import run_requests
from weibo_tui.storage.codec import DECODE_ERRORS, pack, timestamp, to_json, unpack, unpack_name
from weibo_tui.storage.database import BUSY_TIMEOUT, Database
from weibo_tui.storage.export import write_event_table, write_json_lines
from weibo_tui.storage.run_requests import Request
from weibo_tui.text.terminal import truncate

State = Literal["running", "paused", "stopping", "finished", "stopped", "failed", "interrupted"]
"""State as shown. Stored is `running` for a paused or stopping run too, and for an interrupted one, whose process is
gone."""

DAMAGED = "Damaged"
"""Name of an event that the disk damaged."""

WRITE_TIMEOUT = 600.0
"""Seconds that a run waits for another program's transaction at its checkpoints and its end."""

_LOCK_TIMEOUT = 0.5  # seconds, since a listing in another program tries the lock for an instant
_PAGE_SIZE = 1000
_COLUMNS = "id, kind, name, plan, state, created_at, updated_at, step, steps, summary"


@dataclass(frozen=True, slots=True)
class Run:
    """One training. `step` and `steps` (None: not known) are the latest that its events gave."""

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

    @property
    def is_in_progress(self) -> bool:
        """True while a process works on it, or waits because the run is paused."""
        return self.state in ("running", "paused", "stopping")

    def check_resumable(self) -> None:
        """Raise UserInputError for a finished run."""
        if self.state == "finished":
            message = _("Run {run} has finished, so it cannot be resumed. List all runs with 'weibo-tui runs list'.")
            raise UserInputError(message.format(run=self.id))


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One event as it is stored. `seq` counts from 1 within the run, `at` is the time of the event."""

    seq: int
    at: str
    event: dict[str, Any]


class Runs:
    """The runs in the database, and their folders under `folder`."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def create(self, kind: str, name: str, plan: Mapping[str, Any]) -> Run:
        """Create a running run with an empty folder. Lock it at once, or other programs show it as interrupted."""
        moment = datetime.now(UTC)
        now = timestamp(moment)
        run_id = self._new_folder(f"{moment:%Y%m%d-%H%M%S}")
        try:
            with self._database.transaction():
                self._database.execute(
                    "INSERT INTO runs (id, kind, name, plan, state, created_at, updated_at) "
                    "VALUES (?, ?, ?, ?, 'running', ?, ?)",
                    (run_id, kind, pack(name), to_json(plan), now, now),
                )
        except BaseException:
            self.folder(run_id).rmdir()
            raise
        return self.get(run_id)

    def _new_folder(self, moment: str) -> str:
        """Make the folder of a run that begins at `moment`. Return its id: several may begin in one second."""
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
        """Return the folder of the run's checkpoint."""
        if not re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", run_id):
            # The id becomes a path that `remove` deletes: one from a tampered database must not climb out.
            message = _("Database {path} contains an invalid run ({run}). Move the database aside.")
            raise CorruptFileError(message.format(path=self._database.path, run=run_id))
        return self._folder / run_id

    @contextmanager
    def lock(self, run_id: str) -> Iterator[None]:
        """Lock the run for this process, which works on it. Raise UserInputError while another does.

        The lock ends with the block, or with the process however that ends.
        """
        run_id = self.get(run_id).id
        lock = self._file_lock(run_id, _LOCK_TIMEOUT)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            message = _("Run {run} is running in another program. Stop it there, then try again.")
            raise UserInputError(message.format(run=run_id)) from error
        except OSError as error:
            raise cannot_write(Path(lock.lock_file), error) from error
        try:
            self.get(run_id)  # it may have been removed during the wait
            yield
        finally:
            lock.release()

    def pause(self, run_id: str) -> None:
        """Ask the process that works on the run to pause after its current step.

        Raise UserInputError without a process, and for a run that is stopping."""
        self._request(run_id, "pause")

    def stop(self, run_id: str) -> None:
        """Ask the process that works on the run to stop with a checkpoint. Raise UserInputError without one."""
        self._request(run_id, "stop")

    def unpause(self, run_id: str) -> None:
        """Let a paused run continue. A request to stop stays."""
        run_id = self.get(run_id).id
        if self.requested(run_id) == "pause":
            self.clear_request(run_id)

    def clear_request(self, run_id: str) -> None:
        """Remove a request that the process before got, or that came too late."""
        run_requests.clear(self.folder(run_id))

    def pause_next(self, run_id: str) -> None:
        """Let the next process that works on the run pause after its first step."""
        run_requests.pause_next(self.folder(run_id))

    def requested(self, run_id: str) -> Request | None:
        """Return what was asked of the process that works on the run."""
        return run_requests.read(self.folder(run_id))

    def _request(self, run_id: str, request: Request) -> None:
        run = self.get(run_id)
        if not run.is_in_progress or (run.state == "stopping" and request == "pause"):
            message = _("Run {run} is not running ({state}).")
            raise UserInputError(message.format(run=run.id, state=display_name(run.state)))
        run_requests.write(self.folder(run.id), request)

    def append_events(
        self,
        run_id: str,
        events: Iterable[Mapping[str, Any]],
        after: int | None = None,
        timeout: float = BUSY_TIMEOUT,
    ) -> int:
        """Append `events` to the run's journal, all or none. Return the seq of the last (0: the journal is empty).

        Each has its name under `event`, and may have its time under `at` (default: now). Integers under `step` and
        `steps` update the run's. NaN and infinity are stored as null. `after` is the seq to continue from, if known;
        later events, from an earlier try, are overwritten. Raise DatabaseBusyError where another program's transaction
        takes more than `timeout` seconds.
        """
        events = list(events)
        now = timestamp()
        with self._database.transaction(timeout):
            last = self.last_seq(run_id) if after is None else after
            data = [to_json({key: value for key, value in event.items() if key != "at"}) for event in events]
            self._database.executemany(
                "INSERT OR REPLACE INTO events (run_id, seq, at, event, data) VALUES (?, ?, ?, ?, ?)",
                [
                    (run_id, last + number, event.get("at", now), event["event"], text)
                    for number, (event, text) in enumerate(zip(events, data, strict=True), start=1)
                ],
            )
            self._database.execute(
                "UPDATE runs SET updated_at = ?, step = coalesce(?, step), steps = coalesce(?, steps) WHERE id = ?",
                (now, _latest(events, "step"), _latest(events, "steps"), run_id),
            )
        return last + len(events)

    def last_seq(self, run_id: str) -> int:
        """Return the seq of the journal's last event, 0 when it is empty."""
        query = "SELECT coalesce(max(seq), 0) FROM events WHERE run_id = ?"
        (last,) = self._database.read(lambda row: int(row[0]), query, (run_id,))
        return last

    def truncate(self, run_id: str, after: int) -> None:
        """Delete the events with a seq above `after`, for a run that continues from its checkpoint."""
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
        """Record how the run ended. Wait long for that: what was computed must not be lost to another program."""
        self._set_state(run_id, state, None if summary is None else to_json(summary), WRITE_TIMEOUT)

    @contextmanager
    def resuming(self, run_id: str) -> Iterator[None]:
        """Lock a run that has not finished for the block, and record that it is running again.

        An error before the run has ended again, as of a resume that is refused, restores that state."""
        with self.lock(run_id):
            run = self.get(run_id)
            run.check_resumable()
            run_requests.begin(self.folder(run.id))
            self._set_state(run.id, "running", None)
            try:
                yield
            except BaseException:
                if self.get(run.id).is_in_progress:
                    state = "running" if run.state == "interrupted" else run.state
                    self._set_state(run.id, state, None if run.summary is None else to_json(run.summary))
                raise

    def list(self) -> tuple[Run, ...]:
        """Return all runs, newest first."""
        query = f"SELECT {_COLUMNS} FROM runs ORDER BY created_at DESC, rowid DESC"  # ids of one time are random
        return self._read_runs(query)

    def get(self, run_id: str) -> Run:
        """Return the run with this id, or the only one whose id begins with it. Raise UserInputError otherwise."""
        query = f"SELECT {_COLUMNS} FROM runs WHERE substr(id, 1, ?) = ? ORDER BY id"
        runs = self._read_runs(query, (len(run_id), pack(run_id))) if run_id else ()
        if len(runs) == 1:
            return runs[0]
        if runs:
            message = _("Several runs start with {run} ({ids}). Give more of the id.")
            raise UserInputError(message.format(run=run_id, ids=join_names(run.id for run in runs)))
        message = _("Run not found: '{run}'. List all runs with 'weibo-tui runs list'.")
        raise UserInputError(message.format(run=run_id))

    def events(self, run_id: str, after: int = 0) -> Iterator[JournalEntry]:
        """Yield the run's events with a seq above `after`, in order."""
        query = "SELECT seq, at, data FROM events WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        entries: Sequence[JournalEntry]
        while True:
            # Page by page: a query left open by a slow reader holds up SQLite's checkpoints.
            entries = tuple(self._database.read(_read_entry, query, (run_id, after, _PAGE_SIZE)))
            yield from entries
            if len(entries) < _PAGE_SIZE:
                return
            after = entries[-1].seq

    def export(self, run_id: str, path: Path, overwrite: bool = False) -> int:
        """Write the run's events, each with its `seq` and `at`, to `path`. Return their number.

        JSON lines, or where `path` ends in .csv, a table of all fields that are single values.
        """
        run_id = self.get(run_id).id
        last = self.last_seq(run_id)  # a running run continues to write

        def read() -> Iterator[dict[str, Any]]:
            entries = itertools.takewhile(lambda entry: entry.seq <= last, self.events(run_id))
            return ({**entry.event, "seq": entry.seq, "at": entry.at} for entry in entries)

        if path.suffix.lower() == ".csv":
            return write_event_table(path, read, overwrite)
        return write_json_lines(path, read(), overwrite)

    def remove(self, run_id: str) -> None:
        """Delete the run, its journal and its folder.

        Raise UserInputError for the beginning of an id alone, and while a process works on it.
        """
        run = self.get(run_id)
        if run.id != run_id:
            message = _("{beginning} is only the start of run {run} ('{name}'). Give the full id to remove it.")
            raise UserInputError(message.format(beginning=run_id, run=run.id, name=truncate(run.name)))
        # The folder is deleted after the row, and comes back where that fails.
        with self.lock(run_id), folder_aside(self.folder(run_id)), self._database.transaction():
            self._database.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def rename(self, run_id: str, name: str, plan: Mapping[str, Any]) -> None:
        """Give the run another name, and the plan that says so. Raise UserInputError while a process works on it."""
        with self.lock(run_id), self._database.transaction():
            self._database.execute(
                "UPDATE runs SET name = ?, plan = ?, updated_at = ? WHERE id = ?",
                (pack(name), to_json(plan), timestamp(), run_id),
            )

    def _set_state(self, run_id: str, state: str, summary: str | None, timeout: float = BUSY_TIMEOUT) -> None:
        with self._database.transaction(timeout):
            self._database.execute(
                "UPDATE runs SET state = ?, summary = ?, updated_at = ? WHERE id = ?",
                (state, summary, timestamp(), run_id),
            )

    def _read_runs(self, query: str, parameters: Sequence[Any] = ()) -> tuple[Run, ...]:
        """Return the runs of a query for _COLUMNS.

        A run that ends between the look at its row and that at its lock seems interrupted, but its row has the end by
        then, so the rows are read again."""
        runs = tuple(self._database.read(self._read_run, query, parameters))
        if any(run.state == "interrupted" for run in runs):
            runs = tuple(self._database.read(self._read_run, query, parameters))
        return runs

    def _read_run(self, row: Sequence[Any]) -> Run:
        """Return the run of a row of _COLUMNS. If the disk damaged it, it has failed, and its summary says so."""
        try:
            return self._decode_run(row)
        except (*DECODE_ERRORS, CorruptFileError):
            texts = [truncate(value if isinstance(value, str) else repr(value)) for value in row[:7]]
            run_id, kind, name, _plan, _state, created_at, updated_at = texts
            summary = {"error": _("this run is damaged")}
            return Run(run_id, kind, name, "failed", created_at, updated_at, 0, None, {}, summary)

    def _decode_run(self, row: Sequence[Any]) -> Run:
        run_id, kind, name, plan, state, created_at, updated_at, step, steps, summary = row
        return Run(
            id=run_id,
            kind=unpack_name(kind),
            name=unpack_name(name),
            state=self._state_in_progress(run_id) if state == "running" else state,
            created_at=unpack_name(created_at),
            updated_at=unpack_name(updated_at),
            step=int(step),
            steps=None if steps is None else int(steps),
            plan=dict(json.loads(plan)),
            summary=None if summary is None else dict(json.loads(summary)),
        )

    def _state_in_progress(self, run_id: str) -> State:
        if not self._is_locked(run_id):
            return "interrupted"
        request = self.requested(run_id)
        return {"pause": "paused", "stop": "stopping"}[request] if request else "running"  # type: ignore[return-value]

    def _file_lock(self, run_id: str, timeout: float) -> filelock.BaseFileLock:
        # Not thread-local: a generator that holds a lock may be closed by another thread than began it.
        path = self.folder(run_id) / "lock"
        return filelock.FileLock(path, timeout=timeout, mode=0o600, thread_local=False)

    def _is_locked(self, run_id: str) -> bool:
        lock = self._file_lock(run_id, 0)
        if not Path(lock.lock_file).exists():
            return False
        try:
            lock.acquire()
        except filelock.Timeout:
            return True
        except OSError:
            return False  # the folder went away, or is not ours to write: no process of ours works there
        lock.release()
        return False


def _read_entry(row: Sequence[Any]) -> JournalEntry:
    try:
        event = dict(json.loads(row[2]))
        if not isinstance(event["event"], str):
            raise TypeError("no event name")
        return JournalEntry(seq=int(row[0]), at=unpack(row[1]), event=event)
    except DECODE_ERRORS:
        return JournalEntry(seq=int(row[0]), at=timestamp(), event={"event": DAMAGED})


def _latest(events: Sequence[Mapping[str, Any]], field: str) -> int | None:
    return next((event[field] for event in reversed(events) if isinstance(event.get(field), int)), None)
