"""Cache of the activations below the first bottleneck, so that several epochs compute them once.

An adapter whose first bottleneck follows block k changes nothing in blocks 0 to k, so their output is the same in every
epoch. A training with the cache differs from one without it only in the last bits, because its batches differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.batches import Indices, pad
from weibo_tui.engine.device import Compute
from weibo_tui.engine.gpt2 import GPT2, AdapterProtocol
from weibo_tui.engine.oom import map_with_oom_retry
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.progress import Progress

Rows = NDArray[np.float32]

ArrayAllocator = Callable[[int, int], Rows]
"""Allocates an uninitialized (tokens, width) array, in memory or memory-mapped."""


class ActivationCache:
    """Residual stream after block `block` of the posts `indices`, float32, in an array of `allocate`."""

    def __init__(
        self, backbone: GPT2, posts: EncodedPosts, indices: Indices, block: int, allocate: ArrayAllocator
    ) -> None:
        self._backbone = backbone
        self._posts = posts
        self._indices = indices
        self._block = block
        ends = np.cumsum(posts.lengths_of(indices))
        self._starts = np.full(len(posts), -1, np.int64)
        self._starts[indices] = ends - posts.lengths_of(indices)
        self._rows = allocate(int(ends[-1]) if len(ends) else 0, backbone.config.width)

    @staticmethod
    def last_block(blocks: Sequence[int], layers: int) -> int:
        """Return the last block that an adapter in `blocks` does not change; caching pays from block 1 on.

        The final block is never cached, because it is computed for one token of each post only."""
        return min(*blocks, layers - 2)

    def fill(self, padding: int, compute: Compute) -> Iterator[Progress]:
        """Compute the activations, always in the same batches, so that a resumed training sees the same bits."""

        def compute_rows(batch: Indices) -> Rows:
            with torch.inference_mode():
                ids, lengths = pad(self._posts, batch, padding, compute.device)
                rows: Rows = self._backbone.forward_lower(ids, lengths, self._block).cpu().numpy()
            return rows

        done = 0
        for batch, rows in map_with_oom_retry(self._indices, self._posts.lengths, compute, compute_rows):
            self._rows[self._row_indices(batch)] = rows
            done += len(batch)
            yield Progress("caching activations", done, len(self._indices))

    def pooled(self, batch: Indices, adapter: AdapterProtocol, device: torch.device) -> Tensor:
        """Return what `GPT2.forward` returns for these posts, (batch, width)."""
        rows = torch.from_numpy(np.asarray(self._rows[self._row_indices(batch)])).to(device)
        lengths = torch.from_numpy(self._posts.lengths_of(batch)).to(device)
        return self._backbone.forward_upper(rows, lengths, self._block, adapter)

    def take(self, posts: EncodedPosts, indices: Indices) -> ActivationCache:
        """Return the cache of some of its posts, `posts`, which shares its rows."""
        part = copy(self)
        part._posts, part._indices, part._starts = posts, np.arange(len(posts)), self._starts[indices]
        return part

    def _row_indices(self, batch: Indices) -> Indices:
        lengths = self._posts.lengths_of(batch)
        ends = np.cumsum(lengths)
        rows: Indices = np.repeat(self._starts[batch] - (ends - lengths), lengths) + np.arange(ends[-1])
        return rows
