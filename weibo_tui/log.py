"""The log: what went wrong that nobody foresaw. It holds where and of what kind, never a text of a post."""

from __future__ import annotations

import traceback
from pathlib import Path

from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths

LARGEST = 1_000_000
KEPT = 3


def record_fault(error: BaseException) -> Path:
    """Write the trace of `error` into the log, and tell where that is.

    The message stays out of it: it may quote what stood in a file or was typed."""
    import logging
    from logging.handlers import RotatingFileHandler

    path = Paths.find().log_file
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    handler = RotatingFileHandler(path, maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    try:
        trace = "".join(traceback.format_tb(error.__traceback__))
        handler.emit(
            logging.LogRecord("weibo_tui", logging.ERROR, "", 0, f"{type(error).__name__}\n{trace}", None, None)
        )
    finally:
        handler.close()
    return path


def explain(error: Exception) -> str:
    """One sentence for people about any error; the trace of one that nobody foresaw goes into the log."""
    if isinstance(error, WeiboTuiError):
        return str(error)
    if isinstance(error, MemoryError):
        return _("There is not enough memory for this: try a smaller base or file.")
    message = _("An error that nobody foresaw ({kind}) ended this: its trace is in {path}, please report it.")
    return message.format(kind=type(error).__name__, path=record_fault(error))
