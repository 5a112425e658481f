"""Fixtures of unit tests: an empty database and its history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from weibo_tui.storage.database import Database, connect
from weibo_tui.storage.history import History


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = connect(tmp_path / "weibo-tui.db")
    yield database
    database.close()


@pytest.fixture
def history(database: Database) -> History:
    return History(database)
