"""Buffers for the tensors that autograd keeps from the forward pass of a micro-batch for its backward pass."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

CHUNK = 2**25
"""Bytes of a buffer, or a multiple for larger tensors. glibc maps allocations of this size by themselves, so they leave
no gaps in its heap."""
_ALIGNMENT = 64


class SavedTensors:
    """Copies what autograd keeps into buffers that every micro-batch uses again.

    In the heap, tensors that are kept and tensors that are freed at once alternate. Micro-batches of other sizes then
    leave gaps that the tensors of the next one do not fit into, and the peak of a training is a fifth higher."""

    def __init__(self) -> None:
        self._buffers: list[Tensor] = []
        self._used: list[int] = []

    @property
    def size(self) -> int:
        """Bytes of the buffers."""
        return sum(map(len, self._buffers))

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Copy what a forward pass in this context keeps. The next use overwrites it."""
        self._used = [0] * len(self._buffers)
        with torch.autograd.graph.saved_tensors_hooks(self._copy, _identity):
            yield

    def clear(self) -> None:
        """Free the buffers."""
        self._buffers.clear()

    def _copy(self, tensor: Tensor) -> Tensor:
        if isinstance(tensor, nn.Parameter) or not tensor.numel():
            return tensor
        # In the order of the tensor's own dimensions: attention keeps permuted ones.
        order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
        permuted = tensor.permute(order)
        inverse = [order.index(dimension) for dimension in range(tensor.dim())]
        return self._allocate(tensor).view(permuted.shape).copy_(permuted).permute(inverse)

    def _allocate(self, like: Tensor) -> Tensor:
        """Return a free part of the buffers, (elements,), in the first buffer that has room."""
        size = like.numel() * like.element_size()
        number = next((i for i, used in enumerate(self._used) if used + size <= len(self._buffers[i])), None)
        if number is None:
            number = len(self._buffers)
            # Whole chunks, so that a larger tensor of the next micro-batch still has room.
            self._buffers.append(torch.empty(math.ceil(size / CHUNK) * CHUNK, dtype=torch.uint8))
            self._used.append(0)
        start = self._used[number]
        self._used[number] = start + math.ceil(size / _ALIGNMENT) * _ALIGNMENT
        return self._buffers[number][start : start + size].view(like.dtype)


def _identity(tensor: Tensor) -> Tensor:
    return tensor
