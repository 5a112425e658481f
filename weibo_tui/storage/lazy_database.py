"""A database whose file is created by the first write, so that reading alone leaves no trace."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from weibo_tui.storage.database import BUSY_TIMEOUT, Database, connect
from weibo_tui.storage.migrations import MIGRATIONS


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
