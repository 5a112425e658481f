"""Work that does not fit into the device's memory, done in smaller micro-batches."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from weibo_tui.engine.batches import Indices, micro_batches
from weibo_tui.engine.device import Compute
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _

# What torch and oneDNN say on CPUs, for which there is no exception of its own.
_SAID = re.compile(r"can't allocate memory|not enough memory|could not create a memory", re.IGNORECASE)

T = TypeVar("T")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory, the device's or the machine's, was too small."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _SAID.search(str(error)) is not None


def halved(compute: Compute, lengths: NDArray[np.int64], error: BaseException) -> Compute:
    """The same with micro-batches of half as many tokens, once posts of these lengths ended in `error`.

    Raises it again where it is of another kind, and WeiboTuiError where each post was a micro-batch of its own."""
    if not is_out_of_memory(error):
        raise error
    if len(lengths) == 1 or compute.micro_tokens < lengths.min():
        raise WeiboTuiError(
            _(
                "The memory of {device} is too small for one post of {tokens} tokens: close what else uses it, or "
                "choose a smaller base."
            ).format(device=compute.device, tokens=int(lengths.max()))
        ) from error
    return replace(compute, micro_tokens=max(1, min(compute.micro_tokens, int(lengths.sum())) // 2))


def in_fitting_batches(
    which: Indices, lengths: NDArray[np.int64], compute: Compute, work: Callable[[Indices], T]
) -> Iterator[tuple[Indices, T]]:
    """`work` on micro-batches of `which`, the longest posts first; in smaller ones from where the memory is too
    small."""
    waiting = deque(micro_batches(which, lengths, compute.micro_tokens))
    while waiting:
        batch = waiting[0]
        compute.use_threads()
        try:
            done = work(batch)
        except (RuntimeError, MemoryError) as error:
            compute = halved(compute, lengths[batch], error)
            waiting = deque(micro_batches(np.concatenate(list(waiting)), lengths, compute.micro_tokens))
        else:
            waiting.popleft()
            yield batch, done
