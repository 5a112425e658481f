"""Cache of the activations below the first bottleneck, so that several epochs compute them once.

An adapter whose first bottleneck follows block k changes nothing in blocks 0 to k, so their output is the same in every
epoch. A training with the cache differs from one without it only in the last bits of the products' dtype, because its
batches differ and its rows are rounded to that dtype.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import IO

import numpy as np
import torch
from torch import Tensor

from weibo_tui.engine.batches import Indices, pad
from weibo_tui.engine.device import Compute
from weibo_tui.engine.gpt2 import GPT2, AdapterProtocol
from weibo_tui.engine.oom import map_with_oom_retry
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.progress import Progress

OpenFile = Callable[[int], IO[bytes]]
"""Opens an empty binary file that has room for a number of bytes."""


class _RowFile:
    """Rows of equal size in a file, which is closed when the last cache that uses it is gone."""

    def __init__(self, file: IO[bytes], row_size: int) -> None:
        self._file = file
        self._row_size = row_size
        weakref.finalize(self, file.close)

    def write(self, start: int, rows: Tensor) -> None:
        self._file.seek(start * self._row_size)
        self._file.write(_bytes(rows))

    def read(self, start: int, rows: Tensor) -> None:
        self._file.seek(start * self._row_size)
        self._file.readinto(_bytes(rows))  # type: ignore[attr-defined]  # all binary files have it


def _bytes(rows: Tensor) -> memoryview:
    return rows.view(torch.uint8).numpy().data


class ActivationCache:
    """Residual stream after block `block` of the posts `indices`, in a file of `open_file`.

    The rows have the dtype of the matrix products. In bf16 they take half of the space. They are read, not mapped, so
    that they do not count as memory of the process."""

    def __init__(
        self,
        backbone: GPT2,
        posts: EncodedPosts,
        indices: Indices,
        block: int,
        dtype: torch.dtype,
        open_file: OpenFile,
    ) -> None:
        self._backbone = backbone
        self._posts = posts
        self._indices = indices
        self._block = block
        ends = np.cumsum(posts.lengths_of(indices))
        self._starts = np.full(len(posts), -1, np.int64)
        self._starts[indices] = ends - posts.lengths_of(indices)
        self._dtype = dtype
        row_size = backbone.config.width * dtype.itemsize
        self.size = int(ends[-1]) * row_size if len(ends) else 0
        """Bytes of the file."""
        self._rows = _RowFile(open_file(self.size), row_size)

    @staticmethod
    def last_block(blocks: Sequence[int], layers: int) -> int:
        """Return the last block that an adapter in `blocks` does not change; caching pays from block 1 on.

        The final block is never cached, because it is computed for one token of each post only."""
        return min(*blocks, layers - 2)

    def fill(self, padding: int, compute: Compute) -> Iterator[Progress]:
        """Compute the activations, always in the same batches, so that a resumed training sees the same bits."""

        def compute_rows(batch: Indices) -> Tensor:
            with torch.inference_mode():
                ids, lengths = pad(self._posts, batch, padding, compute.device)
                return self._backbone.forward_lower(ids, lengths, self._block).to(self._dtype).cpu()

        done = 0
        for batch, rows in map_with_oom_retry(self._indices, self._posts.lengths, compute, compute_rows):
            for start, part in self._parts(batch, rows):
                self._rows.write(start, part)
            done += len(batch)
            yield Progress("caching activations", done, len(self._indices))

    def pooled(self, batch: Indices, adapter: AdapterProtocol, device: torch.device) -> Tensor:
        """Return what `GPT2.forward` returns for these posts, (batch, width)."""
        lengths = self._posts.lengths_of(batch)
        rows = torch.empty(int(lengths.sum()), self._backbone.config.width, dtype=self._dtype)
        for start, part in self._parts(batch, rows):
            self._rows.read(start, part)
        stream = rows.to(device, self._backbone.wte.weight.dtype)
        return self._backbone.forward_upper(stream, torch.from_numpy(lengths).to(device), self._block, adapter)

    def take(self, posts: EncodedPosts, indices: Indices) -> ActivationCache:
        """Return the cache of some of its posts, `posts`, which shares its rows."""
        part = copy(self)
        part._posts, part._indices, part._starts = posts, np.arange(len(posts)), self._starts[indices]
        return part

    def _parts(self, batch: Indices, rows: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield the first row in the file and the part of `rows` (tokens, width) of each post."""
        parts = rows.split(self._posts.lengths_of(batch).tolist())
        return zip(self._starts[batch].tolist(), parts, strict=True)
