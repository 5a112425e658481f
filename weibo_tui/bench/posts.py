"""Posts to measure with, made from a seed: no data set is needed, and none is given away."""

from __future__ import annotations

import numpy as np

# Lengths of weibo_senti_100k: so many per cent of its posts have at most so many characters (mean 66, median 53, 14 %
# above 126).
SHARES = (0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 84, 86, 90, 95, 99, 100)
CHARACTERS = (3, 7, 12, 16, 24, 33, 42, 53, 67, 85, 109, 121, 127, 139, 151, 170, 200)
BATCH = 16
"""Posts of a training step."""
TYPICAL = 54
"""Characters of a typical post, one to be judged alone."""
# The most common Chinese characters by code point: every BERT-Chinese vocabulary has nearly all of them.
FIRST, LAST = 0x4E00, 0x7E00


def lengths(number: int, seed: int = 0) -> np.ndarray:
    """Characters of so many posts, (number,)."""
    shares = np.random.default_rng([seed, 0]).uniform(0, 100, number)
    return np.interp(shares, SHARES, CHARACTERS).astype(np.int64)


def posts(number: int, seed: int = 0) -> list[str]:
    """So many posts of Chinese characters drawn at random, no two alike."""
    return [text_of(int(length), seed * 1_000_003 + index) for index, length in enumerate(lengths(number, seed))]


def text_of(characters: int, seed: int) -> str:
    """One text of so many Chinese characters."""
    return "".join(map(chr, np.random.default_rng([seed, 1]).integers(FIRST, LAST, characters)))
