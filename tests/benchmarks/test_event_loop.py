"""How late the event loop is while the engine works. `pytest -m benchmark -n 0 -s tests/benchmarks` prints it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import made_up
import models
import numpy as np
import pytest
from terminal import Terminal

from weibo_tui.workbench import Workbench

pytestmark = pytest.mark.benchmark

PROGRAM = Path(__file__).with_name("event_loop.py")
POSTS, LARGE, ROUNDS = 20_000, 200_000, 7


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    """Posts, and a home with a base of 4 blocks of width 256 and an adapter, both of random weights."""
    with Workbench.open(home) as bench:
        models.add_base(bench, tmp_path / "from", n_layer=4, n_head=4, n_embd=256, n_positions=128)
        models.add_adapter(bench, bench.bases.open("small"), "mood", max_length=64)
        bench.use_adapter("mood")
    made_up.write_posts(tmp_path / "posts.csv", POSTS)
    with (tmp_path / "large.csv").open("w", encoding="utf-8") as file:
        file.write("label,review\n")
        for number in range(LARGE // 1000):
            file.writelines(f"{label},{text}{number}\n" for text, label in made_up.posts(1000, seed=number))
    return tmp_path


def milliseconds(values: Sequence[float]) -> str:
    at = np.percentile(values, [50, 95, 99, 100]) * 1000 if values else [float("nan")] * 4
    return "  ".join(f"{value:8.1f}" for value in at)


def test_the_delay_of_the_event_loop(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, str(PROGRAM), str(folder)]
    alone = subprocess.run([*command, "alone"], capture_output=True, text=True, check=True).stdout.split()
    with Terminal(command, columns=120, rows=36) as terminal:
        assert terminal.wait_for_end(600) == 0
    measured: dict[str, Any] = json.loads((folder / "delays.json").read_text("utf-8"))
    with capsys.disabled():
        print(f"\n\n{'milliseconds late':32}       p50       p95       p99       max    loop's CPU  all CPU")
        for name, phase in measured["phases"].items():
            print(f"{name:32}  {milliseconds(phase['delays'])}  {phase['loop']:11.1%}  {phase['cpu']:7.1%}")
        print(f"\n{'milliseconds a step':32}")
        print(f"{'without the app':32}  {milliseconds([*map(float, alone)])}")
        for name, phase in measured["phases"].items():
            if phase["steps"]:
                print(f"{name:32}  {milliseconds(phase['steps'])}")
        print(f"\n{'a verdict during training':32}  {milliseconds(measured['verdicts'])}")
        print(f"\nCPU seconds of the idle app in 10 s: {measured['idle']:.3f}")


def test_the_first_paint(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paints, imports = [], []
    for _round in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import textual.app"], check=True)
        imports.append(time.perf_counter() - began)
        began = time.perf_counter()
        with Terminal(columns=100, rows=30) as terminal:
            while "F5 Models" not in terminal.text:
                terminal.listen(0.002)
            paints.append(time.perf_counter() - began)
    with capsys.disabled():
        print(f"\n\n{'milliseconds':32}       p50       p95       p99       max")
        print(f"{'first paint of weibo-tui launch':32}  {milliseconds(paints)}")
        print(f"{'python -c import textual.app':32}  {milliseconds(imports)}")
