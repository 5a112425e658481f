"""The random order in which the rows of a table are drawn, the same on every machine and for all times.

Source: G. L. Steele, D. Lea and C. H. Flood, OOPSLA 2014, 453-472, the generator SplitMix64, whose output function is
a hash of the row number here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GAMMA = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


def seed_of(posts: str) -> int:
    """Return the seed of the table with this fingerprint of its posts, which is a number in hexadecimal digits."""
    return int(posts[:16], 16)


def random_number(seed: int, index: int) -> int:
    """Return the number of 64 bits at `index` of the sequence with this seed."""
    return int(random_numbers(seed, np.array([index], np.uint64))[0])


def random_numbers(seed: int, indices: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the numbers of 64 bits at `indices` (n,) of SplitMix64 with this seed."""
    state = np.uint64(seed & _MASK) + (indices + np.uint64(1)) * np.uint64(_GAMMA)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def sample_order(posts: str, text_keys: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the numbers of the rows that have a text, from 1, in random order.

    `posts` is the fingerprint of the posts, which gives the seed, and `text_keys` (rows,) are 0 without a text. Every
    beginning of the order is a simple random sample of these rows.
    """
    numbers = random_numbers(seed_of(posts), np.arange(1, len(text_keys) + 1, dtype=np.uint64))
    order = np.argsort(numbers, kind="stable").astype(np.int32)
    drawn: NDArray[np.int32] = order[text_keys[order] != 0] + np.int32(1)
    return drawn
