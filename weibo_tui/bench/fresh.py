"""Where the program is measured: in an empty home, with what comes with it, and nothing of the person's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PREFIX = "weibo-tui-bench-"


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """A folder that is there as long as the block."""
    with TemporaryDirectory(prefix=PREFIX) as folder:
        yield Path(folder)


@contextmanager
def fresh_home() -> Iterator[dict[str, str]]:
    """An environment for processes of the program, with a home that is there as long as the block."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("WEIBO_TUI_")}
    with fresh_folder() as home:
        yield own | {"WEIBO_TUI_HOME": str(home), "WEIBO_TUI_LANGUAGE": "en"}
