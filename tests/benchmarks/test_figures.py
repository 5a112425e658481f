"""Time of the first prediction, and of a million rows: labeling and report. Run with `-n 0 -m benchmark -s`."""

from __future__ import annotations

import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import models
import pytest

from weibo_tui import Workbench
from weibo_tui.workbench.benchmark import sample_posts

pytestmark = pytest.mark.benchmark

ROWS, DISTINCT_ROWS = 1_000_000, 50_000
COMMAND = [sys.executable, "-m", "weibo_tui", "predict", "--file", "rows.csv", "--out", "labeled.csv"]
OPTIONS = ["--json", "--dtype", "float32", "--threads", "2"]
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


def resident(process: subprocess.Popen[bytes]) -> float:
    """Return the memory of a process in megabytes."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def watch(process: subprocess.Popen[bytes], partial: Path, until: int = 0) -> list[tuple[float, int, float]]:
    """Sample (seconds, bytes of predictions, megabytes of memory) every second, until the process ends or has written
    `until` bytes."""
    began, samples = time.perf_counter(), []
    while process.poll() is None:
        written = partial.stat().st_size if partial.exists() else 0
        samples.append((time.perf_counter() - began, written, resident(process)))
        if until and written >= until:
            break
        time.sleep(1)
    return samples


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory of another process is read from /proc")
def test_labeling_million_rows_keeps_memory(home: Path, tmp_path: Path) -> None:
    with Workbench(home) as workbench:
        models.add_base(workbench, tmp_path / "from", n_layer=2, n_head=2, n_embd=32, n_positions=128)
        models.add_adapter(workbench, workbench.bases.open("small"), "tiny", max_length=64)
        workbench.set_default_adapter("tiny")
    texts = sample_posts(DISTINCT_ROWS)
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["n", "review"])
        writer.writerows((row, f"{row} {texts[row % DISTINCT_ROWS]}") for row in range(ROWS))
    partial = tmp_path / "labeled.csv.partial"
    with subprocess.Popen([*COMMAND, *OPTIONS], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        first = watch(process, partial, until=20_000_000)
        process.send_signal(signal.SIGKILL)
    with subprocess.Popen([*COMMAND, *OPTIONS], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        rest = watch(process, partial)
        assert process.stdout is not None
        result = json.loads(process.stdout.read())
    assert first
    # After the first million bytes, everything is loaded.
    start = rest[0][1]
    memory = [megabytes for _seconds, written, megabytes in rest if written > start + 1_000_000 and megabytes]
    with (tmp_path / "labeled.csv").open(encoding="utf-8", newline="") as file:
        numbers = [int(row["n"]) for row in csv.DictReader(file)]
    assert numbers == list(range(ROWS))
    rate, resumed = result["posts_per_second"], result["continued"]
    print(f"\n{result['rows']:,} rows, killed after {resumed:,}, then {rate:,.0f} rows/s")
    begin, most = memory[0], max(memory)
    print(f"memory: {begin:,.0f} MB at first, {most:,.0f} MB at most, {most - begin:,.0f} MB more")


def test_report_of_million_rows_keeps_limits(home: Path, tmp_path: Path) -> None:
    texts = sample_posts(DISTINCT_ROWS)
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "date", "user", "predicted", "confidence", "label"])
        for row in range(ROWS):
            day = f"2023-{1 + row * 12 // ROWS:02}-{1 + row % 28:02} {row % 24:02}:10"
            figures = [day, row % 9999, row % 7 % 2, row % 997 / 997, row % 2 if row % 1000 == 0 else ""]
            writer.writerow([f"{row} {texts[row % DISTINCT_ROWS]}", *figures])
    began = time.perf_counter()
    command = [sys.executable, "-m", "weibo_tui", "report", "rows.csv"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        memory = [megabytes for _seconds, _written, megabytes in watch(process, tmp_path / "report.html")]
    seconds, size = time.perf_counter() - began, (tmp_path / "report.html").stat().st_size
    print(f"\nreport of {ROWS:,} rows: {seconds:.0f} s, {max(memory):,.0f} MB at most, {size:,} bytes")
    assert max(memory) < 1000
    assert size < 500_000


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
