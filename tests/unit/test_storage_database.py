"""The database: versions, concurrent programs, and damage."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import histories
import pytest

from weibo_tui.errors import CorruptFileError, WeiboTuiError
from weibo_tui.progress import drain
from weibo_tui.storage.database import Database, DatabaseBusyError, connect
from weibo_tui.storage.history import Analysis, History
from weibo_tui.storage.migrations import MIGRATIONS
from weibo_tui.storage.runs import Runs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "weibo-tui.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = connect(path)
    yield database
    database.close()


def pragma(database: sqlite3.Connection, name: str) -> object:
    return database.execute(f"PRAGMA {name}").fetchone()[0]


def shape(database: sqlite3.Connection) -> list[tuple[str, str]]:
    return database.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


def test_new_database_is_private_and_up_to_date(path: Path, database: Database) -> None:
    database.execute("CREATE TABLE something (value)")  # brings the write-ahead log into being
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert pragma(database, "user_version") == len(MIGRATIONS)
    assert pragma(database, "journal_mode") == "wal"
    assert pragma(database, "synchronous") == 2  # FULL
    assert pragma(database, "foreign_keys") == 1


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_older_database_is_migrated(path: Path, database: Database, version: int) -> None:
    older = path.with_name("older.db")
    with sqlite3.connect(older) as connection:
        for step in MIGRATIONS[:version]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    migrated = connect(older)
    assert shape(migrated) == shape(database)
    assert pragma(migrated, "user_version") == len(MIGRATIONS)
    migrated.close()


def test_failed_migration_leaves_database_unchanged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(path).close()

    def half_way(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (value)")
        raise RuntimeError

    monkeypatch.setattr("weibo_tui.storage.database.MIGRATIONS", [*MIGRATIONS, half_way])
    with pytest.raises(RuntimeError):
        connect(path)
    monkeypatch.undo()
    database = connect(path)
    assert "half" not in dict(shape(database))
    assert pragma(database, "user_version") == len(MIGRATIONS)
    database.close()


def test_newer_database_is_refused_unchanged(path: Path, database: Database) -> None:
    database.execute("PRAGMA user_version = 1000")
    database.close()
    before = path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())
    with pytest.raises(WeiboTuiError, match=r"has version 1000; .*\. Update weibo-tui") as caught:
        connect(path)
    assert str(path) in str(caught.value)
    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())) == before


@pytest.mark.parametrize("damage", ["no database", "cut short", "a page overwritten", "a byte of the shape"])
def test_damaged_database_is_quarantined_and_replaced(path: Path, damage: str) -> None:
    database = connect(path)
    database.close()
    content = path.read_bytes()
    damaged = {
        "no database": b"these are no tables, and there are enough of them\n" * 20,
        "cut short": content[: len(content) // 2],
        # SQLite's message quotes it, and is no UTF-8 then.
        "a byte of the shape": content.replace(b"CREATE TABLE analyses", b"CREATE TABLE\xff analyses"),
        "a page overwritten": content[:100] + b"\xff" * 4096 + content[4196:],
    }[damage]
    path.write_bytes(damaged)
    with pytest.raises(CorruptFileError, match=r"was moved to weibo-tui.db.damaged-.*\. Try again") as caught:
        connect(path)
    assert str(path) in str(caught.value)
    (aside,) = (file for file in path.parent.glob(f"{path.name}.damaged-*") if not file.name.endswith(("-wal", "-shm")))
    assert aside.name in str(caught.value)
    assert aside.read_bytes() == damaged
    assert not path.exists()
    new = connect(path)
    assert History(new).page(10) == []
    new.close()


SETS_ASIDE = """
import sys
from pathlib import Path
from weibo_tui.errors import CorruptFileError
from weibo_tui.storage.database import connect
sys.stdin.read()
try:
    connect(Path(sys.argv[1])).close()
except CorruptFileError:
    pass
"""


def test_damaged_database_is_quarantined_by_one_of_many(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all " * 100)
    words = [sys.executable, "-c", SETS_ASIDE, str(path)]
    programs = [subprocess.Popen(words, stdin=subprocess.PIPE) for _number in range(3)]
    for program in programs:  # they wait for this, so that they begin at once
        assert program.stdin
        program.stdin.close()
    assert [program.wait() for program in programs] == [0] * 3
    assert len(list(path.parent.glob(f"{path.name}.damaged-*"))) == 1
    connect(path).close()


def test_damaged_page_is_named_and_rest_is_readable(path: Path) -> None:
    database = connect(path)
    History(database).add([replace(histories.ANALYSIS, text="雨" * 1000)] * 200)
    (root,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'analyses'").fetchone()
    database.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    database = connect(path)
    with pytest.raises(CorruptFileError, match=rf"{path} is damaged .*\. Move it aside"):
        History(database).page(10)
    assert Runs(database, path.parent / "runs").list() == ()
    database.close()


def test_undecodable_row_is_damage(database: Database) -> None:
    with pytest.raises(CorruptFileError, match="Move it aside"):
        list(database.read(lambda row: int(row[0]), "SELECT 'seven'"))


def test_text_with_flipped_bit_is_read_with_replacement(database: Database) -> None:
    damaged = "今天".encode() + b"\xff" + "好".encode()
    assert list(database.read(lambda row: row[0], "SELECT CAST(? AS TEXT)", (damaged,))) == ["今天\ufffd好"]


@pytest.fixture
def loose(database: Database) -> Database:
    """A history of three entries in a table without types, since a flipped bit may leave any value."""
    texts = ("风", "雨", "雪")
    History(database).add([replace(histories.ANALYSIS, text=text) for text in texts])
    database.execute("CREATE TABLE copy AS SELECT * FROM analyses")
    database.execute("DROP TABLE analyses")
    columns = ", ".join(row[1] for row in database.execute("PRAGMA table_info(copy)"))
    database.execute(f"CREATE TABLE analyses ({columns})")
    database.execute("INSERT INTO analyses SELECT * FROM copy")
    return database


@pytest.mark.parametrize(
    "change",
    ["text = 7", "confidence = 'high'", "probabilities = '{'", "characters = 'ten'", "label = x'ff'", "adapter = NULL"],
)
def test_damaged_entry_is_shown_and_can_be_deleted(loose: Database, change: str, tmp_path: Path) -> None:
    history = History(loose)
    loose.execute(f"UPDATE analyses SET {change} WHERE id = 2")
    page = history.page(9)
    assert [entry.id for entry in page] == [3, 2, 1]
    assert [entry.error for entry in page if isinstance(entry, Analysis)] == [None, "this entry is damaged", None]
    assert drain(history.export(tmp_path / "out.csv")) == 3
    history.delete([page[1]])
    assert [entry.id for entry in history.page(9)] == [3, 1]


def test_damaged_entry_without_time_is_shown_first(loose: Database) -> None:
    loose.execute("UPDATE analyses SET created_at = x'01' WHERE id = 2")
    history = History(loose)
    (first,) = history.page(1)
    assert (first.id, isinstance(first, Analysis) and first.error) == (2, "this entry is damaged")
    assert [entry.id for entry in history.page(9, before=first)] == [3, 1]
    history.delete([first])
    assert [entry.id for entry in history.page(9)] == [3, 1]


def test_changed_tables_are_damage(database: Database) -> None:
    with pytest.raises(CorruptFileError, match="Move it aside"), database.transaction():
        database.execute("INSERT INTO events VALUES ('no such run', 1, '', '', '')")
    database.execute("DROP TABLE analyses")
    with pytest.raises(CorruptFileError, match="Move it aside"):
        History(database).page(1)


def test_impossible_database_path_is_named(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(WeiboTuiError, match=str(path)):
        connect(path)
    with pytest.raises(WeiboTuiError, match="weibo-tui.db"):
        connect(Path(os.devnull) / "weibo-tui.db")


def test_transaction_after_timeout_is_busy(path: Path, database: Database) -> None:
    other = connect(path)
    refused = pytest.raises(DatabaseBusyError, match="in use by another program")
    with database.transaction(), refused, other.transaction(timeout=0):
        pass
    other.close()


def test_transaction_is_all_or_nothing(database: Database) -> None:
    with pytest.raises(KeyboardInterrupt), database.transaction():
        database.execute("CREATE TABLE something (value)")
        raise KeyboardInterrupt
    assert "something" not in dict(shape(database))


PROGRAM = """
import sys
from pathlib import Path
from weibo_tui.storage.database import connect
from weibo_tui.storage.history import Analysis, History

sys.stdin.read()  # until all may begin
history = History(connect(Path(sys.argv[1])))
for number in range(15):
    history.add([Analysis(
        text=f"{sys.argv[2]} {number}", label="positive", confidence=0.9, probabilities={}, uncertain=False,
        adapter="a", truncated=False, characters=1, characters_read=1, milliseconds=1.0,
        created_at="2026-01-31T12:00:00.000Z", source="cli",
    )])
    history.page(5)
"""


def test_programs_can_start_and_write_concurrently(path: Path) -> None:
    gate, opens = os.pipe()
    programs = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(path), name], stdin=gate) for name in "abc"]
    os.close(gate)
    os.close(opens)
    assert [program.wait(timeout=120) for program in programs] == [0, 0, 0]
    database = connect(path)
    entries = History(database).page(1000)
    assert {getattr(entry, "text", None) for entry in entries} == {
        f"{name} {number}" for name in "abc" for number in range(15)
    }
    database.close()
