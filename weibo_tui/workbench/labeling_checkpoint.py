"""Checkpoint of a labeling: its predictions so far, in `<out>.partial`, from which a killed labeling continues.

The header identifies the adapter. Each line holds the predictions of one window of rows: a checksum, the number of its
first row, the number of rows, a hash of their posts, and a JSON array. A line is used only if its checksum is valid and
the source has the same posts in the same rows. Lines are only appended. The number of a window that was interrupted is
negative, and its array has null for the rows without a prediction. A line of row 0 holds the SHA-256 of the finished
result, and the time of its completion.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from weibo_tui.atomic import NO_FOLLOW, cannot_write, sha256
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage.codec import timestamp

SYNC_SECONDS = 5.0
_MAGIC = b'{"weibo-tui labelling": '
_FLAGS: int = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # POSIX, and Windows
_MAX_LINE_BYTES = 2**27  # a window of 2,048 rows and 1,000 labels has 50 MB


class _Line(NamedTuple):
    offset: int
    length: int
    rows: int
    digest: bytes


def checkpoint_path(out: Path) -> Path:
    """Return the path of the checkpoint for the result `out`."""
    return Path(f"{out}.partial")  # a folder such as "/" has no name


class LabelingCheckpoint:
    """An open checkpoint file, locked against other programs; see `open_checkpoint`."""

    def __init__(self, path: Path, descriptor: int, reader: IO[bytes], key: str) -> None:
        self.path = path
        # Unbuffered: closing the file must not write again what a full disk refused.
        self._descriptor = descriptor
        self._reader = reader
        self._header = json.dumps({"weibo-tui labelling": key}).encode() + b"\n"
        self._lines: dict[int, _Line] = {}
        self._is_same_adapter = self._is_torn = self.is_removed = False
        self._invalid_lines = 0
        self._synced = time.monotonic()

    def read(self) -> Iterator[Progress]:
        """Index the valid lines. Raises UserInputError where the file is not a checkpoint."""
        header = self._reader.readline(1000)
        if not _MAGIC.startswith(header[: len(_MAGIC)]):
            raise _no_checkpoint(self.path)
        self._is_same_adapter = header == self._header
        offset = len(header)
        while data := self._reader.readline(_MAX_LINE_BYTES):
            checksum, _space, payload = data.partition(b" ")
            self._is_torn = not data.endswith(b"\n")
            if self._is_torn or checksum != _checksum(header, payload):
                self._invalid_lines += 1
            else:
                row, rows, digest, _values = payload.split(b" ", 3)
                first = abs(int(row))
                self._lines[first] = _Line(offset, len(data), int(rows), digest)  # the latest one counts
                yield Progress("reading", first + int(rows))
            offset += len(data)

    def is_result(self, out: Path) -> bool:
        """Return True where `out` is the finished result, left by a labeling that was killed after writing it."""
        return self._is_same_adapter and 0 in self._lines and self._lines[0].digest == sha256(out).encode()

    def start(self, overwrite: bool) -> None:
        """Prepare the file for new lines. Raises UserInputError where that would drop predictions by another adapter,
        unless `overwrite`."""
        if self._is_same_adapter:
            if self._is_torn:
                self._write(b"\n")
            return
        # An earlier version wrote one line per row, without a checksum.
        rows = self._count_rows(0) or self._invalid_lines
        if rows and not overwrite:
            message = _(
                "{path} has {rows} predictions by another adapter or version. Use --overwrite to replace "
                "them, or write the result to another file."
            )
            in_app = _(
                "{path} has {rows} predictions by another adapter or version. Remove that file, or write the "
                "result to another one."
            )
            values = {"path": self.path, "rows": f"{rows:,}"}
            raise UserInputError(message.format(**values), in_app.format(**values))
        self._lines.clear()
        os.truncate(self._descriptor, 0)
        self._write(self._header)

    def load(self, row: int, posts: Sequence[str], overwrite: bool) -> list[list[Any] | None]:
        """Return the predictions of the rows from `row` on, None for those without one, and nothing unless the file has
        a line of all these rows.

        Raises UserInputError where it has those of other posts, unless `overwrite`."""
        line = self._lines.get(row)
        if line is None:
            return []
        if line.digest != _digest(posts[: line.rows]):
            if overwrite:
                return []
            rows = self._count_rows(row)
            message = _(
                "{path} has {rows} predictions of other posts, from row {row} on. Use --overwrite to replace "
                "them, or write the result to another file."
            )
            in_app = _(
                "{path} has {rows} predictions of other posts, from row {row} on. Remove that file, or write "
                "the result to another one."
            )
            context = {"path": self.path, "rows": f"{rows:,}", "row": row}
            raise UserInputError(message.format(**context), in_app.format(**context))
        if line.rows < len(posts):  # the source has grown since
            return []
        values: list[list[Any] | None] = self._values(line)
        return values

    def _count_rows(self, row: int) -> int:
        """Return the number of rows in the windows from `row` on."""
        return sum(line.rows for first, line in self._lines.items() if first >= row)

    def add(self, row: int, posts: Sequence[str], predictions: Sequence[Sequence[Any] | None]) -> None:
        """Append the predictions of the rows from `row` on, and fsync every few seconds."""
        self._append(-row if None in predictions else row, len(posts), _digest(posts), predictions)
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._descriptor)
            self._synced = time.monotonic()

    def finish(self, digest: str) -> str:
        """Record that the result with this SHA-256 is finished. Returns the time, the same after a kill."""
        line = self._lines.get(0)
        if line is not None and line.digest == digest.encode():
            return str(self._values(line))
        finished_at = timestamp()
        self._append(0, 0, digest.encode(), finished_at)
        return finished_at

    def remove(self) -> None:
        """Delete the file, unless another one has its name by now."""
        self.is_removed = _is_at(self._descriptor, self.path)
        if self.is_removed and sys.platform != "win32":
            self.path.unlink()

    def _values(self, line: _Line) -> Any:
        # Without the reader's buffer, which does not know that lines were appended in the meantime.
        os.lseek(self._descriptor, line.offset, os.SEEK_SET)
        return json.loads(os.read(self._descriptor, line.length).split(b" ", 4)[4])

    def _append(self, row: int, rows: int, digest: bytes, values: object) -> None:
        payload = b"%d %d %b %b\n" % (row, rows, digest, json.dumps(values).encode())
        self._write(_checksum(self._header, payload) + b" " + payload)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise cannot_write(self.path, error) from error


@contextmanager
def open_checkpoint(out: Path, key: str) -> Iterator[LabelingCheckpoint]:
    """Open and lock the checkpoint for the result `out`; it stays if the block fails.

    Raises UserInputError while another program uses it or where another file has its name, and WeiboTuiError where it
    cannot be written."""
    path = checkpoint_path(out)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Follow no link, which anybody could create in a shared folder, and do not block at a pipe.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_FOLLOW | _FLAGS, 0o600)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        status = os.fstat(descriptor)
        user = getattr(os, "geteuid", None)  # Windows has none, and its home folders are private
        if not stat.S_ISREG(status.st_mode) or (user is not None and status.st_uid != user()):
            raise _no_checkpoint(path)
        _lock(descriptor, path, out)
        # A duplicate, because another file may have the name by now.
        with os.fdopen(os.dup(descriptor), "rb") as reader:
            checkpoint = LabelingCheckpoint(path, descriptor, reader, key)
            yield checkpoint
    finally:
        os.close(descriptor)
    if checkpoint.is_removed and sys.platform == "win32":  # Windows cannot delete an open file
        path.unlink(missing_ok=True)


def _lock(descriptor: int, path: Path, out: Path) -> None:
    from filelock import lock_descriptor

    is_locked = True
    with suppress(OSError):  # a file system without locks
        is_locked = lock_descriptor(descriptor, blocking=False)
    # Another program may have finished and removed the file just before it was locked.
    if not is_locked or not _is_at(descriptor, path):
        message = _("{path} is being written by another program. Wait until it is done, or choose another --out.")
        raise UserInputError(message.format(path=out))


def _is_at(descriptor: int, path: Path) -> bool:
    """Return True where `path` names the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _no_checkpoint(path: Path) -> UserInputError:
    message = _("{path} is needed for partial results, but contains something else. Move it away.")
    return UserInputError(message.format(path=path))


def _checksum(header: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(header + payload).hexdigest()[:16].encode()


def _digest(posts: Sequence[str]) -> bytes:
    digest = hashlib.sha256()
    for post in posts:
        text = post.encode("utf-8", "surrogatepass")
        digest.update(b"%d %b" % (len(text), text))
    return digest.hexdigest().encode()
