"""A database that is made when the first thing is written into it: whoever only looks leaves no trace."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from weibo_tui.storage.database import BUSY_SECONDS, Database, connect
from weibo_tui.storage.migrations import MIGRATIONS


def connect_late(path: Path) -> Database:
    """The database at ``path``; where there is none, one that reads as empty until it is written to."""
    if path.exists():
        return connect(path)
    late = sqlite3.connect(":memory:", isolation_level=None, factory=LazyDatabase)
    late.path = path
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        for step in MIGRATIONS:
            step(empty)
        empty.backup(late)
    return late


class LazyDatabase(Database):
    """Empty tables in memory, which only give way: to the file, once this program or another has made that."""

    _made: Database | None = None

    @contextmanager
    def transaction(self, patience: float = BUSY_SECONDS) -> Iterator[None]:
        with self._lock:  # its own, which guards the file's connection too: nobody else has that
            self._made = self._made or connect(self.path)
            with self._made.transaction(patience):
                yield

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        if (made := self._there()) is None:
            yield self
        else:
            with made.snapshot() as database:
                yield database

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        made = self._there()
        return super().execute(*arguments) if made is None else made.execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        made = self._there()
        return super().executemany(*arguments) if made is None else made.executemany(*arguments)

    def close(self) -> None:
        if self._made is not None:
            self._made.close()
        super().close()

    def _there(self) -> Database | None:
        if self._made is None and self.path.exists():
            self._made = connect(self.path)
        return self._made
