"""Files of posts with predicted labels, and human ones in some rows."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

HEADER = ["id", "user_id", "微博正文", "发布位置", "发布时间", "retweet_id", "predicted", "confidence", "label"]


def posts(number: int, sampled: int, seed: int = 1) -> list[dict[str, Any]]:
    """Return rows of 40 days in the columns of weibo-search, with human labels in `sampled` of them."""
    rng = random.Random(seed)
    sample = set(rng.sample(range(number), sampled))
    rows = []
    for at in range(number):
        truth = rng.random() < 0.4
        predicted = truth == (rng.random() < 0.85)
        words = ["真好吃", "开心"] if truth else ["太差了", "难受"]
        text = f"第{at}天，{rng.choice(words)}。{rng.choice(['[哈哈]', '😭', ''])}{'#今天的面#' if at % 3 else ''}"
        day = at * 40 // number
        cells = [4868065483040592 + at, at % 50, text, ("北京", "", "上海")[at % 3]]
        cells += [f"2023-{2 + day // 28:02}-{1 + day % 28:02} {at % 24:02}:10", "" if at % 4 else 4868065483040000 + at]
        cells += [("negative", "positive")[predicted], round(rng.uniform(0.5, 1), 4)]
        rows.append(dict(zip(HEADER, [*cells, ("负面", "正面")[truth] if at in sample else ""], strict=True)))
    return rows


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    pd.DataFrame(list(rows)).to_csv(path, index=False)
    return path
