"""The cache of a labeled file: its rows in one SQLite file, with a full-text index and an array for each column.

It can be deleted at any time, and is made again from the file. A page of rows is read by their numbers. Filters and
orders are computed on the arrays; see `row_selection`.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from weibo_tui.atomic import cannot_write
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.part_folders import table_state
from weibo_tui.storage.codec import pack, unpack
from weibo_tui.storage.database import BUSY_TIMEOUT, Database, translate_sqlite_errors
from weibo_tui.storage.search import MAX_SEARCH_LENGTH, fold, phrase, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.storage.column_index import ColumnIndex, ColumnValues

T = TypeVar("T")

VERSION = 2
"""Version of the cache. One of another version is made again."""
SUFFIX = ".rows"
_ROWS_A_QUERY = 500  # SQLite takes at least 999 parameters
_MAX_SEARCHES = 8  # results in memory, a byte a row
_PART = 2**26  # bytes of an array in one cell of the table


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row as stored: its number from 1, the post, and its cells in the order of the columns."""

    number: int
    text: str
    cells: list[Any]


class RowsWriter:
    """Writes a cache. Rows are on disk after `commit`, and all is believed only after `finish`."""

    def __init__(self, path: Path) -> None:
        """Create an empty cache in place of any other at `path`. Raise WeiboTuiError where that is impossible."""
        self.path = path
        remove_cache(path)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # SQLite's own file could be read by others
        except OSError as error:
            raise cannot_write(path, error) from error
        with translate_sqlite_errors(path):
            self._database = _connect(path)
        try:
            self._create()
        except BaseException:
            self.discard()
            raise
        self._rows: list[tuple[int, str | bytes, str | bytes]] = []

    def _create(self) -> None:
        with self._database.exclusive():
            # Rows are fsynced once, by `finish`. Before that a power cut leaves a cache that is made again.
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
        with self._database.transaction():
            for statement in _SCHEMA:
                self._database.execute(statement)

    def add(self, number: int, text: str, cells: Sequence[Any]) -> None:
        """Add a row."""
        values = json.dumps(cells, ensure_ascii=False, default=str, separators=(",", ":"))
        self._rows.append((number, pack(text), pack(values)))

    def commit(self, info: Mapping[str, Any]) -> None:
        """Write the added rows and `info`, so that other connections see them."""
        with self._database.transaction():
            self._database.executemany("INSERT INTO rows (number, text, cells) VALUES (?, ?, ?)", self._rows)
            self._database.executemany(
                "INSERT INTO search (rowid, words) VALUES (?, ?)",
                ((number, words(unpack(text))) for number, text, _cells in self._rows),
            )
            _write_info(self._database, info, is_ready=False)
        self._rows.clear()

    def sort_texts(self) -> NDArray[np.int32]:
        """Return the places of the rows (rows,) in the order of their texts."""
        import numpy as np

        with self._database.exclusive():
            rows = self._database.execute("SELECT number FROM rows ORDER BY text, number")
            return np.fromiter((number - 1 for (number,) in rows), np.int32)

    def add_array(self, name: str, values: NDArray[Any]) -> None:
        """Write an array."""
        data = values.tobytes()
        with self._database.transaction():
            for part, start in enumerate(range(0, max(len(data), 1), _PART)):
                row = name, part, values.dtype.str, data[start : start + _PART]
                self._database.execute("INSERT INTO arrays (name, part, type, data) VALUES (?, ?, ?, ?)", row)

    def add_character(self, character: str, rows: int) -> None:
        """Write which posts contain a frequent character, since the full-text index would list all of them."""
        import numpy as np

        with self._database.exclusive():
            mask = _find_posts(self._database, character, rows)
        self.add_array(f"posts.{ord(character)}", np.packbits(mask))

    def add_column(self, number: int, index: ColumnIndex) -> None:
        """Write the index of a column, and the order of the rows where that is slow to sort."""
        from weibo_tui.storage.column_index import sort_codes

        self.add_array(f"codes.{number}", index.codes)
        self.add_array(f"ends.{number}", index.ends)
        self.add_array(f"values.{number}", index.values)
        if index.codes.itemsize > 2:
            self.add_array(f"order.{number}", sort_codes(index.codes)[0])

    def finish(self, info: Mapping[str, Any]) -> None:
        """Mark the cache as complete, with these facts."""
        with self._database.transaction():
            _write_info(self._database, info, is_ready=True)
        with self._database.exclusive():
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def discard(self) -> None:
        """Close and delete the cache, as far as that is possible."""
        self._database.close()
        with suppress(WeiboTuiError):
            remove_cache(self.path)

    def close(self) -> None:
        self._database.close()


class FileRows:
    """A cache that is read, from any thread; also one that is still being written, as far as its rows are there.

    `info` are the facts that the writer gave. Arrays stay in memory once they are read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with translate_sqlite_errors(path):
            self._database = _connect(path)
        status = path.stat()
        self.inode = status.st_dev, status.st_ino
        self._arrays: dict[str, NDArray[Any]] = {}
        self._values: dict[int, ColumnValues] = {}
        self._searches: dict[str, NDArray[np.bool_]] = {}
        self.info: dict[str, Any] = {}
        self.is_ready = False
        self.refresh()

    def refresh(self) -> None:
        """Read again how far the cache is written."""
        state = _read_info(self._database)
        if state is not None:
            self.info, self.is_ready = state

    def is_of(self, path: Path) -> bool:
        """Return whether the file at `path` is as it was when it was read. Raise OSError without one."""
        return is_unchanged(path, self.info)

    @property
    def rows(self) -> int:
        """The number of rows that can be read."""
        return int(self.info.get("rows", 0))

    @property
    def columns(self) -> list[str]:
        return list(self.info.get("columns", ()))

    def read(self, numbers: Sequence[int]) -> list[StoredRow]:
        """Return the rows of these numbers, in their order."""
        found: dict[int, StoredRow] = {}
        for start in range(0, len(numbers), _ROWS_A_QUERY):
            part = numbers[start : start + _ROWS_A_QUERY]
            query = f"SELECT number, text, cells FROM rows WHERE number IN ({', '.join('?' * len(part))})"
            found |= {row.number: row for row in self._read(_decode_row, query, part)}
        return [found[number] for number in numbers if number in found]

    def array(self, name: str) -> NDArray[Any]:
        """Return an array that the writer gave, read-only."""
        import numpy as np

        if name not in self._arrays:
            query = "SELECT type, data FROM arrays WHERE name = ? ORDER BY part"
            parts = self._read(tuple, query, (name,))
            if not parts:
                raise self._damaged()
            data = parts[0][1] if len(parts) == 1 else b"".join(part for _type, part in parts)
            self._arrays[name] = np.frombuffer(data, np.dtype(parts[0][0]))
        return self._arrays[name]

    def order(self, column: str) -> tuple[NDArray[np.int32], int]:
        """Return the places of the rows in the order of a column, and how many without a value are at its end.

        Raise UserInputError for a column that does not exist.
        """
        from weibo_tui.storage.column_index import EMPTY, sort_codes

        column = self.info["stored_orders"].get(column, column)
        if column in _STORED_ORDERS:
            return self.array(f"order.{column}"), int(self.info["empty"].get(column, 0))
        number, codes = self._column(column), self.codes(column)
        if codes.dtype.itemsize > 2:
            return self.array(f"order.{number}"), int((codes == EMPTY).sum())
        return sort_codes(codes)

    def codes(self, column: str) -> NDArray[Any]:
        """Return the places of the cells of a column in their order (rows,), -1 for empty ones.

        Raise UserInputError for a column that does not exist, or is that of the posts.
        """
        number = self._column(column)
        if column == self.info["roles"]["post"]:
            message = _("Column {column} contains the posts. Choose another column.")
            raise UserInputError(message.format(column=column))
        return self.array(f"codes.{number}")

    def search(self, text: str) -> NDArray[np.bool_]:
        """Return which posts contain a text, in any case. The results of the last searches stay in memory."""
        needle = fold(text)
        found = self._searches.pop(needle, None)
        self._searches[needle] = self._search(needle) if found is None else found
        if len(self._searches) > _MAX_SEARCHES:
            del self._searches[next(iter(self._searches))]
        return self._searches[needle]

    def _search(self, needle: str) -> NDArray[np.bool_]:
        import numpy as np

        if len(needle) == 1 and ord(needle) in self.info["frequent"]:
            return np.unpackbits(self.array(f"posts.{ord(needle)}"), count=self.rows).view(np.bool_)
        try:
            with self._database.exclusive():
                mask = _find_posts(self._database, needle, self.rows)
        except CorruptFileError as error:
            raise self._damaged() from error
        if len(needle) > MAX_SEARCH_LENGTH:
            mask &= self._scan("contains(text, ?)", (pack(needle),))
        return mask

    def search_column(self, column: str, text: str) -> NDArray[np.bool_]:
        """Return which cells of a column contain a text, in any case.

        Raise UserInputError for a column that does not exist.
        """
        import numpy as np

        from weibo_tui.storage.column_index import ColumnValues

        number = self._column(column)
        if column == self.info["roles"]["post"]:
            return self.search(text)
        if column in self.info["long_columns"]:
            return self._scan("contains_cell(cells, ?, ?)", (number, pack(fold(text))))
        if number not in self._values:
            self._values[number] = ColumnValues(self.array(f"values.{number}"), self.array(f"ends.{number}"))
        # An empty cell has the code -1, which is the last value.
        return np.take(self._values[number].containing(text), self.array(f"codes.{number}"), mode="wrap")

    def close(self) -> None:
        self._database.close()

    def _read(self, decode: Callable[[Sequence[Any]], T], query: str, parameters: Sequence[Any] = ()) -> list[T]:
        """Return the decoded rows of a query. Where they are damaged, the cache is removed, to be made again."""
        try:
            return list(self._database.read(decode, query, parameters))
        except CorruptFileError as error:
            raise self._damaged() from error

    def _damaged(self) -> CorruptFileError:
        with suppress(WeiboTuiError):
            remove_cache(self.path)
        message = _("The kept rows of {path} are damaged. Open the file again to read it again.")
        return CorruptFileError(message.format(path=self.info["path"]))

    def _scan(self, condition: str, parameters: Sequence[Any]) -> NDArray[np.bool_]:
        """Return which rows fulfil a condition that is computed row by row."""
        import numpy as np

        mask = np.zeros(self.rows, np.bool_)
        query = f"SELECT number FROM rows WHERE {condition}"
        for number in self._read(lambda row: int(row[0]), query, parameters):
            mask[number - 1] = True
        return mask

    def _column(self, name: str) -> int:
        if name in (columns := self.columns):
            return columns.index(name)
        message = _("{path} has no column {name}. Its columns are {columns}.")
        raise UserInputError(message.format(path=self.info["path"], name=name, columns=", ".join(columns)))


_STORED_ORDERS = ("text", "confidence", "date", "count")
_SCHEMA = (
    "CREATE TABLE info (version INTEGER, is_ready INTEGER, data TEXT)",
    "CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT, cells TEXT)",
    "CREATE TABLE arrays (name TEXT, part INTEGER, type TEXT, data BLOB, PRIMARY KEY (name, part))",
    """
    CREATE VIRTUAL TABLE search USING fts5 (
        words, content = '', columnsize = 0, prefix = '4', tokenize = 'ascii'
    )
    """,
)


def read_cache_info(path: Path) -> tuple[dict[str, Any], bool] | None:
    """Return the facts of a cache, and whether it is complete. Return None for another file, or a damaged one."""
    try:
        with closing(_connect(path, read_only=True)) as database:
            return _read_info(database)
    except (sqlite3.Error, OSError, WeiboTuiError):
        return None


def is_unchanged(path: Path, info: Mapping[str, Any]) -> bool:
    """Return whether a table has the size and the time of change that are among the facts of a cache."""
    facts = source_facts(path)
    return all(facts[name] == info[name] for name in ("size", "modified"))


def source_facts(path: Path) -> dict[str, Any]:
    """Return the facts by which a file at a path is recognized as the one that was read."""
    return {"path": str(path.absolute()), **table_state(path)._asdict()}


def set_cache_source(cache: Path, facts: Mapping[str, Any]) -> None:
    """Store in a complete cache the `source_facts` of a file with the same content, which takes the place of its."""
    with translate_sqlite_errors(cache), closing(_connect(cache)) as database, database.transaction():
        if (state := _read_info(database)) is not None:
            _write_info(database, state[0] | dict(facts), is_ready=state[1])


def remove_cache(path: Path) -> None:
    """Delete a cache and what SQLite keeps next to it. Raise WeiboTuiError where that is impossible."""
    for suffix in ("", "-wal", "-shm"):
        try:
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).unlink()
        except OSError as error:
            raise cannot_write(path, error) from error


def _connect(path: Path, read_only: bool = False) -> Database:
    try:
        database = _connect_uri(path, f"mode={'ro' if read_only else 'rw'}")
    except sqlite3.OperationalError:
        # Where the folder is read-only or the disk is full, SQLite cannot create what programs share to read a file
        # that may have a log. Without one this is not needed.
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise
        database = _connect_uri(path, "mode=ro&immutable=1")
    database.create_function("contains_cell", 3, _contains_cell, deterministic=True)
    return database


def _connect_uri(path: Path, options: str) -> Database:
    uri = f"{path.absolute().as_uri()}?{options}"
    database = sqlite3.connect(uri, BUSY_TIMEOUT, isolation_level=None, uri=True, factory=Database)
    database.path = path
    try:
        database.execute("SELECT 1 FROM sqlite_schema LIMIT 1")
    except BaseException:
        database.close()
        raise
    return database


def _contains_cell(cells: str | bytes, number: int, needle: str | bytes) -> bool:
    values = json.loads(unpack(cells))
    return number < len(values) and unpack(needle) in fold(cell_text(values[number]))


def cell_text(value: Any) -> str:
    """Return a stored cell as text. Lists and objects are JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | bool) else str(value)


def _find_posts(database: Database, needle: str, rows: int) -> NDArray[np.bool_]:
    """Return which posts contain a folded text, or its first characters, by the full-text index (rows,)."""
    import numpy as np

    mask = np.zeros(rows, np.bool_)
    query = "SELECT group_concat(rowid) FROM search WHERE search MATCH ?"
    (numbers,) = database.execute(query, (f"words : {phrase(needle)}",)).fetchone()
    if numbers:
        mask[np.fromstring(numbers, np.int32, sep=",") - 1] = True
    return mask


def _decode_row(row: Sequence[Any]) -> StoredRow:
    return StoredRow(int(row[0]), unpack(row[1]), json.loads(unpack(row[2])))


def _write_info(database: Database, info: Mapping[str, Any], is_ready: bool) -> None:
    database.execute("DELETE FROM info")
    row = VERSION, is_ready, pack(json.dumps(info, ensure_ascii=False, default=os.fspath))
    database.execute("INSERT INTO info (version, is_ready, data) VALUES (?, ?, ?)", row)


def _read_info(database: Database) -> tuple[dict[str, Any], bool] | None:
    states = list(database.read(_decode_info, "SELECT version, is_ready, data FROM info"))
    return states[0] if states else None


def _decode_info(row: Sequence[Any]) -> tuple[dict[str, Any], bool] | None:
    return (json.loads(unpack(row[2])), bool(row[1])) if row[0] == VERSION else None
