"""The one SQLite file: opening it, bringing it up to date, and naming what is wrong with it."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import filelock

from weibo_tui.atomic import cannot_write
from weibo_tui.errors import CorruptFileError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.storage.codec import DECODE_ERRORS
from weibo_tui.storage.migrations import MIGRATIONS
from weibo_tui.storage.search import contains

LATEST_VERSION = len(MIGRATIONS)
"""Version of the database that this program makes."""

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another program's transaction. Ours take milliseconds."""

RETRY_SECONDS = 0.25
"""Seconds that SQLite waits before Python, which answers signals, gets control back."""

_INACCESSIBLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY)
# Our statements fit our tables: where they do not, another program has changed the tables.
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT)
_MIN_FREE = 2**16  # bytes; SQLite shares half as many between the programs that have the database open

T = TypeVar("T")
DatabaseT = TypeVar("DatabaseT", bound="Database")

Parameters = Sequence[Any] | Mapping[str, Any]


class DatabaseBusyError(WeiboTuiError):
    """Another program is writing to the database."""


class Database(sqlite3.Connection):
    """A connection that knows its file. All threads may use it: a query or a transaction locks the others out."""

    path: Path
    _file: os.stat_result | None = None
    """State of the file when it was opened for writing."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **(options | {"check_same_thread": False}))
        self._lock = threading.RLock()
        self.create_function("contains", 2, contains, deterministic=True)
        # A flipped bit may leave text that is not UTF-8. The rest of it, and other rows, can still be read.
        self.text_factory = partial(str, encoding="utf-8", errors="replace")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Lock other threads out during the block, with `translate_sqlite_errors`."""
        with self._lock, translate_sqlite_errors(self.path):
            yield

    @contextmanager
    def transaction(self, timeout: float = BUSY_TIMEOUT) -> Iterator[None]:
        """Write all of the block's statements or none, with `translate_sqlite_errors`.

        Raise DatabaseBusyError where another program's transaction takes more than `timeout` seconds.
        """
        with self.exclusive():
            self._begin(timeout)
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self.in_transaction:  # a full disk may have ended it already
                    self.execute("ROLLBACK")
                raise

    def check_in_place(self) -> None:
        """Raise WeiboTuiError where the file is no longer at its path: SQLite would go on writing into the one that was
        removed, and no user could read that."""
        try:
            is_in_place = self._file is None or os.path.samestat(self._file, self.path.stat())
        except OSError:
            is_in_place = False
        if not is_in_place:
            message = _("Database {path} was removed or replaced. Start weibo-tui again.")
            raise WeiboTuiError(message.format(path=self.path))

    def _begin(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        self.execute(f"PRAGMA busy_timeout = {int(1000 * min(timeout, RETRY_SECONDS))}")
        try:
            while True:
                try:
                    # IMMEDIATE: a transaction that reads before it writes must not wait for another writer, so SQLite
                    # would fail at once where two programs work on one home.
                    self.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    if _error_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                        raise
                else:
                    return
        finally:
            self.execute(f"PRAGMA busy_timeout = {int(1000 * BUSY_TIMEOUT)}")

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """Open a connection that sees the database as it is now: writes during the block are not visible."""
        with translate_sqlite_errors(self.path):
            database = _connect_read_only(self.path, Database, immutable=isinstance(self, ReadOnlyDatabase))
        try:
            with database.exclusive():
                database.execute("BEGIN")
                database.execute("SELECT 1 FROM sqlite_schema LIMIT 1")  # a transaction sees nothing before it reads
            yield database
        finally:
            database.close()

    def read(self, decode: Callable[[Sequence[Any]], T], query: str, parameters: Parameters = ()) -> Iterator[T]:
        """Yield each row decoded. Raise CorruptFileError where that fails, and what `translate_sqlite_errors` does."""
        with self.exclusive():
            # All at once: the caller may iterate slowly, and no other thread is to wait for that.
            rows = self.execute(query, parameters).fetchall()
        for row in rows:
            try:
                value = decode(row)
            except DECODE_ERRORS as error:
                raise _corrupt_error(self.path, error) from error
            yield value


class ReadOnlyDatabase(Database):
    """A database in a folder that cannot be written. Each transaction raises `refusal`."""

    refusal: WeiboTuiError

    @contextmanager
    def transaction(self, timeout: float = BUSY_TIMEOUT) -> Iterator[None]:  # noqa: ARG002
        raise self.refusal
        yield


class LazyDatabase(Database):
    """Empty tables in memory, replaced by the file once this program or another has created it."""

    _opened: Database | None = None

    @contextmanager
    def transaction(self, timeout: float = BUSY_TIMEOUT) -> Iterator[None]:
        with self._lock:  # guards the file's connection too, which no other thread has
            self._opened = self._opened or connect(self.path)
            with self._opened.transaction(timeout):
                yield

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        if (opened := self._file_database()) is None:
            yield self
        else:
            with opened.snapshot() as database:
                yield database

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        opened = self._file_database()
        return super().execute(*arguments) if opened is None else opened.execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        opened = self._file_database()
        return super().executemany(*arguments) if opened is None else opened.executemany(*arguments)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        super().close()

    def _file_database(self) -> Database | None:
        if self._opened is None and self.path.exists():
            self._opened = connect(self.path)
        return self._opened


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """Size in bytes, version, and numbers of history entries and runs, None where the version is not ours."""

    size: int
    version: int
    entries: int | None
    runs: int | None


def connect(path: Path) -> Database:
    """Open the database at `path`, created and migrated as needed. Open it read-only where it cannot be written.

    Raise WeiboTuiError when it is of a newer version (it stays as it is), busy, or inaccessible. Raise CorruptFileError
    when it is no database: it is quarantined under a name that the message gives, and the next try creates a new one.
    """
    # One program at a time opens: the switch to WAL heeds no busy timeout and fails during another's opening.
    lock = filelock.FileLock(path.with_name(f"{path.name}.lock"), timeout=BUSY_TIMEOUT, mode=0o600)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock:
            if not path.exists():
                # SQLite itself would create a file that others can read.
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            try:
                return _open(path)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter of a message that quotes damage
                if _error_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    raise _quarantine(path, error) from error
                raise
    except filelock.Timeout as error:
        raise _busy_error(path) from error
    except OSError as error:
        return _open_read_only(path, _not_writable_error(path, error), error)
    except sqlite3.DatabaseError as error:
        translated = _translate(path, error)
        if _error_code(error) in _INACCESSIBLE and isinstance(translated, WeiboTuiError):
            return _open_read_only(path, translated, error)
        raise translated from error


def connect_lazily(path: Path) -> Database:
    """Open the database at `path`. Without a file, return one that reads as empty until it is written to."""
    if path.exists():
        return connect(path)
    lazy = sqlite3.connect(":memory:", isolation_level=None, factory=LazyDatabase)
    lazy.path = path
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        for migrate in MIGRATIONS:
            migrate(empty)
        empty.backup(lazy)
    return lazy


def _open(path: Path) -> Database:
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, factory=Database)
    database.path = path
    try:
        database._file = path.stat()
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > LATEST_VERSION:
            message = _(
                "Database {path} has version {found}; this weibo-tui reads up to version {known}. Update "
                "weibo-tui, or choose another home with WEIBO_TUI_HOME."
            )
            raise WeiboTuiError(message.format(path=path, found=version, known=LATEST_VERSION))
        database.execute("SELECT 1 FROM sqlite_schema LIMIT 1")  # reads the whole schema, and finds damage in it
        database.execute("PRAGMA journal_mode = WAL")
        # FULL, though NORMAL survives kill -9: an analysis that was shown is to survive a power cut too.
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        # Deleted posts must be gone from the file too. Only some builds of SQLite do that by default.
        database.execute("PRAGMA secure_delete = ON")
        for number, migrate in enumerate(MIGRATIONS[version:], start=version + 1):
            with database.transaction():
                migrate(database)
                database.execute(f"PRAGMA user_version = {number}")
    except BaseException:
        database.close()
        raise
    return database


def _open_read_only(path: Path, refusal: WeiboTuiError, cause: Exception) -> ReadOnlyDatabase:
    """Open the database for reading. Raise `refusal` where even that is impossible."""
    try:
        if not path.stat().st_size:
            raise refusal from cause
        database = _connect_read_only(path, ReadOnlyDatabase, immutable=True)
        database.refusal = refusal
        if int(database.execute("PRAGMA user_version").fetchone()[0]) != LATEST_VERSION:
            database.close()
            raise refusal from cause
    except (OSError, sqlite3.Error):
        raise refusal from cause
    return database


def _connect_read_only(path: Path, factory: type[DatabaseT], immutable: bool) -> DatabaseT:
    """Connect for reading alone. `immutable` is for a folder in which no file can be created.

    SQLite cannot create there what it shares between programs. Without a write-ahead log that is not needed, since
    then no program is writing.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if immutable and not _wal_size(path):
        uri += "&immutable=1"
    database = sqlite3.connect(uri, BUSY_TIMEOUT, isolation_level=None, uri=True, factory=factory)
    database.path = path
    return database


def _wal_size(path: Path) -> int:
    """Return the bytes of the write-ahead log of the database, 0 without one."""
    log = path.with_name(f"{path.name}-wal")
    return log.stat().st_size if log.exists() else 0


def read_info(path: Path) -> DatabaseInfo:
    """Return facts about the database at `path`, which must exist, and change nothing, not even its version.

    Raise WeiboTuiError where it is inaccessible, CorruptFileError where it is damaged.
    """
    size = path.stat().st_size + _wal_size(path)
    may_write = os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    with translate_sqlite_errors(path), closing(_connect_read_only(path, Database, not may_write)) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (result,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            message = _("Database {path} is damaged ({reason}). Export the history, then move the database aside.")
            raise CorruptFileError(message.format(path=path, reason=str(result).strip().splitlines()[-1]))
        if version != LATEST_VERSION:
            return DatabaseInfo(size, version, None, None)
        tables = ("analyses", "labelled_files", "runs")
        analyses, files, runs = (database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
        return DatabaseInfo(size, version, analyses + files, runs)


@contextmanager
def translate_sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into WeiboTuiError or CorruptFileError, which name the database at `path` and the remedy."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of a message that quotes damage
        raise _translate(path, error) from error


def _translate(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> Exception:
    code = _error_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _busy_error(path)
    # Without space for what it shares with other programs, SQLite does not name the reason.
    if code == sqlite3.SQLITE_FULL or (
        code == sqlite3.SQLITE_IOERR and shutil.disk_usage(path.parent).free < _MIN_FREE
    ):
        return cannot_write(path, OSError(errno.ENOSPC, ""))
    if code in _INACCESSIBLE:
        message = _("Cannot open database {path} ({reason}). Check the disk and the permissions.")
        return WeiboTuiError(message.format(path=path, reason=error))
    return _corrupt_error(path, error) if code in _CORRUPT else error


def _error_code(error: Exception) -> int:
    # An error without a code is Python's, which could not read what the file holds.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF


def _quarantine(path: Path, error: Exception) -> CorruptFileError:
    """Rename a damaged database, with what SQLite keeps next to it. Return the error that says so."""
    target = path.with_name(f"{path.name}.damaged-{datetime.now():%Y%m%d-%H%M%S-%f}")
    try:
        for suffix in ("-wal", "-shm", ""):  # the database last: if killed before, it is still found damaged
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
    except OSError:
        return _corrupt_error(path, error)
    message = _("Database {path} is damaged ({reason}) and was moved to {aside}. Try again to create a new one.")
    return CorruptFileError(message.format(path=path, reason=error, aside=target.name))


def _not_writable_error(path: Path, error: OSError) -> WeiboTuiError:
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
        return cannot_write(path, error)
    message = _(
        "Cannot write to {path}, so history and runs cannot be saved. Use --no-history, or choose another "
        "home with WEIBO_TUI_HOME."
    )
    in_app = _("Cannot write to {path}, so history and runs cannot be saved. Choose another home with WEIBO_TUI_HOME.")
    return WeiboTuiError(message.format(path=path), in_app.format(path=path))


def _busy_error(path: Path) -> DatabaseBusyError:
    message = _("Database {path} is in use by another program. Wait until that is done, then try again.")
    return DatabaseBusyError(message.format(path=path))


def _corrupt_error(path: Path, error: Exception) -> CorruptFileError:
    message = _(
        "Database {path} is damaged ({reason}). Move it aside, with {name}-wal if that exists, and a new one "
        "is created."
    )
    return CorruptFileError(message.format(path=path, name=path.name, reason=error))
