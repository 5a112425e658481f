"""Labelling a file of a million rows: its pace, and that its memory does not grow. `-n 0 -m benchmark -s`."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import models
import pytest

from weibo_tui.bench.posts import posts
from weibo_tui.workbench import Workbench

pytestmark = pytest.mark.benchmark

ROWS, DIFFERENT = 1_000_000, 50_000
COMMAND = [sys.executable, "-m", "weibo_tui", "predict", "--file", "rows.csv", "--out", "labelled.csv"]
OPTIONS = ["--json", "--dtype", "float32", "--threads", "2"]


def resident(process: subprocess.Popen[bytes]) -> float:
    """Megabytes that a process holds."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def watch(process: subprocess.Popen[bytes], partial: Path, until: int = 0) -> list[tuple[float, int, float]]:
    """(seconds, bytes of verdicts so far, megabytes held) a second, until it ends or so many bytes are there."""
    began, seen = time.perf_counter(), []
    while process.poll() is None:
        written = partial.stat().st_size if partial.exists() else 0
        seen.append((time.perf_counter() - began, written, resident(process)))
        if until and written >= until:
            break
        time.sleep(1)
    return seen


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory of another process is read from /proc")
def test_a_million_rows(home: Path, tmp_path: Path) -> None:
    with Workbench.open(home) as bench:
        models.add_base(bench, tmp_path / "from", n_layer=2, n_head=2, n_embd=32, n_positions=128)
        models.add_adapter(bench, bench.bases.open("small"), "tiny", max_length=64)
        bench.set_default_adapter("tiny")
    texts = posts(DIFFERENT)
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["n", "review"])
        writer.writerows((row, f"{row} {texts[row % DIFFERENT]}") for row in range(ROWS))
    partial = tmp_path / "labelled.csv.partial"
    with subprocess.Popen([*COMMAND, *OPTIONS], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        first = watch(process, partial, until=20_000_000)
        process.send_signal(signal.SIGKILL)
    with subprocess.Popen([*COMMAND, *OPTIONS], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        rest = watch(process, partial)
        assert process.stdout is not None
        told = json.loads(process.stdout.read())
    assert first
    # From the second million bytes of this try on: it has loaded what it needs by then.
    begun = rest[0][1]
    held = [megabytes for _seconds, written, megabytes in rest if written > begun + 1_000_000 and megabytes]
    with (tmp_path / "labelled.csv").open(encoding="utf-8", newline="") as file:
        numbers = [int(row["n"]) for row in csv.DictReader(file)]
    assert numbers == list(range(ROWS))
    print(f"\n{told['rows']:,} rows, killed behind {told['continued']:,}, then {told['posts_per_second']:,.0f} rows/s")
    print(f"memory: {held[0]:,.0f} MB at first, {max(held):,.0f} MB at most, {max(held) - held[0]:,.0f} MB more")
