"""Hashes of normalized texts: they say which posts have the same text, and keep none of it."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from weibo_tui.progress import Progress
from weibo_tui.text import normalise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEP = 1000  # posts between two steps of progress


def text_hashes(posts: Sequence[str]) -> Generator[Progress, None, NDArray[np.int64]]:
    """Return one hash of 64 bits for each post, (n,), the same where `normalise` gives the same text."""
    import numpy as np

    hashes = np.empty(len(posts), np.int64)
    for index, post in enumerate(posts):
        text = normalise(post).encode("utf-8", "surrogatepass")
        hashes[index] = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)
        if (index + 1) % STEP == 0:
            yield Progress("hashing", index + 1, len(posts))
    return hashes
