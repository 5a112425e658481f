"""Tables that are a file or a folder of Parquet parts: their parts, state and fingerprint.

Programs for large data write a table as a folder of Parquet files. Names that begin with `_` or `.` are notes and
temporary files of the program that writes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from weibo_tui.atomic import cannot_read, read_bounded, sha256
from weibo_tui.locale import ngettext

PLAN_NAME = "_weibo-tui.json"
"""The file in a folder of labeled parts that says how many there will be."""

_SUFFIXES = (".parquet", ".pq")
MAX_PLAN = 2**28  # bytes
_MAX_PARTS = 10**9


class TableState(NamedTuple):
    """The size of a table in bytes, and what changes when a file of it does: times, names and sizes."""

    size: int
    modified: int | str


def list_parts(folder: Path) -> list[Path]:
    """Return the Parquet files of a folder in the order of their names. Raise OSError where it cannot be read."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if is_part(entry.name) and (entry.is_file() or _is_dangling(entry))]
    return [folder / name for name in sorted(names)]


def _is_dangling(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a link to nothing, which must not be left out without a word."""
    return entry.is_symlink() and not Path(entry.path).exists()


def is_part(name: str) -> bool:
    """Return True for the name of a Parquet file that is no temporary one."""
    return name.lower().endswith(_SUFFIXES) and is_visible(name)


def is_visible(name: str) -> bool:
    """Return True for a name of data. Others begin with `.`, with `_` as those of Spark, or with `~$` as those of Excel
    while a file is open."""
    return not name.startswith((".", "_", "~$"))


def table_exists(path: Path) -> bool:
    """Return True for a file, and a folder with Parquet files. False for a path that no file system takes."""
    try:
        return path.is_file() or (path.is_dir() and bool(list_parts(path)))
    except (OSError, ValueError):
        return False


def table_state(path: Path) -> TableState:
    """Return the state of a file, or of all parts of a folder. Raise OSError without one."""
    if not path.is_dir():
        status = path.stat()
        return TableState(status.st_size, status.st_mtime_ns)
    states = [(part.name, *table_state(part)) for part in list_parts(path)]
    if not states:
        raise FileNotFoundError(path)
    return TableState(sum(size for _name, size, _modified in states), _digest(states))


def table_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or that of the names and contents of all parts of a folder.

    Raise WeiboTuiError where it cannot be read."""
    try:
        if not path.is_dir():
            return sha256(path)
        return _digest([(part.name, sha256(part)) for part in list_parts(path)])
    except OSError as error:
        raise cannot_read(path, error) from error


def count_missing_parts(folder: Path) -> int:
    """Return how many parts of a folder are still to be written, by its plan. It is 0 for other programs' folders."""
    try:
        plan = json.loads(read_bounded(folder / PLAN_NAME, MAX_PLAN))
        return (
            0 if plan.get("finished_at") else max(0, min(int(plan["num_parts"]), _MAX_PARTS) - len(list_parts(folder)))
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return 0


def warn_of_missing_parts(path: Path) -> Iterator[str]:
    """Yield a sentence about a table that is a folder with missing parts."""
    if number := count_missing_parts(path):
        yield ngettext(
            "This folder is not finished: {number:,} part is missing.",
            "This folder is not finished: {number:,} parts are missing.",
            number,
        ).format(number=number)


def _digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
