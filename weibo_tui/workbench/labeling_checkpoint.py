"""The predictions that a labeling has so far, in `<out>.partial` beside its result: a killed one goes on from them.

A header names the adapter that made them. Then each line holds the predictions of one window of rows: a checksum, the
number of its first row, how many rows it has, a hash of their posts, and one JSON array. So a line counts only where
the file that is read now has the same posts in the same rows, and nothing but its own bytes can make it false. Lines
are only ever added. A line of row 0 says which bytes the finished result has, and when it was finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from weibo_tui.atomic import NO_FOLLOW, cannot_write, lock_file, sha256
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage.codec import timestamp

SYNC_SECONDS = 5.0
_OURS = b'{"weibo-tui labelling": '
_FLAGS: int = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # of POSIX, and of Windows
_LONGEST_LINE = 2**27  # bytes; a window of 2,048 rows and 1,000 labels has 50 MB


class _Line(NamedTuple):
    offset: int
    length: int
    rows: int
    digest: bytes


def place_of(out: Path) -> Path:
    """Where the verdicts for `out` are kept until it is whole."""
    return Path(f"{out}.partial")  # a folder such as "/" has no name


class LabelingCheckpoint:
    """The file, held against other programs. Made by `open_partial`."""

    def __init__(self, path: Path, descriptor: int, reader: IO[bytes], key: str) -> None:
        self.path = path
        # No buffer: what does not find room on the disk must not come once more when the file is closed.
        self._descriptor = descriptor
        self._reader = reader
        self._header = json.dumps({"weibo-tui labelling": key}).encode() + b"\n"
        self._lines: dict[int, _Line] = {}
        self._fits = self._is_torn = self.is_removed = False
        self._unread = 0
        self._synced = time.monotonic()

    def read(self) -> Iterator[Progress]:
        """Find the lines that are whole. Raise UserInputError where the file holds something that is not ours."""
        header = self._reader.readline(1000)
        if not _OURS.startswith(header[: len(_OURS)]):
            raise _not_ours(self.path)
        self._fits = header == self._header
        offset = len(header)
        while data := self._reader.readline(_LONGEST_LINE):
            check, _space, payload = data.partition(b" ")
            self._is_torn = not data.endswith(b"\n")
            if self._is_torn or check != _checksum(header, payload):
                self._unread += 1
            else:
                row, rows, digest, _values = payload.split(b" ", 3)
                self._lines[int(row)] = _Line(offset, len(data), int(rows), digest)
                yield Progress("reading", int(row) + int(rows))
            offset += len(data)

    def is_result(self, out: Path) -> bool:
        """Whether `out` is the finished result, which a labeling killed after that left in its place."""
        return self._fits and 0 in self._lines and self._lines[0].digest == sha256(out).encode()

    def begin(self, overwrite: bool) -> None:
        """Make the file ready to be added to. Raise UserInputError where that drops another adapter's predictions,
        unless `overwrite`."""
        if self._fits:
            if self._is_torn:
                self._write(b"\n")
            return
        # An earlier version wrote one row a line, without a checksum.
        rows = sum(line.rows for line in self._lines.values()) or self._unread
        if rows and not overwrite:
            message = _(
                "{path} holds {rows} predictions by another adapter or version. "
                "Use --overwrite to replace them, or write the result to another file."
            )
            in_app = _(
                "{path} holds {rows} predictions by another adapter or version. "
                "Remove that file, or write the result to another one."
            )
            about = {"path": self.path, "rows": f"{rows:,}"}
            raise UserInputError(message.format(**about), in_app.format(**about))
        self._lines.clear()
        os.truncate(self._descriptor, 0)
        self._write(self._header)

    def take(self, row: int, posts: Sequence[str], overwrite: bool) -> list[list[Any]] | None:
        """Return the predictions of the rows from `row` on, None where the file does not have all of them. Raise
        UserInputError where it has those of other posts, unless `overwrite`."""
        line = self._lines.get(row)
        if line is None:
            return None
        if line.digest != _digest(posts[: line.rows]):
            if overwrite:
                return None
            rows = sum(line.rows for first, line in self._lines.items() if first >= row)
            message = _(
                "{path} holds {rows} predictions of other posts, from row {row} on. "
                "Use --overwrite to replace them, or write the result to another file."
            )
            in_app = _(
                "{path} holds {rows} predictions of other posts, from row {row} on. "
                "Remove that file, or write the result to another one."
            )
            about = {"path": self.path, "rows": f"{rows:,}", "row": row}
            raise UserInputError(message.format(**about), in_app.format(**about))
        if line.rows < len(posts):  # the file has grown since
            return None
        self._reader.seek(line.offset)
        values: list[list[Any]] = json.loads(self._reader.read(line.length).split(b" ", 4)[4])
        return values

    def add(self, row: int, posts: Sequence[str], predictions: Sequence[Sequence[Any]]) -> None:
        """Keep the predictions of the rows from `row` on; they are on the disk for certain within seconds."""
        self._add(row, len(posts), _digest(posts), predictions)
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._descriptor)
            self._synced = time.monotonic()

    def finish(self, result: str) -> str:
        """Return the moment at which the result with this SHA-256 was finished: the same when asked again."""
        line = self._lines.get(0)
        if line is not None and line.digest == result.encode():
            self._reader.seek(line.offset)
            return str(json.loads(self._reader.read(line.length).split(b" ", 4)[4]))
        finished = timestamp()
        self._add(0, 0, result.encode(), finished)
        return finished

    def remove(self) -> None:
        """Delete the file. One that has come under its name since is not ours and stays."""
        self.is_removed = _has_name(self._descriptor, self.path)
        if self.is_removed and sys.platform != "win32":
            self.path.unlink()

    def _add(self, row: int, rows: int, digest: bytes, values: object) -> None:
        payload = b"%d %d %b %b\n" % (row, rows, digest, json.dumps(values).encode())
        self._write(_checksum(self._header, payload) + b" " + payload)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise cannot_write(self.path, error) from error


@contextmanager
def open_partial(out: Path, key: str) -> Iterator[LabelingCheckpoint]:
    """The verdicts for `out` so far. UserInputError while another program works on them or where something that is not
    ours is in their place, WeiboTuiError where that cannot be written; a block that fails leaves what there is."""
    path = place_of(out)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not through a link, which anybody may have laid where many write, and without waiting at a pipe.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_FOLLOW | _FLAGS, 0o600)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or not _is_own(about):
            raise _not_ours(path)
        _hold(descriptor, path, out)
        # The same file, whatever has come under its name since.
        with os.fdopen(os.dup(descriptor), "rb") as reader:
            partial = LabelingCheckpoint(path, descriptor, reader, key)
            yield partial
    finally:
        os.close(descriptor)
    if partial.is_removed and sys.platform == "win32":  # an open file cannot be deleted there
        path.unlink(missing_ok=True)


def _is_own(about: os.stat_result) -> bool:
    user = getattr(os, "geteuid", None)  # Windows has none, and its home folders are private
    return user is None or about.st_uid == user()


def _hold(descriptor: int, path: Path, out: Path) -> None:
    message = _("{path} is being written by another program: wait until it is done, or choose another --out.")
    try:
        lock_file(descriptor)
    except BlockingIOError as error:
        raise UserInputError(message.format(path=out)) from error
    except OSError:
        pass  # a file system without locks: then nobody is held off
    if not _has_name(descriptor, path):  # another program was done with it, and removed it, before it was held
        raise UserInputError(message.format(path=out))


def _has_name(descriptor: int, path: Path) -> bool:
    """Return True where the open file is the one that `path` names now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _not_ours(path: Path) -> UserInputError:
    message = _("{path} is where the verdicts so far are kept, and holds something else: move it away.")
    return UserInputError(message.format(path=path))


def _checksum(header: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(header + payload).hexdigest()[:16].encode()


def _digest(posts: Sequence[str]) -> bytes:
    digest = hashlib.sha256()
    for post in posts:
        text = post.encode("utf-8", "surrogatepass")
        digest.update(b"%d %b" % (len(text), text))
    return digest.hexdigest().encode()
