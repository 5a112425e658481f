"""Folds of labeled posts, of which each is predicted by a model that was trained on the others."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from weibo_tui.datasets.splitting import group_posts
from weibo_tui.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 5
MIN_GROUPS = 2 * FOLDS
"""Groups of similar posts from which the folds are large enough."""


def draw_folds(posts: Sequence[str]) -> Generator[Progress, None, list[NDArray[np.int64]] | None]:
    """Return the posts of each fold. Posts that share a text are in the same one.

    The groups come in random order, the largest first, each to the smallest fold. Return None where there are fewer
    than MIN_GROUPS groups."""
    import numpy as np

    groups = yield from group_posts(posts)
    if len(groups) < MIN_GROUPS:
        return None
    order = np.random.default_rng(0).permutation(len(groups)).tolist()
    folds: list[list[int]] = [[] for _fold in range(FOLDS)]
    for index in sorted(order, key=lambda index: -len(groups[index])):
        min(folds, key=len).extend(groups[index])
    return [np.array(fold, np.int64) for fold in folds]


def splits(folds: Sequence[NDArray[np.int64]]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield each fold, after all posts of the others."""
    import numpy as np

    for fold in folds:
        yield np.concatenate([other for other in folds if other is not fold]), fold
