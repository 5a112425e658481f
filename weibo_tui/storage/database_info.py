"""A look at the database that changes nothing: not its version, not a page."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.errors import CorruptFileError
from weibo_tui.locale import gettext as _
from weibo_tui.storage.database import BUSY_SECONDS, Database, address_to_read, faults_named, log_size
from weibo_tui.storage.history import History
from weibo_tui.storage.migrations import MIGRATIONS

NEWEST = len(MIGRATIONS)
"""The version of the database that this program makes."""


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """`size` in bytes, with what SQLite keeps beside the file; `entries` of the history and `runs` are counted where
    the version is this program's own, and None elsewhere."""

    size: int
    version: int
    entries: int | None
    runs: int | None


def inspect(path: Path) -> DatabaseInfo:
    """The database at `path`, which is there. Raises WeiboTuiError where it is out of reach, Damaged where it is."""
    size = path.stat().st_size + log_size(path)
    may_write = os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    address = address_to_read(path, nothing_can_be_made=not may_write)
    with faults_named(path), closing(sqlite3.connect(address, BUSY_SECONDS, uri=True, factory=Database)) as database:
        database.path = path
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise CorruptFileError(
                _("The database {path} is damaged ({reason}): export the history, then move it aside.").format(
                    path=path, reason=str(found).strip().splitlines()[-1]
                )
            )
        if version != NEWEST:
            return DatabaseInfo(size, version, None, None)
        (runs,) = database.execute("SELECT count(*) FROM runs").fetchone()
        return DatabaseInfo(size, version, History(database).count(), runs)
