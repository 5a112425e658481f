"""A program in a pseudo-terminal whose screen somebody reads, as it is used."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from weibo_tui.bench.measuring import Measured, came_to_nothing, command, figures
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _

COLUMNS, ROWS = 100, 30
PATIENCE = 30.0
"""Seconds that the program is given to leave once it is asked to."""


@contextmanager
def in_terminal(words: Sequence[str], environment: Mapping[str, str]) -> Iterator[Iterator[bytes]]:
    """What the command of these `words` writes, piece by piece, until it ends. The end of the block asks it to leave,
    and waits for that.

    Raises WeiboTuiError where the system has no pseudo-terminals."""
    if sys.platform == "win32":
        raise WeiboTuiError(_("This system has no pseudo-terminals to measure the app in: measure it under WSL."))
    import fcntl
    import pty
    import termios

    settled = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        settled.pop(name, None)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        words, stdin=slave, stdout=slave, stderr=slave, env=settled, start_new_session=True, close_fds=True
    )
    os.close(slave)
    try:
        yield _written(master)
    finally:
        process.terminate()
        late = threading.Timer(PATIENCE, process.kill)
        late.start()
        deque(_written(master), maxlen=0)  # else it waits for somebody to read its last screen
        process.wait()
        late.cancel()
        os.close(master)


def measured_in_terminal(contender: str, environment: Mapping[str, str], **arguments: Any) -> Measured:
    """Run a function of `weibo_tui.bench.contenders` in a pseudo-terminal and a process of its own.

    Raises WeiboTuiError with the last line that it wrote."""
    with in_terminal(command(contender, **arguments), environment) as written:
        said = b"".join(written).decode("utf-8", "replace")
    try:
        return figures(said)
    except ValueError:
        raise came_to_nothing(contender, said) from None


def _written(master: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # Linux says so when the other side is closed
            return
        if not data:
            return
        yield data
