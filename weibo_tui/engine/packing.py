"""Posts laid end to end in windows of one length, so that pretraining computes on no padding.

A window may hold many posts; each is kept to itself and counted from position 0, as an adapter will see it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.tokenizer import EncodedPosts

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Windows:
    """ids: (windows, context + 1), the last one only a target; posts: the same shape, which post each id is of."""

    ids: Ids
    posts: Ids

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, which: Ids | slice) -> Windows:
        """The windows `which`, in that order."""
        return Windows(self.ids[which], self.posts[which])

    def positions(self) -> Ids:
        """Each id's place in its post, or in what the window holds of it, (windows, context)."""
        posts = self.posts[:, :-1]
        places = np.broadcast_to(np.arange(posts.shape[1]), posts.shape)
        first = np.ones_like(posts, dtype=bool)
        first[:, 1:] = posts[:, 1:] != posts[:, :-1]
        return places - np.maximum.accumulate(np.where(first, places, 0), axis=1)

    def seen(self, device: torch.device) -> Tensor:
        """What each id may look at: its own post up to itself, bool (windows, 1, context, context)."""
        posts = torch.from_numpy(self.posts[:, :-1]).to(device)
        return (posts[:, None, :, None] == posts[:, None, None, :]).tril()


def pack(posts: EncodedPosts, context: int) -> Windows:
    """The posts in their order, in windows of context + 1 ids. Each window begins with a post; the post that
    overruns its end is cut there. Posts that fill no last window are left out."""
    lengths = posts.lengths.tolist()
    spans, first, filled = [], 0, 0
    for index, length in enumerate(lengths):
        filled += length
        if filled > context:
            spans.append(posts.starts[first])
            first, filled = index + 1, 0
    places = np.array(spans, np.int64)[:, None] + np.arange(context + 1)
    of_post = np.repeat(np.arange(len(posts)), posts.lengths)
    return Windows(posts.ids[places].astype(np.int64), of_post[places])


def without(posts: EncodedPosts, marks: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> EncodedPosts:
    """The posts, those `chosen` (posts,) less the ids in `marks` (vocabulary,), unless nothing else is in them."""
    of_post = np.repeat(np.arange(len(posts)), posts.lengths)
    marked = marks[posts.ids]
    cut = np.bincount(of_post[marked], minlength=len(posts))
    dropped = marked & (chosen & (cut < posts.bodies))[of_post]
    lengths = np.bincount(of_post[~dropped], minlength=len(posts))
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    bodies = posts.bodies - (posts.lengths - lengths).astype(np.int32)
    return EncodedPosts(posts.ids[~dropped], starts, posts.read, bodies)
