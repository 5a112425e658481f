"""How soon the program is there: a verdict from the command line, and the app's first screen.

Beside each stands the import that it cannot do without, in a process of its own too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from weibo_tui.bench.fresh import fresh_home
from weibo_tui.bench.measuring import (
    BenchmarkOptions,
    Comparison,
    Measured,
    Rounds,
    Target,
    came_to_nothing,
    finish_process,
)
from weibo_tui.bench.terminal import in_terminal
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

ROUNDS = 7
TEXT = "这部电影太好看了，我很喜欢！"
LAST_PAINTED = b"Leave"
"""The last word of the footer, at the bottom of the screen."""


def measure(wanted: BenchmarkOptions) -> Iterator[Progress | Comparison]:
    """Seconds from the start of a process to its verdict, and to its first screen. `wanted.base` changes nothing:
    what comes with the program is measured."""
    found = yield from Rounds().run(
        "measuring",
        {
            "predict": partial(_to_the_end, "-m", "weibo_tui", "predict", TEXT, "--no-history"),
            "import torch": partial(_to_the_end, "-c", "import torch"),
            "launch": _to_the_first_paint,
            "import textual.app": partial(_to_the_end, "-c", "import textual.app"),
        },
        wanted.rounds or ROUNDS,
    )
    for what, contender, beside, limit in (
        (_("predict TEXT"), "predict", "import torch", 1.6),
        (_("first paint"), "launch", "import textual.app", 2.0),
    ):
        ours, other = found.sample(contender, "seconds", "weibo-tui"), found.sample(beside, "seconds")
        yield Comparison("start", what, "s", ours, other, Target(limit, at_most=True))


def _to_the_end(*arguments: str) -> Measured:
    """`seconds` that Python takes for these arguments."""
    with fresh_home() as environment:
        began = time.perf_counter()
        finish_process(" ".join(arguments), [sys.executable, *arguments], environment)
        return {"seconds": time.perf_counter() - began}


def _to_the_first_paint() -> Measured:
    """`seconds` until the app's first screen has been written to its terminal whole."""
    with fresh_home() as environment:
        return {"seconds": _painted([sys.executable, "-m", "weibo_tui", "launch"], environment)}


def _painted(command: Sequence[str], environment: Mapping[str, str]) -> float:
    began, screen = time.perf_counter(), b""
    with in_terminal(command, environment) as written:
        for piece in written:
            screen += piece
            if LAST_PAINTED in screen:
                return time.perf_counter() - began
    raise came_to_nothing("launch", screen.decode("utf-8", "replace"))
