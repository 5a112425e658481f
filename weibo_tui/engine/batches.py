"""Batches of posts of similar length, so that attention, which pads them, computes little on padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.attention import LENGTH_STEP, round_up
from weibo_tui.engine.device import to_device
from weibo_tui.engine.tokenizer import EncodedPosts

Indices = NDArray[np.int64]

# Steps whose posts are sorted together: enough to pad little, few enough to stay random.
WINDOW_STEPS = 50


def training_steps(lengths: NDArray[np.int64], posts: int, seed: int, epoch: int) -> list[Indices]:
    """Return the posts of each optimizer step of an epoch, `posts` a step, as a function of (seed, epoch).

    Posts are shuffled, sorted by length within windows, split into steps, and the steps shuffled."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    steps: list[Indices] = []
    for start in range(0, len(order), posts * WINDOW_STEPS):
        window = order[start : start + posts * WINDOW_STEPS]
        window = window[np.argsort(lengths[window], kind="stable")]
        steps += [window[i : i + posts] for i in range(0, len(window), posts)]
    return [steps[i] for i in random.permutation(len(steps))]


def micro_batches(indices: Indices, lengths: NDArray[np.int64], tokens: int) -> Iterator[Indices]:
    """Split `indices`, the longest posts first, into batches of about the same number of tokens.

    A batch has at most 1.5 * `tokens` and one post more."""
    if not len(indices):
        return
    ordered = indices[np.argsort(-lengths[indices], kind="stable")]
    ends = np.cumsum(lengths[ordered])
    batches = max(1, round(ends[-1] / tokens))
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, batches) / batches) + 1
    yield from (batch for batch in np.split(ordered, cuts) if len(batch))


def pad(encoded: EncodedPosts, indices: Indices, padding: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids (batch, length), right-padded, and lengths (batch,), both int64 on `device`.

    The length is rounded up to a multiple of LENGTH_STEP, so that few shapes exist."""
    lengths = encoded.lengths_of(indices)
    ids = np.full((len(indices), round_up(lengths.max(), LENGTH_STEP)), padding, np.int64)
    for row, index in enumerate(indices):
        ids[row, : lengths[row]] = encoded.ids[encoded.starts[index] : encoded.starts[index + 1]]
    return to_device(ids, device), to_device(lengths, device)
