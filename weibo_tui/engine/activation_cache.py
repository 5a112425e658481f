"""What the blocks below the first bottleneck give of each post, computed once and kept.

An adapter whose first bottleneck follows block k changes nothing before it: where a training reads its posts several
times, blocks 0 to k need to see each of them once. What they give is the same in every epoch, so the training is the
same too, but for the last bits of products in other batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.batches import Indices, pad
from weibo_tui.engine.device import Compute
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.oom import in_fitting_batches
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.progress import Progress

Rows = NDArray[np.float32]

ArrayAllocator = Callable[[int, int], Rows]
"""Gives rows of so many tokens and such a width to be filled, in memory or in a file."""


class ActivationCache:
    """The stream of some posts of `texts` after block `block`, float32, in rows that `room` gives."""

    def __init__(self, backbone: GPT2, texts: EncodedPosts, which: Indices, block: int, room: ArrayAllocator) -> None:
        self._trunk = backbone
        self._texts = texts
        self._which = which
        self._block = block
        ends = np.cumsum(texts.lengths_of(which))
        self._starts = np.full(len(texts), -1, np.int64)
        self._starts[which] = ends - texts.lengths_of(which)
        self._rows = room(int(ends[-1]) if len(ends) else 0, backbone.config.width)

    @staticmethod
    def last_block(adapter: Adapter, backbone: GPT2) -> int:
        """The last block that the adapter leaves as it is; 0 or less where nothing is gained by keeping it. The final
        block is never kept, because it is computed for one token of each post only."""
        return min(*adapter.config.blocks, backbone.config.layers - 2)

    def fill(self, padding: int, compute: Compute) -> Iterator[Progress]:
        """Compute what is kept. Always in the same batches, so that a training that is resumed sees the same bits."""

        def compute_rows(batch: Indices) -> Rows:
            with torch.inference_mode():
                ids, lengths = pad(self._texts, batch, padding, compute.device)
                rows: Rows = self._trunk.beneath(ids, lengths, self._block).cpu().numpy()
            return rows

        done = 0
        for batch, rows in in_fitting_batches(self._which, self._texts.lengths, compute, compute_rows):
            self._rows[self._places(batch)] = rows
            done += len(batch)
            yield Progress("keeping states", done, len(self._which))

    def pooled(self, batch: Indices, adapter: Adapter, device: torch.device) -> Tensor:
        """What `GPT2.forward` gives of these posts, (batch, width)."""
        rows = torch.from_numpy(np.asarray(self._rows[self._places(batch)])).to(device)
        lengths = torch.from_numpy(self._texts.lengths_of(batch)).to(device)
        return self._trunk.above(rows, lengths, self._block, adapter)

    def _places(self, batch: Indices) -> Indices:
        """The rows of these posts, end to end."""
        lengths = self._texts.lengths_of(batch)
        ends = np.cumsum(lengths)
        places: Indices = np.repeat(self._starts[batch] - (ends - lengths), lengths) + np.arange(ends[-1])
        return places
