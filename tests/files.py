"""Labeled files for tests of what is done with their rows."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weibo_tui import Workbench
from weibo_tui.workbench.opened_file import OpenedFile

TEXTS = ("今天的面真好吃[哈哈]", "服务太差了，再也不来", "Rain again", "风景真美", "", "=1+1", "手机又坏了[/怒] \u202e")
PLACES = ("北京", "Shanghai", "shanghai east", "", "10", "9")


def rows(number: int, seed: int = 1) -> list[dict[str, Any]]:
    """Return rows with predictions, of which some have a human label, a place and a date."""
    rng = random.Random(seed)
    made = []
    for _row in range(number):
        share = round(rng.random(), 3)
        is_failed = rng.random() < 0.05
        day = f"2026-01-{rng.randint(1, 28):02} {rng.randrange(24):02}:30"
        made.append(
            {
                "text": rng.choice(TEXTS) + rng.choice(("", "！", str(rng.randrange(9)))),
                "place": rng.choice(PLACES),
                "created_at": day if rng.random() < 0.9 else "",
                "predicted": "" if is_failed else ("negative", "positive")[share > 0.5],
                "confidence": "" if is_failed else max(share, round(1 - share, 3)),
                "prob_negative": "" if is_failed else round(1 - share, 3),
                "prob_positive": "" if is_failed else share,
                "error": "empty post" if is_failed else "",
                "label": rng.choice(("negative", "positive", "neutral")) if rng.random() < 0.2 else "",
            }
        )
    return made


def write(path: Path, table: Iterable[Mapping[str, Any]]) -> Path:
    """Write a CSV file."""
    listed = list(table)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    return path


def opened(workbench: Workbench, path: Path) -> OpenedFile:
    return workbench.open_file(path, progress=False)


def numbers(file: OpenedFile, *criteria: Any) -> list[int]:
    """Return the numbers of the rows that a filter selects, in an order."""
    found: list[int] = file.select(*criteria).numbers.tolist()
    return found
