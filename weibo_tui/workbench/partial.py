"""The verdicts that a labelling has so far, in `<out>.partial` beside its result: what goes on behind a kill.

One JSON line a row, behind a line that says what they belong to: this content, read so, by this adapter. A line that is
not whole, and all behind it, is judged again. The last line says when all of them were there.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from weibo_tui.errors import BadInput
from weibo_tui.files import cannot_write
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage.values import timestamp

SYNC_SECONDS = 5.0
FINISHED = "finished"
_OURS = b'{"weibo-tui labelling": '
_STEP = 10_000  # lines looked at between two steps of progress


def place_of(out: Path) -> Path:
    """Where the verdicts for `out` are kept until it is whole."""
    return out.with_name(out.name + ".partial")


class Partial:
    """The file, held against other programs. Made by `open_partial`."""

    def __init__(self, path: Path, descriptor: int, key: str) -> None:
        self.path = path
        # No buffer: what does not find room on the disk must not come once more when the file is closed.
        self._descriptor = descriptor
        self._header = json.dumps({"weibo-tui labelling": key}).encode() + b"\n"
        self._finished = ""
        self._synced = time.monotonic()

    def fits(self) -> bool:
        """Whether what is in it belongs to the key. Raises BadInput where it is nothing of ours."""
        with self.path.open("rb") as file:
            header = file.readline(1000)
        if not _OURS.startswith(header[: len(_OURS)]):
            raise BadInput(
                _("{path} is where the verdicts so far are kept, and holds something else: move it away.").format(
                    path=self.path
                )
            )
        return header == self._header

    def go_on(self) -> Generator[Progress, None, int]:
        """Keep what is whole and belongs to the key; the result is of how many rows."""
        if not self.fits():
            os.truncate(self._descriptor, 0)
            self._write(self._header)
            return 0
        end, done = len(self._header), 0
        with self.path.open("rb") as file:
            for line in islice(file, 1, None):
                verdict = _parsed(line)
                if verdict is None:
                    break
                if FINISHED in verdict:
                    self._finished = str(verdict[FINISHED])
                    return done
                end, done = end + len(line), done + 1
                if done % _STEP == 0:
                    yield Progress("reading", done)
        os.truncate(self._descriptor, end)
        return done

    def add(self, verdicts: Iterable[Mapping[str, Any]]) -> None:
        """Append one line for each row; on the disk for certain every few seconds."""
        self._write(b"".join(json.dumps(one).encode() + b"\n" for one in verdicts))
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._descriptor)
            self._synced = time.monotonic()

    def finish(self) -> str:
        """The moment at which there was a verdict for each row: the same for whoever asks again."""
        if not self._finished:
            self._finished = timestamp()
            self._write(json.dumps({FINISHED: self._finished}).encode() + b"\n")
        return self._finished

    def verdicts(self) -> Iterator[dict[str, Any]]:
        """One for each row, from the first."""
        with self.path.open(encoding="utf-8") as file:
            yield from (line for line in map(json.loads, islice(file, 1, None)) if FINISHED not in line)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]


@contextmanager
def open_partial(out: Path, key: str) -> Iterator[Partial]:
    """The verdicts for `out` so far. BadInput while another program works on them, WeiboTuiError where the place cannot
    be written; a block that fails leaves what there is."""
    path = place_of(out)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not through a link, which anybody may have laid where many write.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        _hold(descriptor, out)
        yield Partial(path, descriptor, key)
    finally:
        os.close(descriptor)


def _hold(descriptor: int, out: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = _("{path} is being written by another program: wait until it is done, or choose another --out.")
        raise BadInput(message.format(path=out)) from error
    except OSError:
        pass  # a file system without locks: then nobody is held off


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A line that was written whole; None for any other."""
    with suppress(ValueError):
        value = json.loads(line)
        if line.endswith(b"\n") and isinstance(value, dict):
            return value
    return None
