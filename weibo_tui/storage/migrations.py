"""The database schema, as the migrations that led to it.

Each migration takes the file from `user_version` n to n + 1. A released one is never edited: a schema change is a new
migration at the end of this file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from weibo_tui.storage.codec import unpack
from weibo_tui.storage.search import facets, words

Migration = Callable[[sqlite3.Connection], None]

MIGRATIONS: list[Migration] = []
"""In order. The first creates version 1."""


def migration(function: Migration) -> Migration:
    """Register the next migration. It runs in its own transaction and must not end it."""
    MIGRATIONS.append(function)
    return function


@migration
def create_history(connection: sqlite3.Connection) -> None:
    connection.execute("""
        CREATE TABLE analyses (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            created_at TEXT NOT NULL,
            text TEXT NOT NULL,
            label TEXT NOT NULL,
            confidence REAL,
            probabilities TEXT NOT NULL,
            uncertain INTEGER NOT NULL,
            adapter TEXT NOT NULL,
            truncated INTEGER NOT NULL,
            characters INTEGER NOT NULL,
            characters_read INTEGER NOT NULL,
            milliseconds REAL NOT NULL,
            source TEXT NOT NULL,
            error TEXT
        )
    """)
    connection.execute("""
        CREATE TABLE labelled_files (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            created_at TEXT NOT NULL,
            path TEXT NOT NULL,
            out TEXT NOT NULL,
            adapter TEXT NOT NULL,
            rows INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            counts TEXT NOT NULL
        )
    """)
    # An index ends in the row's id anyway: these two serve ORDER BY created_at, id.
    connection.execute("CREATE INDEX analyses_by_time ON analyses (created_at)")
    connection.execute("CREATE INDEX labelled_files_by_time ON labelled_files (created_at)")


@migration
def create_runs_and_events(connection: sqlite3.Connection) -> None:
    connection.execute("""
        CREATE TABLE runs (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            plan TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'stopped', 'failed')),
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL,
            step INTEGER NOT NULL DEFAULT 0,
            steps INTEGER,
            summary TEXT
        )
    """)
    connection.execute("""
        CREATE TABLE events (
            run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            at TEXT NOT NULL,
            event TEXT NOT NULL,
            data TEXT NOT NULL,
            PRIMARY KEY (run_id, seq)
        ) WITHOUT ROWID
    """)


@migration
def add_search_and_corrections(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE analyses ADD COLUMN corrected TEXT")
    connection.execute("ALTER TABLE analyses ADD COLUMN late INTEGER NOT NULL DEFAULT 0")
    connection.execute("""
        UPDATE analyses SET late = 1 WHERE id IN (
            SELECT id FROM (SELECT id, created_at, max(created_at) OVER (ORDER BY id) AS newest FROM analyses)
            WHERE created_at < newest
        )
    """)
    connection.execute("DROP INDEX analyses_by_time")
    # With the confidence, so that a page of a narrow range need not read every row on the way.
    connection.execute("CREATE INDEX analyses_by_time ON analyses (late, created_at, id, confidence)")
    connection.execute("CREATE INDEX analyses_by_label ON analyses (coalesce(corrected, label))")
    connection.execute("CREATE INDEX analyses_by_adapter ON analyses (adapter)")
    connection.execute("CREATE INDEX analyses_by_source ON analyses (source)")
    # Without a copy of the posts, and with an index of first characters (4 digits) for searches of one character.
    connection.execute("""
        CREATE VIRTUAL TABLE search USING fts5 (
            words, facets, content = '', columnsize = 0, prefix = '4', tokenize = 'ascii'
        )
    """)
    rows = connection.execute("SELECT id, text, label, adapter, source, uncertain, late FROM analyses")
    connection.executemany(
        "INSERT INTO search (rowid, words, facets) VALUES (?, ?, ?)",
        (
            (
                identity,
                words(unpack(text)),
                facets(unpack(label), unpack(adapter), unpack(source), bool(uncertain), False, bool(late)),
            )
            for identity, text, label, adapter, source, uncertain, late in rows
        ),
    )


@migration
def add_sort_indexes(connection: sqlite3.Connection) -> None:
    for name in ("label", "adapter", "source"):
        connection.execute(f"DROP INDEX analyses_by_{name}")
    # With the columns that a filter reads, so that a page need not read every row on the way.
    values = {"label": "coalesce(corrected, label)", "adapter": "adapter", "source": "source", "text": "text"}
    for name, value in values.items():
        connection.execute(f"CREATE INDEX analyses_by_{name} ON analyses ({value}, created_at, id, confidence)")
    connection.execute("CREATE INDEX analyses_by_confidence ON analyses (confidence, created_at)")


@migration
def create_answers(connection: sqlite3.Connection) -> None:
    connection.execute("""
        CREATE TABLE annotated_files (
            posts TEXT PRIMARY KEY,
            path TEXT NOT NULL,
            rows INTEGER NOT NULL,
            labels TEXT NOT NULL,
            guideline TEXT NOT NULL DEFAULT '',
            reserve INTEGER,
            created_at TEXT NOT NULL
        )
    """)
    connection.execute("""
        CREATE TABLE answers (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            action INTEGER NOT NULL,
            posts TEXT NOT NULL REFERENCES annotated_files (posts) ON DELETE CASCADE,
            row INTEGER NOT NULL,
            text_key INTEGER NOT NULL,
            text TEXT NOT NULL,
            purpose TEXT NOT NULL CHECK (purpose IN ('sample', 'teach', 'correction')),
            annotator TEXT NOT NULL,
            pass INTEGER NOT NULL DEFAULT 1,
            rank INTEGER,
            kind TEXT NOT NULL CHECK (kind IN ('label', 'cannot_tell', 'cleared', 'flag', 'unflag', 'note')),
            value TEXT,
            predicted TEXT,
            confidence REAL,
            adapter TEXT,
            seconds REAL,
            created_at TEXT NOT NULL,
            undone_at TEXT
        )
    """)
    connection.execute("CREATE INDEX answers_by_row ON answers (posts, row)")
    connection.execute("CREATE INDEX answers_by_posts ON answers (posts, id)")
    connection.execute("CREATE INDEX answers_undone ON answers (posts) WHERE undone_at IS NOT NULL")
    connection.execute("CREATE INDEX answers_of_samples ON answers (posts, id, text_key) WHERE purpose = 'sample'")
