"""Run a program in a pseudo-terminal whose output is read."""

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

from benchmarks.runner import Figures, parse_figures, process_error, target_command

from weibo_tui.errors import WeiboTuiError

COLUMNS, ROWS = 100, 30
EXIT_SECONDS = 30.0
"""Time that the program has to end before it is killed."""


@contextmanager
def open_terminal(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Iterator[bytes]]:
    """Run a command and give an iterator of what it writes. The end of the block terminates it.

    Raises WeiboTuiError where the system has no pseudo-terminals."""
    if sys.platform == "win32":
        raise WeiboTuiError("This system has no pseudo-terminals. Run the benchmark under WSL.")
    import fcntl
    import pty
    import termios

    variables = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        variables.pop(name, None)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=variables, start_new_session=True, close_fds=True
    )
    os.close(slave)
    try:
        yield _read_output(master)
    finally:
        process.terminate()
        timer = threading.Timer(EXIT_SECONDS, process.kill)
        timer.start()
        deque(_read_output(master), maxlen=0)  # it cannot end while its last screen is not read
        process.wait()
        timer.cancel()
        os.close(master)


def run_in_terminal(target: str, environment: Mapping[str, str], **arguments: Any) -> Figures:
    """Run a target in a pseudo-terminal. Raises WeiboTuiError with the last line that it wrote."""
    with open_terminal(target_command(target, **arguments), environment) as pieces:
        output = b"".join(pieces).decode("utf-8", "replace")
    try:
        return parse_figures(output)
    except ValueError:
        raise process_error(target, output) from None


def _read_output(master: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # Linux: the other side is closed
            return
        if not data:
            return
        yield data
