"""Compare labeling on Ray with labeling in one process: rate, memory, and the result row by row."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import made_up
import stocked
from benchmarks.ray_labeling import HALVES, PROCESSES, WORKERS, compare_results
from benchmarks.runner import (
    BenchmarkOptions,
    Comparison,
    Events,
    Figures,
    Rounds,
    Sample,
    Threshold,
    run_target,
    temp_folder,
)

from weibo_tui.progress import Progress

DISTINCT_POSTS = 20_000
TARGETS = {
    "label alone": f"one process of {WORKERS} threads",
    "label on ray": f"Ray, {WORKERS} workers of one thread",
    "label with lost node": f"Ray, {WORKERS} nodes, one killed at half",
}
DIFFERENCES = {
    "rows": ("rows lost or doubled", 0.0),
    "labels": ("labels that differ", 0.0),
    "probabilities": ("largest difference of a probability", 1e-4),
}


def measure_ray(options: BenchmarkOptions, rows: int = 1_000_000) -> Events:
    """Label a file of `rows` posts with the tests' base in float32: in one process, on Ray on this machine, and on a
    cluster that loses one of its nodes. The base and the data of the options have no effect."""
    with temp_folder() as folder:
        yield Progress("writing", 0, rows)
        stocked.unpack(folder / "home")
        _write_posts(folder / "posts.csv", rows)
        targets = {target: partial(_label, target, folder) for target in TARGETS}
        rounds = yield from Rounds().run("labeling", targets, options.rounds or 1)
        alone, *others = TARGETS
        for target in others:
            yield from _compare_speed(rounds, target, alone)
            for figure, value in compare_results(_output(folder, alone), _output(folder, target)).items():
                name, limit = DIFFERENCES[figure]
                threshold = Threshold(limit, at_most=True)
                yield Comparison("ray", f"{TARGETS[target]}: {name}", "", Sample("", (value,)), threshold=threshold)
    for target in TARGETS:
        yield from _compare_memory(rounds, target)


def _write_posts(path: Path, rows: int) -> None:
    texts = [text for text, _label in made_up.posts(min(rows, DISTINCT_POSTS))]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "review"))
        # A number makes each post a different one: equal posts of a window are computed once.
        writer.writerows((row, f"{texts[row % len(texts)]} {row}") for row in range(rows))


def _output(folder: Path, target: str) -> Path:
    return folder / target / "labeled.parquet"


def _label(target: str, folder: Path) -> Figures:
    out = _output(folder, target)
    shutil.rmtree(out.parent, ignore_errors=True)  # the result of the round before would be continued
    out.parent.mkdir()
    return run_target(target, home=str(folder / "home"), data=str(folder / "posts.csv"), out=str(out))


def _compare_speed(rounds: Rounds, target: str, alone: str) -> Iterator[Comparison]:
    for figure, unit in (("rate", "posts/s"), ("seconds", "s")):
        ours, baseline = rounds.sample(target, figure), rounds.sample(alone, figure, TARGETS[alone])
        yield Comparison("ray", f"{TARGETS[target]}: {figure}", unit, ours, baseline)


def _compare_memory(rounds: Rounds, target: str) -> Iterator[Comparison]:
    """Compare the peak of the second half of the time with that of the first, where more rows would need more."""
    for name in PROCESSES:
        late, early = (rounds.sample(target, f"{name} {half}", f"{half} half").scale(1e-6) for half in reversed(HALVES))
        if late.median:
            yield Comparison("ray", f"{TARGETS[target]}: peak memory, {name}", "MB", late, early)
