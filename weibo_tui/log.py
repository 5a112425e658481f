"""The log: what went wrong that nobody foresaw. It holds where and of what kind, never a text of a post."""

from __future__ import annotations

import logging
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path

from weibo_tui.paths import Paths

LARGEST = 1_000_000
KEPT = 3


def record_fault(error: BaseException) -> Path:
    """Write the trace of `error` into the log, and tell where that is.

    The message stays out of it: it may quote what stood in a file or was typed."""
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
