"""Recovery from a lack of memory by smaller micro-batches."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from weibo_tui.engine.batches import Indices, micro_batches
from weibo_tui.engine.device import Compute
from weibo_tui.errors import WeiboTuiError, is_out_of_memory
from weibo_tui.locale import gettext as _

T = TypeVar("T")


def halve_micro_batch(compute: Compute, lengths: NDArray[np.int64], error: BaseException) -> Compute:
    """Return `compute` with half the tokens in a micro-batch, after posts of these `lengths` raised `error`.

    Raises `error` if it is of another kind, and WeiboTuiError if a micro-batch was a single post."""
    if not is_out_of_memory(error):
        raise error
    if len(lengths) == 1 or compute.micro_tokens < lengths.min():
        raise WeiboTuiError(
            _(
                "Out of memory on {device} for one post of {tokens} tokens. Close other programs that use "
                "it, or choose a smaller base."
            ).format(device=compute.device, tokens=int(lengths.max()))
        ) from error
    free_memory(compute.device, error)
    return replace(compute, micro_tokens=max(1, min(compute.micro_tokens, int(lengths.sum())) // 2))


def free_memory(device: torch.device, error: BaseException) -> None:
    """Free what the functions that raised `error` hold, and give back what torch keeps of a card's memory.

    Libraries such as cuBLAS take memory from the card, not from torch."""
    traceback.clear_frames(error.__traceback__)
    if device.type in ("cuda", "mps"):
        getattr(torch, device.type).empty_cache()


def map_with_oom_retry(
    indices: Indices,
    lengths: NDArray[np.int64],
    compute: Compute,
    function: Callable[[Indices], T],
    on_halved: Callable[[Compute], None] = lambda _compute: None,
    is_done: Callable[[Indices], bool] = lambda _batch: False,
) -> Iterator[tuple[Indices, T]]:
    """Yield each micro-batch of `indices` with its result of `function`, the longest posts first, without those that
    are done.

    Where memory is too small, the rest is done in smaller micro-batches, and `on_halved` gets the compute that fits."""
    waiting = deque(micro_batches(indices, lengths, compute.micro_tokens))
    while waiting:
        batch = waiting[0]
        if is_done(batch):
            waiting.popleft()
            continue
        compute.activate()
        try:
            result = function(batch)
        except (RuntimeError, MemoryError) as error:
            compute = halve_micro_batch(compute, lengths[batch], error)
            on_halved(compute)
            waiting = deque(micro_batches(np.concatenate(list(waiting)), lengths, compute.micro_tokens))
        else:
            waiting.popleft()
            yield batch, result
