"""The log of unexpected errors. It holds their types and stack traces, never the text of a post."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from weibo_tui.errors import WeiboTuiError, is_out_of_memory
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths

MAX_BYTES = 1_000_000
MAX_OLD_LOGS = 3


def log_exception(error: BaseException) -> bool:
    """Write the stack trace of `error` to the log. Returns False where that fails, as on a full disk.

    The message is left out, because it may quote user data."""
    trace = "".join(traceback.format_tb(error.__traceback__))
    entry = f"{datetime.now():%Y-%m-%d %H:%M:%S} {type(error).__name__}\n{trace}\n"
    try:
        _append(Paths.find().log_file, entry.encode("utf-8", "backslashreplace"))
    except OSError:
        return False
    return True


def _append(path: Path, entry: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size + len(entry) > MAX_BYTES:
        files = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, MAX_OLD_LOGS + 1))]
        for newer, older in reversed([*pairwise(files)]):
            with suppress(FileNotFoundError):
                newer.replace(older)
    with open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(entry)


def disk_error(error: OSError, place: str = "") -> str:
    """Return a sentence for the user about an error of the system. `place` names what has no file name."""
    message = _("Disk error at {place} ({reason}). Check the disk and the permissions.")
    place = str(error.filename or place or type(error).__name__)
    return message.format(place=place, reason=error.strerror or error)


def user_message(error: Exception) -> str:
    """Return a sentence for the user about any error. The trace of an unexpected one goes to the log."""
    if isinstance(error, WeiboTuiError):
        return str(error)
    if is_out_of_memory(error):
        return _("Out of memory. Try a smaller base or file.")
    if log_exception(error):
        message = _("Unexpected error ({kind}). Its traceback is in {path}. Please report it.")
    else:
        message = _(
            "Unexpected error ({kind}), and its traceback cannot be written to {path}. Check that folder, "
            "then try again."
        )
    return message.format(kind=type(error).__name__, path=Paths.find().log_file)
