"""Temporary folders and homes, so that a benchmark neither sees nor changes the user's own files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def temp_folder() -> Iterator[Path]:
    """Make a folder that exists for the length of the block."""
    with TemporaryDirectory(prefix="weibo-tui-benchmark-") as folder:
        yield Path(folder)


@contextmanager
def temp_home() -> Iterator[dict[str, str]]:
    """Make an empty home for the length of the block, and give the environment of a process that uses it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WEIBO_TUI_")}
    with temp_folder() as home:
        yield environment | {"WEIBO_TUI_HOME": str(home), "WEIBO_TUI_LANGUAGE": "en"}
