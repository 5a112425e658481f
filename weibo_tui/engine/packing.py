"""Windows of packed posts for pretraining, without padding.

A window may hold many posts. Each attends only to itself and starts at position 0, as in use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.device import to_device
from weibo_tui.engine.tokenizer import EncodedPosts

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Windows:
    """Token ids (windows, context + 1), the last of them only a target, and the post index of each id."""

    ids: Ids
    posts: Ids

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, which: Ids | slice) -> Windows:
        """Return the windows `which`, in that order."""
        return Windows(self.ids[which], self.posts[which])

    def positions(self) -> Ids:
        """Return the position of each id in the part of its post in the window, (windows, context)."""
        posts = self.posts[:, :-1]
        columns = np.broadcast_to(np.arange(posts.shape[1]), posts.shape)
        first = np.ones_like(posts, dtype=bool)
        first[:, 1:] = posts[:, 1:] != posts[:, :-1]
        return columns - np.maximum.accumulate(np.where(first, columns, 0), axis=1)

    def attn_mask(self, device: torch.device) -> Tensor:
        """Return the causal mask within each post, bool (windows, 1, context, context)."""
        posts = to_device(self.posts[:, :-1], device)
        return (posts[:, None, :, None] == posts[:, None, None, :]).tril()


def pack(posts: EncodedPosts, context: int) -> Windows:
    """Pack posts in order into windows of context + 1 ids. Each window begins with a post, and the last post is cut
    off at its end. Posts that do not fill a last window are left out."""
    lengths = posts.lengths.tolist()
    starts, first, filled = [], 0, 0
    for post, length in enumerate(lengths):
        filled += length
        if filled > context:
            starts.append(posts.starts[first])
            first, filled = post + 1, 0
    index = np.array(starts, np.int64)[:, None] + np.arange(context + 1)
    of_post = np.repeat(np.arange(len(posts)), posts.lengths)
    return Windows(posts.ids[index].astype(np.int64), of_post[index])


def drop_tokens(posts: EncodedPosts, token_mask: NDArray[np.bool_], selected: NDArray[np.bool_]) -> EncodedPosts:
    """Remove the ids of `token_mask` (vocabulary,) from the posts `selected` (posts,), but leave no post empty."""
    of_post = np.repeat(np.arange(len(posts)), posts.lengths)
    masked = token_mask[posts.ids]
    count = np.bincount(of_post[masked], minlength=len(posts))
    dropped = masked & (selected & (count < posts.num_content_tokens))[of_post]
    lengths = np.bincount(of_post[~dropped], minlength=len(posts))
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    num_content_tokens = posts.num_content_tokens - (posts.lengths - lengths).astype(np.int32)
    return EncodedPosts(posts.ids[~dropped], starts, posts.chars_covered, num_content_tokens)
