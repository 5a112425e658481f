"""Processes of Ray that outlive the child process that started them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

import psutil

_ATTEMPTS = 10


def kill_session(leader: int) -> None:
    """Kill all other processes of the session that a process leads or led. Windows has no sessions.

    Ray's agents and workers go on for minutes after the death of its main processes, and write to its folder."""
    session_of: Callable[[int], int] | None = getattr(os, "getsid", None)
    if session_of is None:
        return
    for _attempt in range(_ATTEMPTS):  # those that die may start others
        left = [process for process in psutil.process_iter() if _is_left(process, leader, session_of)]
        if not left:
            return
        for process in left:
            with suppress(psutil.Error):  # it has ended
                process.kill()
        psutil.wait_procs(left, timeout=1)


def _is_left(process: psutil.Process, leader: int, session_of: Callable[[int], int]) -> bool:
    try:
        is_member = process.pid != os.getpid() and session_of(process.pid) == leader
        return is_member and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False
