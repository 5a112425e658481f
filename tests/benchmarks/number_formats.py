"""Accuracy and rate of the bundled adapters in each number format, on labeled files or on invented posts."""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import made_up
import numpy as np
from benchmarks.runner import BenchmarkOptions, Comparison, Events, Sample, Threshold, temp_folder
from numpy.typing import NDArray

from weibo_tui import Workbench
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.engine.int8_layers import is_supported
from weibo_tui.engine.prediction import Classifier, Prediction
from weibo_tui.progress import Progress

ADAPTERS = ("weibo", "review")
CHUNK = 256
MOST_CHANGED, MOST_LOST = 0.01, 0.1
"""Largest mean change of a probability, and largest loss of accuracy in points."""


def measure_number_formats(options: BenchmarkOptions, number: int = 4000) -> Events:
    """Compare bfloat16 and int8 with float32 on `number` posts with labels 0 and 1: their probabilities and accuracy.
    The bundled adapters predict, on the CPU."""
    posts, labels = read_labeled(options.data, number)
    formats = ["bfloat16", *(["int8"] if is_supported() else [])]
    with temp_folder() as home, Workbench(home) as wb:
        for adapter in ADAPTERS:
            plain, plain_rate = yield from _probabilities(wb, adapter, "float32", posts)
            for dtype in formats:
                ours, rate = yield from _probabilities(wb, adapter, dtype, posts)
                name = f"{adapter}, {dtype}"
                changes = np.abs(ours - plain)
                limit = Threshold(MOST_CHANGED, at_most=True)
                notes = {"largest": float(changes.max()), "posts": len(posts)}
                yield _row(f"{name}: mean change of a probability", "", changes.mean(), limit, notes)
                lost = 100 * (_accuracy(plain, labels) - _accuracy(ours, labels))
                notes = {"accuracy": _accuracy(ours, labels), "in_float32": _accuracy(plain, labels)}
                yield _row(f"{name}: accuracy lost", "points", lost, Threshold(MOST_LOST, at_most=True), notes)
                baseline = Sample("float32", (plain_rate,))
                yield Comparison("int8", f"{name}: labeling", "posts/s", Sample("ours", (rate,)), baseline)


def read_labeled(path: Path | None, number: int) -> tuple[list[str], NDArray[np.int64]]:
    """Return random posts of a CSV file with columns `review` and `label` (0 or 1), or invented ones."""
    if path is None:
        pairs = made_up.posts(number, seed=1)
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            pairs = [(row["review"], int(row["label"])) for row in csv.DictReader(file) if row["review"].strip()]
    random.Random(0).shuffle(pairs)
    posts, labels = zip(*pairs[:number], strict=True)
    return list(posts), np.array(labels)


def _probabilities(
    wb: Workbench, adapter: str, dtype: str, posts: Sequence[str]
) -> Generator[Progress, None, tuple[NDArray[np.float64], float]]:
    """Return probabilities (posts, labels), those of posts that cannot be read being equal, and posts a second."""
    classifier: Classifier = wb.classifier(adapter, ComputeOptions("cpu", dtype))
    labels = classifier.adapter.config.labels
    classifier.predict(posts[:CHUNK])
    rows, began = [], time.perf_counter()
    for start in range(0, len(posts), CHUNK):
        yield Progress(f"{adapter} in {dtype}", start, len(posts))
        for result in classifier.predict(posts[start : start + CHUNK]):
            rows.append(result.probabilities if isinstance(result, Prediction) else (1 / labels,) * labels)
    return np.array(rows), len(posts) / (time.perf_counter() - began)


def _accuracy(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def _row(name: str, unit: str, value: float, threshold: Threshold, notes: dict[str, float]) -> Comparison:
    return Comparison("int8", name, unit, Sample("ours", (float(value),)), threshold=threshold, notes=notes)
