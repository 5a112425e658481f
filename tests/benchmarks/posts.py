"""Files of posts to measure on."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weibo_tui.workbench.benchmark import sample_posts

FORMATS = ("csv", "jsonl", "parquet")
COLUMNS = ("id", "created_at", "user", "review")


def take_posts(data: Path | None, number: int) -> list[str]:
    """Return posts of a CSV file, repeated where it has too few, or invented ones."""
    if data is None:
        return sample_posts(number)
    from benchmarks.explanations import read_posts  # imports scipy

    return list(islice(cycle(read_posts(data)), number))


def write_labeled_posts(path: Path, number: int, seed: int) -> None:
    """Write a CSV file of invented posts with random labels."""
    labels = np.random.default_rng(seed).integers(0, 2, number)
    rows = (f"{label},{post}\n" for label, post in zip(labels, sample_posts(number, seed), strict=True))
    with path.open("w", encoding="utf-8") as file:
        file.write("label,review\n")
        file.writelines(rows)


def write_tables(folder: Path, posts: Sequence[str]) -> None:
    """Write the same rows of four columns as `posts.csv`, `posts.jsonl` and `posts.parquet`."""
    folder.mkdir(parents=True)
    rows = [
        (index, f"2024-05-{1 + index % 28:02} {index % 24:02}:30", f"user{index % 9999}", post)
        for index, post in enumerate(posts)
    ]
    with (folder / "posts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    with (folder / "posts.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)
    columns = zip(*rows, strict=True)
    pq.write_table(pa.table(dict(zip(COLUMNS, map(list, columns), strict=True))), folder / "posts.parquet")
