"""Time of the first prediction with the bundled models. Run with `-n 0 -m benchmark -s`."""

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
with Workbench() as workbench:
    (analysis,) = workbench.iter_predict(["这部电影太好看了，我很喜欢！"])
print(imported - began, time.perf_counter() - imported)
"""


def test_first_prediction_in_new_process_is_timed(home: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "WEIBO_TUI_STARTER"}
    rounds = []
    for _round in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment
        )
        rounds.append(tuple(map(float, done.stdout.split())))
    torch_, prediction = (statistics.median(column) for column in zip(*rounds, strict=True))
    worst = max(seconds for _torch, seconds in rounds)
    print(f"\nimport of torch {torch_:.2f} s, then {prediction:.2f} s to the first prediction (worst {worst:.2f} s)")
