"""The one SQLite file: opening it, bringing it up to date, and saying for people what is wrong with it."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import filelock

from weibo_tui.atomic import cannot_write
from weibo_tui.errors import CorruptFileError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.storage.codec import UNREADABLE
from weibo_tui.storage.migrations import MIGRATIONS
from weibo_tui.storage.search import holds

BUSY_SECONDS = 10.0
"""How long one waits for another program's transaction; ours take milliseconds."""

SLICE_SECONDS = 0.25
"""How long SQLite waits before Python, which answers signals, has its turn."""

_OUT_OF_REACH = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY)
_SHARED = 2**16  # bytes; SQLite shares half as many between the programs that have the database open

T = TypeVar("T")

Parameters = Sequence[Any] | Mapping[str, Any]


class DatabaseBusyError(WeiboTuiError):
    """Another program is writing to the database."""


class Database(sqlite3.Connection):
    """A connection that knows its file. All threads may use it: a query or a transaction locks the others out."""

    path: Path
    _file: os.stat_result | None = None
    """Of the file when it was opened for writing."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **(options | {"check_same_thread": False}))
        self._lock = threading.RLock()
        self.create_function("holds", 2, holds, deterministic=True)
        # A bit that turned makes of a text one that is not UTF-8: the rest of it can be read, and so can other rows.
        self.text_factory = partial(str, encoding="utf-8", errors="replace")

    @contextmanager
    def faults_named(self) -> Iterator[None]:
        """Lock other threads out during the block, with `faults_named`."""
        with self._lock, faults_named(self.path):
            yield

    @contextmanager
    def transaction(self, patience: float = BUSY_SECONDS) -> Iterator[None]:
        """Write all of the block's statements or none, with `faults_named`. Raises DatabaseBusyError where another
        program's transaction outlasts `patience` seconds."""
        with self.faults_named():
            self._begin(patience)
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self.in_transaction:  # a full disk may have ended it already
                    self.execute("ROLLBACK")
                raise

    def check_in_place(self) -> None:
        """Raise WeiboTuiError where the file is no longer at its path: SQLite would go on writing into the one that was
        removed, and nobody could read that."""
        try:
            is_in_place = self._file is None or os.path.samestat(self._file, self.path.stat())
        except OSError:
            is_in_place = False
        if not is_in_place:
            message = _("The database {path} was removed or replaced. Start weibo-tui again.")
            raise WeiboTuiError(message.format(path=self.path))

    def _begin(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        self.execute(f"PRAGMA busy_timeout = {int(1000 * min(patience, SLICE_SECONDS))}")
        try:
            while True:
                try:
                    # IMMEDIATE: a transaction that begins by reading and goes on to write is not allowed to wait for
                    # another writer, so it would fail at once where two programs work on one home.
                    self.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                        raise
                else:
                    return
        finally:
            self.execute(f"PRAGMA busy_timeout = {int(1000 * BUSY_SECONDS)}")

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """Open a connection that sees the database as it is now, whatever is written during the block."""
        address = address_to_read(self.path, nothing_can_be_made=isinstance(self, ReadOnly))
        with faults_named(self.path):
            database = sqlite3.connect(
                address, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True, factory=Database
            )
        database.path = self.path
        try:
            with database.faults_named():
                database.execute("BEGIN")
                database.execute("SELECT 1 FROM sqlite_schema LIMIT 1")  # a transaction sees nothing before it reads
            yield database
        finally:
            database.close()

    def read(self, make: Callable[[Sequence[Any]], T], query: str, parameters: Parameters = ()) -> Iterator[T]:
        """What ``make`` makes of each row, with `faults_named`; Damaged where it can make nothing of one."""
        with self.faults_named():
            # All at once: whoever iterates may take any time, and no other thread is to wait for that.
            rows = self.execute(query, parameters).fetchall()
        for row in rows:
            try:
                made = make(row)
            except UNREADABLE as error:
                raise _damaged(error, self.path) from error
            yield made


class ReadOnly(Database):
    """A database at a place that takes nothing more: it can be looked at, and says why it keeps nothing."""

    refusal: WeiboTuiError

    @contextmanager
    def transaction(self, patience: float = BUSY_SECONDS) -> Iterator[None]:  # noqa: ARG002
        raise self.refusal
        yield


def connect(path: Path) -> Database:
    """Open the database at ``path``, made and migrated as needed; for reading only where nothing can be written there.

    WeiboTuiError when it is of a newer version (it stays untouched), busy or out of reach. Damaged when it is no
    database any more: it is set aside then, under a name that the message tells, and the next try makes a new one.
    """
    # One program at a time opens: the switch to WAL heeds no busy timeout and fails beside another's opening.
    lock = filelock.FileLock(path.with_name(f"{path.name}.lock"), timeout=BUSY_SECONDS, mode=0o600)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock:
            if not path.exists():
                # SQLite itself would make a file that others can read.
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            try:
                return _open(path)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter of a message that quotes damage
                if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    raise _set_aside(path, error) from error
                raise
    except filelock.Timeout as error:
        raise _busy(path) from error
    except OSError as error:
        refusal = _cannot_keep(path, error)
        return _open_to_read(path, refusal, error)
    except sqlite3.DatabaseError as error:
        named = _named(error, path)
        if _code(error) in _OUT_OF_REACH and isinstance(named, WeiboTuiError):
            return _open_to_read(path, named, error)
        raise named from error


def _open_to_read(path: Path, refusal: WeiboTuiError, error: Exception) -> ReadOnly:
    """The database for reading; raises `refusal` where even that cannot be."""
    try:
        if not path.stat().st_size:
            raise refusal from error
        address = address_to_read(path, nothing_can_be_made=True)
        database = sqlite3.connect(address, BUSY_SECONDS, isolation_level=None, uri=True, factory=ReadOnly)
        database.path, database.refusal = path, refusal
        if int(database.execute("PRAGMA user_version").fetchone()[0]) != len(MIGRATIONS):
            database.close()
            raise refusal from error
    except (OSError, sqlite3.Error):
        raise refusal from error
    return database


def address_to_read(path: Path, nothing_can_be_made: bool) -> str:
    """What SQLite opens to read alone. Where nothing can be made beside the file, neither can be what it shares between
    programs; without a log there, it is not needed: then nobody of ours is writing."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    return f"{address}&immutable=1" if nothing_can_be_made and not log_size(path) else address


def log_size(path: Path) -> int:
    """Bytes of the write-ahead log beside the database; 0 where there is none."""
    log = path.with_name(f"{path.name}-wal")
    return log.stat().st_size if log.exists() else 0


def _open(path: Path) -> Database:
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, factory=Database)
    database.path = path
    try:
        database._file = path.stat()
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            message = _(
                "The database {path} is of version {found}, made by a newer weibo-tui; this one knows up to "
                "{known}: update weibo-tui, or choose another home with WEIBO_TUI_HOME."
            )
            raise WeiboTuiError(message.format(path=path, found=version, known=len(MIGRATIONS)))
        database.execute("SELECT 1 FROM sqlite_schema LIMIT 1")  # reads all of the shape, and finds what is wrong there
        database.execute("PRAGMA journal_mode = WAL")
        # FULL, though NORMAL outlives kill -9: an analysis that was shown is to outlive a power cut too.
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        # What is deleted is to be gone from the file too; some builds of SQLite do so by themselves, others not.
        database.execute("PRAGMA secure_delete = ON")
        for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
            with database.transaction():
                step(database)
                database.execute(f"PRAGMA user_version = {number}")
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into WeiboTuiError or CorruptFileError, which name the database at ``path`` and the
    remedy."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.Error as error:
        raise _named(error, path) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes what it found, and Python could not read that
        raise _damaged(error, path) from error


def _named(error: sqlite3.Error, path: Path) -> Exception:
    code = _code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _busy(path)
    if code == sqlite3.SQLITE_FULL:
        return cannot_write(path, OSError(errno.ENOSPC, ""))
    if code == sqlite3.SQLITE_IOERR and shutil.disk_usage(path.parent).free < _SHARED:
        # What it shares with other programs found no room: SQLite does not say that it was for lack of space.
        return cannot_write(path, OSError(errno.ENOSPC, ""))
    if code in _OUT_OF_REACH:
        message = _("The database {path} is out of reach ({reason}): check the disk and your rights there.")
        return WeiboTuiError(message.format(path=path, reason=error))
    # Our statements fit our tables: where they do not, somebody or something has changed the tables.
    mismatches = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, *mismatches):
        return _damaged(error, path)
    return error


def _code(error: Exception) -> int:
    # Without a code it is Python that could not read what the file holds.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF


def _set_aside(path: Path, error: Exception) -> CorruptFileError:
    """Give a damaged database another name, with what SQLite keeps beside it; what to tell of it."""
    aside = path.with_name(f"{path.name}.damaged-{datetime.now():%Y%m%d-%H%M%S-%f}")
    try:
        for ending in ("-wal", "-shm", ""):  # the database last: killed before, it is damaged still
            with suppress(FileNotFoundError):
                path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    except OSError:
        return _damaged(error, path)
    message = _(
        "The database {path} is damaged ({reason}) and was set aside as {aside}: try again, and a new one is made."
    )
    return CorruptFileError(message.format(path=path, reason=error, aside=aside.name))


def _cannot_keep(path: Path, error: OSError) -> WeiboTuiError:
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
        return cannot_write(path, error)
    message = _(
        "{path} cannot be written, so neither history nor runs can be kept: give --no-history, or choose another home "
        "with WEIBO_TUI_HOME."
    )
    in_app = _(
        "{path} cannot be written, so neither history nor runs can be kept. Choose another home with WEIBO_TUI_HOME."
    )
    return WeiboTuiError(message.format(path=path), in_app.format(path=path))


def _busy(path: Path) -> DatabaseBusyError:
    message = _("The database {path} is busy in another program: wait until that is done, then try again.")
    return DatabaseBusyError(message.format(path=path))


def _damaged(error: Exception, path: Path) -> CorruptFileError:
    message = _(
        "The database {path} is damaged ({reason}): move it aside, with {name}-wal if that is there, and a "
        "new one is made."
    )
    return CorruptFileError(message.format(path=path, name=path.name, reason=error))
