"""Batches of posts of like length, so that little is computed on padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.tokenizer import Encoded

Indices = NDArray[np.int64]

# Lengths are padded to a multiple of this, and batches hold a power of two of posts: oneDNN makes and keeps a
# kernel for each new shape, which on ragged posts came to a gigabyte.
LENGTH_STEP = 8

# Steps whose posts are sorted among each other: wide enough to pad little, narrow enough to stay random.
WINDOW_STEPS = 50


def training_steps(lengths: NDArray[np.int64], posts: int, seed: int, epoch: int) -> list[Indices]:
    """The posts of each optimizer step of one epoch: every post once, `posts` a step, a function of (seed, epoch).

    Posts are shuffled, sorted by length within windows, cut into steps, and the steps shuffled."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    steps: list[Indices] = []
    for start in range(0, len(order), posts * WINDOW_STEPS):
        window = order[start : start + posts * WINDOW_STEPS]
        window = window[np.argsort(lengths[window], kind="stable")]
        steps += [window[at : at + posts] for at in range(0, len(window), posts)]
    return [steps[i] for i in random.permutation(len(steps))]


def micro_batches(indices: Indices, lengths: NDArray[np.int64], tokens: int) -> Iterator[Indices]:
    """`indices` by falling length, in batches of at most `tokens` padded tokens (a longer post goes alone)."""
    ordered = indices[np.argsort(-lengths[indices], kind="stable")]
    start = 0
    while start < len(ordered):
        fitting = max(1, tokens // _padded(int(lengths[ordered[start]])))
        posts = 1 << (fitting.bit_length() - 1)
        yield ordered[start : start + posts]
        start += posts


def pad(
    encoded: Encoded, indices: Indices, padding: int, positions: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Token ids (batch, length), right-padded to the longest and a little on, but not beyond the trunk's
    `positions`, and lengths (batch,); both int64 on `device`."""
    lengths = encoded.lengths[indices]
    longest = min(_padded(int(lengths.max())), positions)
    ids = np.full((len(indices), longest), padding, np.int64)
    for row, index in enumerate(indices):
        ids[row, : lengths[row]] = encoded.ids[encoded.starts[index] : encoded.starts[index + 1]]
    return torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device)


def _padded(length: int) -> int:
    return -(-length // LENGTH_STEP) * LENGTH_STEP
