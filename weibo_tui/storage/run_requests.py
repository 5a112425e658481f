"""Requests to the process that works on a run: a file in the folder of the run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

from weibo_tui.atomic import cannot_write

Request = Literal["pause", "stop"]

_FILE = "request"
_PAUSE_NEXT = "pause next"


def write(folder: Path, request: Request) -> None:
    _write(folder, request)


def pause_next(folder: Path) -> None:
    """Ask the process that works on the run next to pause."""
    _write(folder, _PAUSE_NEXT)


def read(folder: Path) -> Request | None:
    """Return what was asked of the present process."""
    request = _read(folder)
    return request if request in ("pause", "stop") else None  # type: ignore[return-value]


def clear(folder: Path) -> None:
    """Remove a request that the process before got, or that came too late."""
    with suppress(OSError):
        (folder / _FILE).unlink(missing_ok=True)


def begin(folder: Path) -> None:
    """Begin the work of a process: remove a request to the one before, and take over one to the next."""
    if _read(folder) == _PAUSE_NEXT:
        _write(folder, "pause")
    else:
        clear(folder)


def _read(folder: Path) -> str:
    try:
        return (folder / _FILE).read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _write(folder: Path, request: str) -> None:
    file = folder / _FILE
    try:
        file.write_text(request, encoding="ascii")
    except OSError as error:
        raise cannot_write(file, error) from error
