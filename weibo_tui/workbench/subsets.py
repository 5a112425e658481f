"""Subsets of the posts of an evaluation that are scored apart: their files, and ranges of their lengths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weibo_tui.datasets.dataset import Dataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST = (20, 60, 140)
"""Characters of the longest post of each range but the last. A post on Weibo once had 140 at most."""
LENGTHS = ("1–20", "21–60", "61–140", "141+")
"""Names of the ranges."""
MAX_FILES = 100
"""Files that are scored apart."""


@dataclass(frozen=True, slots=True)
class PostFiles:
    """Names of files without their folders, and the index of the file of each post (posts,)."""

    names: Sequence[str]
    of_posts: NDArray[np.int64]


def post_files(dataset: Dataset, posts: Iterable[int]) -> PostFiles:
    """Return the files of these posts of a dataset, MAX_FILES at most. Posts of later files are in none of them."""
    import numpy as np

    files = [dataset.places[index][0] for index in posts]
    return PostFiles([source.path.name for source in dataset.sources[:MAX_FILES]], np.array(files, np.int64))


def length_parts(posts: Sequence[str]) -> NDArray[np.int64]:
    """Return the index of the range of each post's length (posts,)."""
    import numpy as np

    return np.searchsorted(_LONGEST, [len(post) for post in posts])
