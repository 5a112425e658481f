"""What pretraining asks of a trunk: each next token, and at a post's end the post.

The language-model loss of Radford et al. 2019 runs within each post. Behind a post's suffix, where its verdict will be
read, there is no next token worth foretelling; that state is asked for the post's own tokens instead (bag-of-words
prediction, Ma et al. 2024, "Drop your Decoder"), also for emoticons that were hidden from it (Felbo et al. 2017,
"DeepMoji"). So it learns to gather what a post says, and how it is meant, before any label is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.device import Compute
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.packing import Windows
from weibo_tui.engine.tokenizer import EncodedPosts

# Tokens that are no target of a step and still compete in its softmax, drawn anew each step (Jean et al. 2015).
RIVALS = 2_048

# What differs in size from step to step is rounded up to a multiple of this: oneDNN makes and keeps a kernel for each
# new shape.
SIZES = 256

# In place of a target where the next token is another post's.
NO_TARGET = -100

# In what is asked at the suffix, a token of this share of the corpus weighs half of a rare one (Arora et al. 2017).
COMMON = 1e-3


class PretrainingLoss:
    """The loss of `backbone`. `train` are the posts that say how frequent each id is, `marks` (vocabulary,) are true of
    emoticons, `recall` weighs what is asked at the suffix against each next token."""

    def __init__(
        self, backbone: GPT2, train: EncodedPosts, marks: NDArray[np.bool_], recall: float, compute: Compute
    ) -> None:
        self.backbone = backbone
        self.marks = marks
        self.recall = recall
        self.compute = compute
        self._weights = _recall_weights(train, backbone.config.vocabulary)

    def backward(self, posts: EncodedPosts, windows: Windows, random: np.random.Generator) -> float:
        """Add the gradient of the loss over windows of `posts`; its language-model part, in nats a token. `random`
        chooses the rivals."""
        states, within = self._states(windows), _within(windows)
        following, ended = windows.ids[:, 1:].ravel(), np.flatnonzero(~within)
        rows, bag, shares = self._recalled(posts, windows.posts[:, :-1].ravel()[ended])
        vocabulary, rivalry = self._vocabulary(np.concatenate([following[within], bag]), random)
        place = np.zeros(self.backbone.config.vocabulary, np.int64)
        place[vocabulary] = np.arange(len(vocabulary))
        whole = [states, self.backbone.wte(self._tensor(vocabulary))]
        # The gradient stops there first, so that each stretch of logits can go before the next comes.
        cut, embedded = (part.detach().requires_grad_() for part in whole)
        loss = 0.0
        for part in self._losses(cut, np.where(within, place[following], NO_TARGET), embedded, rivalry):
            part.backward()
            loss += part.item()
        if len(ended) and self.recall:
            suffixes = cut[self._tensor(np.resize(ended, _rounded_up(len(ended))))]
            with self._autocast():
                logits = F.linear(suffixes, embedded)
            told = (logits.float() + rivalry).log_softmax(-1)[self._tensor(rows), self._tensor(place[bag])]
            (-self.recall * (told * self._tensor(shares)).sum() / len(ended)).backward()
        torch.autograd.backward(whole, [cut.grad, embedded.grad])
        return loss

    def measure(self, windows: Windows) -> tuple[float, int]:
        """The language-model part over the whole vocabulary, in nats a token, and of how many tokens."""
        within = _within(windows)
        following = np.where(within, windows.ids[:, 1:].ravel(), NO_TARGET)
        with torch.inference_mode():
            parts = self._losses(self._states(windows), following, self.backbone.wte.weight, 0.0)
            return sum(part.item() for part in parts), int(within.sum())

    def _states(self, windows: Windows) -> Tensor:
        """The final state of each id but the last of every window, (tokens, width)."""
        ids, positions = self._tensor(windows.ids[:, :-1]), self._tensor(windows.positions())
        with self._autocast():
            return self.backbone.states(ids, positions, windows.seen(self.compute.device)).flatten(0, 1)

    def _recalled(self, posts: EncodedPosts, ended: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """What the suffixes of the posts `ended` are asked for: (row, id, share) of each id, shares of a row
        adding up to 1. Half of it goes to the emoticons where there are any: they say how the rest is meant."""
        whole = posts.take(ended)
        rows = np.repeat(np.arange(len(ended)), whole.lengths)
        weights = self._weights[whole.ids]
        marked = self.marks[whole.ids]
        of_marks, of_words = (
            np.bincount(rows, weights * which, minlength=len(ended))[rows] for which in (marked, ~marked)
        )
        both = np.where((of_marks > 0) & (of_words > 0), 0.5, 1.0)
        shares = both * weights / np.where(marked, of_marks, of_words).clip(1e-12)
        asked = shares > 0
        return rows[asked], whole.ids[asked].astype(np.int64), shares[asked].astype(np.float32)

    def _vocabulary(self, targets: NDArray[np.int64], random: np.random.Generator) -> tuple[NDArray[np.int64], Tensor]:
        """The ids that compete in a step's softmax, and what their logits gain: all targets, and rivals that
        stand for the rest of the vocabulary by chance."""
        size = self.backbone.config.vocabulary
        needed = np.unique(targets)
        rest = np.setdiff1d(np.arange(size), needed, assume_unique=True)
        wanted = _rounded_up(len(needed) + RIVALS) - len(needed)
        rivals = rest if len(rest) <= wanted else random.choice(rest, wanted, replace=False)
        gain = np.zeros(len(needed) + len(rivals), np.float32)
        gain[len(needed) :] = np.log(max(len(rest), 1) / max(len(rivals), 1))
        return np.concatenate([needed, rivals]), self._tensor(gain)

    def _losses(
        self, states: Tensor, targets: NDArray[np.int64], embedded: Tensor, rivalry: Tensor | float
    ) -> Iterator[Tensor]:
        """What each stretch of states (tokens, width) adds to the mean cross-entropy; `targets` (tokens,) are rows of
        `embedded`, or NO_TARGET. Logits are the largest tensors there are, and are never held for a whole batch."""
        count = int((targets != NO_TARGET).sum())
        stretch = 2 * self.compute.micro_tokens // 3
        for part, following in zip(states.split(stretch), self._tensor(targets).split(stretch), strict=True):
            with self._autocast():
                logits = F.linear(part, embedded)
            yield F.cross_entropy(logits.float() + rivalry, following, ignore_index=NO_TARGET, reduction="sum") / count

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.compute.device)

    def _autocast(self) -> AbstractContextManager[object]:
        low = self.compute.dtype == torch.bfloat16
        return torch.autocast(self.compute.device.type, dtype=torch.bfloat16, enabled=low)


def _within(windows: Windows) -> NDArray[np.bool_]:
    """Of each id but the last of every window, whether the next is of the same post, (tokens,)."""
    same: NDArray[np.bool_] = (windows.posts[:, :-1] == windows.posts[:, 1:]).ravel()
    return same


def _rounded_up(size: int) -> int:
    return -(-size // SIZES) * SIZES


def _recall_weights(posts: EncodedPosts, vocabulary: int) -> NDArray[np.float64]:
    """How much each id counts in what is asked at the suffix: the rarer the more; prefix and suffix nothing."""
    counts = np.bincount(posts.ids, minlength=vocabulary).astype(np.float64)
    if len(posts):
        counts[[posts.ids[0], posts.ids[-1]]] = np.inf
    return COMMON / (COMMON + counts / max(len(posts.ids), 1))
