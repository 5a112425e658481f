"""How long the first verdict takes with what comes with the program; run with `-n 0 -m benchmark -s`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark

ROUNDS = 7
SCRIPT = """
import time
began = time.perf_counter()
import torch
imported = time.perf_counter()
from weibo_tui import Workbench
with Workbench.open() as bench:
    (analysis,) = bench.predict(["这部电影太好看了，我很喜欢！"])
print(imported - began, time.perf_counter() - imported)
"""


def test_first_verdict_of_a_fresh_process(home: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "WEIBO_TUI_STARTER"}
    rounds = []
    for _round in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment
        )
        rounds.append(tuple(map(float, done.stdout.split())))
    torch_, verdict = (statistics.median(column) for column in zip(*rounds, strict=True))
    worst = max(seconds for _torch, seconds in rounds)
    print(f"\nimport of torch {torch_:.2f} s, from there to the first verdict {verdict:.2f} s (worst {worst:.2f} s)")
