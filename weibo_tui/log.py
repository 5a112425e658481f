"""The log: what went wrong that nobody foresaw. It holds where and of what kind, never a text of a post."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths

LARGEST = 1_000_000
KEPT = 3


def record_fault(error: BaseException) -> bool:
    """Write the trace of `error` into the log; whether it could be written, for a disk may be what failed.

    The message stays out of it: it may quote what stood in a file or was typed."""
    trace = "".join(traceback.format_tb(error.__traceback__))
    entry = f"{datetime.now():%Y-%m-%d %H:%M:%S} {type(error).__name__}\n{trace}\n"
    try:
        _append(Paths.find().log_file, entry.encode("utf-8", "backslashreplace"))
    except OSError:
        return False
    return True


def _append(path: Path, entry: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size + len(entry) > LARGEST:
        files = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, KEPT + 1))]
        for newer, older in reversed([*pairwise(files)]):
            with suppress(FileNotFoundError):
                newer.replace(older)
    with open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(entry)


def explain(error: Exception) -> str:
    """One sentence for people about any error; the trace of one that nobody foresaw goes into the log."""
    if isinstance(error, WeiboTuiError):
        return str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's own
        return _("There is not enough memory for this: try a smaller base or file.")
    if record_fault(error):
        message = _("An error that nobody foresaw ({kind}) ended this: its trace is in {path}, please report it.")
    else:
        message = _(
            "An error that nobody foresaw ({kind}) ended this, and its trace cannot be written to {path}: check that "
            "place, then try again."
        )
    return message.format(kind=type(error).__name__, path=Paths.find().log_file)
