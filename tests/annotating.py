"""Tables in memory for annotations, with what an annotation reads of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weibo_tui.text.keys import text_key

LABELS = ("negative", "positive")


@dataclass(frozen=True)
class Row:
    text: str
    predicted: str | None
    confidence: float | None


@dataclass(frozen=True)
class Info:
    posts: str
    path: Path
    rows: int
    labels: tuple[str, ...]
    adapter: str | None = "mood"


class Table:
    """Posts with the probability of "positive", None without a prediction."""

    def __init__(self, texts: Sequence[str], positive: Sequence[float | None] | None = None, name: str = "") -> None:
        """`name` is what the fingerprint is made of, by default the texts."""
        self._texts = texts
        shares = [0.75] * len(texts) if positive is None else positive
        self._positive = np.array([np.nan if share is None else share for share in shares])
        self._keys = np.array([text_key(text) for text in texts], np.int64)
        posts = sha256((name or "\n".join(texts)).encode()).hexdigest()
        self.info = Info(posts, Path("/data/rain.csv"), len(texts), LABELS)

    def row(self, number: int) -> Row:
        share = float(self._positive[number - 1])
        if np.isnan(share):
            return Row(self._texts[number - 1], None, None)
        return Row(self._texts[number - 1], LABELS[share >= 0.5], max(share, 1 - share))

    def text_keys(self) -> NDArray[np.int64]:
        return self._keys

    def predicted_codes(self) -> NDArray[np.integer]:
        return np.where(np.isnan(self._positive), -1, self._positive >= 0.5)

    def margins(self) -> NDArray[np.floating]:
        margins: NDArray[np.float64] = np.abs(2 * self._positive - 1)
        return margins
