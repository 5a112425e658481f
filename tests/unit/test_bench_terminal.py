"""A program that is measured has a terminal that is read, and is gone with it."""

from __future__ import annotations

import os
import sys

import pytest

from weibo_tui.bench.terminal import COLUMNS, ROWS, in_terminal, measured_in_terminal
from weibo_tui.errors import WeiboTuiError


def test_a_program_sees_a_terminal_of_a_usual_size() -> None:
    code = "import os, sys; print(*os.get_terminal_size(), sys.stdin.isatty(), os.environ['TERM'])"
    with in_terminal([sys.executable, "-c", code], {**os.environ, "COLUMNS": "7"}) as written:
        assert b"".join(written).decode().split() == [str(COLUMNS), str(ROWS), "True", "xterm-256color"]


def test_a_program_that_would_go_on_for_ever_ends_with_the_block() -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(3600)"
    with in_terminal([sys.executable, "-c", code], os.environ) as written:
        process = int(next(written))
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_contender_that_fails_in_a_terminal_is_told_of_by_its_last_line() -> None:
    with pytest.raises(WeiboTuiError, match="The measurement nothing did not come to its end .KeyError: 'nothing'"):
        measured_in_terminal("nothing", os.environ)
