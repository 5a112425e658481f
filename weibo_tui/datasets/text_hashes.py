"""Hashes of normalized texts: they say which posts have the same text, and keep none of it."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from weibo_tui.progress import Progress
from weibo_tui.text.cleaning import normalize, words_only

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEP = 1000  # posts between two steps of progress


def text_hashes(posts: Sequence[str]) -> Generator[Progress, None, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return two hashes of 64 bits for each post, (n,) and (n,).

    The first are the same where `normalize` gives the same text, the second where `words_only` leaves the same of it.
    """
    import numpy as np

    texts, words = np.empty(len(posts), np.int64), np.empty(len(posts), np.int64)
    for index, post in enumerate(posts):
        text = normalize(post)
        texts[index], words[index] = _hash(text), _hash(words_only(text) or text)
        if (index + 1) % STEP == 0:
            yield Progress("hashing", index + 1, len(posts))
    return texts, words


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
