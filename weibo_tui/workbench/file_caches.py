"""The folder of the caches of labeled files: finding, making and removing them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import filelock

from weibo_tui.atomic import cannot_write
from weibo_tui.datasets.detection import check_readable
from weibo_tui.datasets.labeled_rows import FileOptions
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.part_folders import table_exists, table_sha256
from weibo_tui.progress import Progress
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.file_rows import (
    SUFFIX,
    FileRows,
    is_unchanged,
    read_cache_info,
    remove_cache,
    set_cache_source,
    source_facts,
)

FileState = Literal["ready", "indexing", "not opened", "changed", "removed"]
_WAIT = 0.25  # seconds for another program, between two steps


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A labeled file in the list: one that was opened, or one that the history knows.

    `counts` are rows by predicted label, `answers` rows with an answer, or else with a label in the file's own column.
    `time` is when it was opened or labeled last.
    """

    path: Path
    state: FileState
    rows: int
    counts: dict[str, int]
    answers: int
    adapter: str
    time: str
    fingerprint: str = ""
    posts: str = ""
    cache: Path = Path()

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `weibo-tui files list --json` prints."""
        return {
            "path": str(self.path),
            "state": self.state,
            "rows": self.rows,
            "counts": self.counts,
            "answers": self.answers,
            "adapter": self.adapter,
            "time": self.time,
            "fingerprint": self.fingerprint,
        }


class FileCaches:
    """The caches in a folder, which is created when it is needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self) -> Iterator[ListedFile]:
        """Yield the files that were opened, in any order."""
        for cache in self._caches():
            if (state := read_cache_info(cache)) is not None:
                yield _listed(cache, *state, is_locked=self._is_locked(cache))

    def open(self, path: Path, options: FileOptions) -> Generator[Progress | FileRows, None, FileRows]:
        """Return the cache of a file, made again where it is missing, incomplete or damaged.

        The rows of one that is being made are yielded first, as soon as some can be read. Raise the errors of
        `open_labeled_table`, and WeiboTuiError where no cache can be written.
        """
        path = path.absolute()
        cache = self._find(path, options)
        if cache is None:
            facts = source_facts(path)
            fingerprint = table_sha256(path)
            cache = self.folder / f"{_name(fingerprint, options)}{SUFFIX}"
            yield from self._make(path, options, facts | {"fingerprint": fingerprint}, cache)
        with suppress(OSError):
            os.utime(cache)  # the list is in the order of these times
        return FileRows(cache)

    def remove(self, cache: Path) -> None:
        """Delete a cache."""
        remove_cache(cache)
        _lock_path(cache).unlink(missing_ok=True)

    def _caches(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SUFFIX}"))

    def _find(self, path: Path, options: FileOptions) -> Path | None:
        """Return the complete cache of a file that has the same size and time of change as then, or was removed.

        Raise UserInputError for a file that was removed and has no cache.
        """
        is_removed = not table_exists(path)
        for cache in self._caches():
            info, is_ready = read_cache_info(cache) or ({}, False)
            if not is_ready or Path(info["path"]) != path or not (is_removed or is_unchanged(path, info)):
                continue
            if cache.stem == _name(info["fingerprint"], options):
                return cache
        if is_removed:
            with suppress(OSError, ValueError):
                check_readable(path)  # a folder may be there that is no table
            raise UserInputError(_("File not found: {path}. Check the name.").format(path=path))
        return None

    def _make(
        self, path: Path, options: FileOptions, facts: dict[str, Any], cache: Path
    ) -> Generator[Progress | FileRows, None, None]:
        from weibo_tui.workbench.file_indexing import FileIndexing

        lock = self._lock(cache)
        while not _acquire(lock, cache):
            yield Progress("waiting", 0)
        try:
            _info, is_ready = read_cache_info(cache) or ({}, False)
            if is_ready:  # the file was copied or touched, or another program has made the cache in the meantime
                set_cache_source(cache, facts)
                return
            with closing(FileIndexing(path, options, facts, cache)) as indexing:
                has_rows = False
                try:
                    for step in indexing.run():
                        if not has_rows:
                            has_rows = True
                            yield FileRows(cache)
                        yield step
                except BaseException:
                    indexing.discard()
                    raise
            self._remove_older(path, cache)
        finally:
            lock.release()

    def _remove_older(self, path: Path, cache: Path) -> None:
        """Delete the caches of what the file was before it changed."""
        fingerprint = (read_cache_info(cache) or ({}, False))[0].get("fingerprint")
        for other in self._caches():
            info, _is_ready = read_cache_info(other) or ({}, False)
            if info.get("path") == str(path) and info["fingerprint"] != fingerprint and not self._is_locked(other):
                with suppress(OSError):
                    self.remove(other)

    def _lock(self, cache: Path) -> filelock.BaseFileLock:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        return filelock.FileLock(_lock_path(cache), mode=0o600)

    def _is_locked(self, cache: Path) -> bool:
        path = _lock_path(cache)
        if not path.exists():
            return False
        lock = filelock.FileLock(path, mode=0o600)
        try:
            with lock.acquire(timeout=0):
                return False
        except (filelock.Timeout, OSError):
            return True


def _lock_path(cache: Path) -> Path:
    return cache.with_name(f"{cache.name}.lock")


def _acquire(lock: filelock.BaseFileLock, cache: Path) -> bool:
    try:
        lock.acquire(timeout=_WAIT)
    except filelock.Timeout:
        return False
    except OSError as error:
        raise cannot_write(cache, error) from error
    return True


def _name(fingerprint: str, options: FileOptions) -> str:
    """Return the name of a cache, which is another one for the same file that is read otherwise."""
    return hashlib.sha256(json.dumps([fingerprint, repr(options)]).encode()).hexdigest()[:40]


def _listed(cache: Path, info: dict[str, Any], is_ready: bool, *, is_locked: bool) -> ListedFile:
    path = Path(info["path"])
    return ListedFile(
        path=path,
        state=_state(path, info, is_ready, is_locked),
        rows=info.get("rows", 0),
        counts=info.get("counts", {}),
        answers=info.get("answers", 0),
        adapter=info.get("adapter", ""),
        time=timestamp(datetime.fromtimestamp(cache.stat().st_mtime, UTC)),
        fingerprint=info["fingerprint"],
        posts=info.get("posts", ""),
        cache=cache,
    )


def _state(path: Path, info: dict[str, Any], is_ready: bool, is_locked: bool) -> FileState:
    if not is_ready:
        return "indexing" if is_locked else "not opened"
    try:
        return "ready" if is_unchanged(path, info) else "changed"
    except OSError:
        return "removed"
