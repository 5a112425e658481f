"""An unexpected error is one line with a trace in the log, without the text of a post."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
from commands import Command

from weibo_tui import Workbench

POST = "words that somebody wrote for nobody else"


def test_unexpected_error_is_logged_without_text(home: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> NoReturn:
        raise ZeroDivisionError(POST)

    monkeypatch.setattr(Workbench, "iter_predict", fail)
    done = command("predict", POST)
    log = home / "weibo-tui.log"
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert str(log) in done.err
    assert "ZeroDivisionError" in log.read_text()
    assert "test_log.py" in log.read_text()
    assert POST not in log.read_text() + done.err
    assert log.stat().st_mode & 0o077 == 0
