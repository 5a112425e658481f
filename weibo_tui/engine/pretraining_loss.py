"""The loss of pretraining: each next token, and at the end of a post its bag of words.

The language-model loss of Radford et al. 2019 is computed within each post. After the suffix there is no meaningful
next token, so the state there, which later gives the prediction, predicts the tokens of the post instead (Ma et al.
2024, "Drop your Decoder"), including emoticons that were hidden in the input (Felbo et al. 2017, "DeepMoji"). The
backbone thus learns to summarize posts, and how they are meant, before it sees labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.attention import round_up
from weibo_tui.engine.device import Compute, to_device
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.packing import Windows
from weibo_tui.engine.tokenizer import EncodedPosts

# Random tokens in the softmax of each step in addition to its targets (sampled softmax, Jean et al. 2015).
NUM_NEGATIVES = 2_048

# Sizes that vary between steps are rounded up to a multiple of this: oneDNN creates and keeps a kernel for each shape.
SIZE_STEP = 256

# Target of an id whose next token belongs to another post.
NO_TARGET = -100

# In the bag of words, a token with this share of the corpus weighs half of a rare one (Arora et al. 2017).
COMMON_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets of windows: the id `next_ids` (tokens,) where it is of the `same_post`, and bags of words at `suffixes`.

    A bag has a (row, id, share) for each of its ids: the rows are those of `suffixes`, and the shares of a row add up
    to 1."""

    next_ids: NDArray[np.int64]
    same_post: NDArray[np.bool_]
    suffixes: NDArray[np.int64]
    bag_rows: NDArray[np.int64]
    bag_ids: NDArray[np.int64]
    bag_shares: NDArray[np.float32]

    @property
    def tokens(self) -> int:
        """Number of next ids to predict."""
        return int(self.same_post.sum())

    def ids(self) -> NDArray[np.int64]:
        """Return the ids of all targets."""
        return np.concatenate([self.next_ids[self.same_post], self.bag_ids])


class PretrainingLoss:
    """Loss of `backbone`. The frequencies of ids are those of `train`, `emoticon_mask` (vocabulary,) is true for
    emoticons, and `recall` is the weight of the bag-of-words loss."""

    def __init__(
        self, backbone: GPT2, train: EncodedPosts, emoticon_mask: NDArray[np.bool_], recall: float, compute: Compute
    ) -> None:
        self.backbone = backbone
        self.emoticon_mask = emoticon_mask
        self.recall = recall
        self.compute = compute
        self._weights = _token_weights(train, backbone.config.vocabulary)

    def backward(
        self, posts: EncodedPosts, windows: Windows, random: np.random.Generator, share: slice = slice(None)
    ) -> float:
        """Add the gradient of the loss of windows of `posts`, and return its language-model part in nats per token.

        `random` draws the negatives. With a `share` of the windows, both are what these add to those of all windows."""
        step, own_windows = self._targets(posts, windows), windows.take(share)
        if not len(own_windows):
            return 0.0
        own = step if len(own_windows) == len(windows) else self._targets(posts, own_windows)
        states = self._hidden_states(own_windows)
        sampled, correction = self._sample_vocabulary(step.ids(), random)
        sampled_index = np.zeros(self.backbone.config.vocabulary, np.int64)
        sampled_index[sampled] = np.arange(len(sampled))
        inputs = [states, self.backbone.wte(self._tensor(sampled))]
        # The gradient is first computed up to here, so that each chunk of logits is freed before the next.
        leaf, embedding = (tensor.detach().requires_grad_() for tensor in inputs)
        losses = []
        targets = np.where(own.same_post, sampled_index[own.next_ids], NO_TARGET)
        for chunk_loss in self._chunk_losses(leaf, targets, embedding, correction, step.tokens):
            chunk_loss.backward()
            losses.append(chunk_loss.detach())
        if len(own.suffixes) and self.recall:
            suffix_states = leaf[self._tensor(np.resize(own.suffixes, round_up(len(own.suffixes), SIZE_STEP)))]
            with self._autocast():
                logits = F.linear(suffix_states, embedding)
            log_p = (logits.float() + correction).log_softmax(-1)
            log_p = log_p[self._tensor(own.bag_rows), self._tensor(sampled_index[own.bag_ids])]
            (-self.recall * (log_p * self._tensor(own.bag_shares)).sum() / len(step.suffixes)).backward()
        torch.autograd.backward(inputs, [leaf.grad, embedding.grad])
        loss: float = sum(torch.stack(losses).tolist())  # together, because each transfer from a card waits
        return loss

    def measure(self, windows: Windows) -> tuple[float, int]:
        """Return the language-model loss over the whole vocabulary, in nats per token, and the number of tokens."""
        same_post = _next_is_same_post(windows)
        targets = np.where(same_post, windows.ids[:, 1:].ravel(), NO_TARGET)
        with torch.inference_mode():
            tokens = int(same_post.sum())
            losses = self._chunk_losses(self._hidden_states(windows), targets, self.backbone.wte.weight, 0.0, tokens)
            return sum(loss.item() for loss in losses), tokens

    def _hidden_states(self, windows: Windows) -> Tensor:
        """Return the final state of each id except the last of every window, (tokens, width)."""
        ids, positions = self._tensor(windows.ids[:, :-1]), self._tensor(windows.positions())
        with self._autocast():
            return self.backbone.hidden_states(ids, positions, windows.attn_mask(self.compute.device)).flatten(0, 1)

    def _targets(self, posts: EncodedPosts, windows: Windows) -> Targets:
        same_post = _next_is_same_post(windows)
        suffixes = np.flatnonzero(~same_post)
        bags = self._bags_of_words(posts, windows.posts[:, :-1].ravel()[suffixes])
        return Targets(windows.ids[:, 1:].ravel(), same_post, suffixes, *bags)

    def _bags_of_words(
        self, posts: EncodedPosts, indices: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return (row, id, share) of each target at the suffixes of the posts `indices`.

        The shares of a row add up to 1. Emoticons get half of it, because they say how the rest is meant."""
        bags = posts.take(indices)
        rows = np.repeat(np.arange(len(indices)), bags.lengths)
        weights = self._weights[bags.ids]
        is_emoticon = self.emoticon_mask[bags.ids]
        of_emoticons, of_words = (
            np.bincount(rows, weights * mask, minlength=len(indices))[rows] for mask in (is_emoticon, ~is_emoticon)
        )
        half = np.where((of_emoticons > 0) & (of_words > 0), 0.5, 1.0)
        shares = half * weights / np.where(is_emoticon, of_emoticons, of_words).clip(1e-12)
        used = shares > 0
        return rows[used], bags.ids[used].astype(np.int64), shares[used].astype(np.float32)

    def _sample_vocabulary(
        self, targets: NDArray[np.int64], random: np.random.Generator
    ) -> tuple[NDArray[np.int64], Tensor]:
        """Return the ids of a step's softmax, targets and negatives, and the corrections of their logits.

        With the corrections, the negatives represent the rest of the vocabulary."""
        size = self.backbone.config.vocabulary
        needed = np.unique(targets)
        rest = np.setdiff1d(np.arange(size), needed, assume_unique=True)
        count = round_up(len(needed) + NUM_NEGATIVES, SIZE_STEP) - len(needed)
        negatives = rest if len(rest) <= count else random.choice(rest, count, replace=False)
        correction = np.zeros(len(needed) + len(negatives), np.float32)
        correction[len(needed) :] = np.log(max(len(rest), 1) / max(len(negatives), 1))
        return np.concatenate([needed, negatives]), self._tensor(correction)

    def _chunk_losses(
        self, states: Tensor, targets: NDArray[np.int64], embedding: Tensor, correction: Tensor | float, count: int
    ) -> Iterator[Tensor]:
        """Yield what each chunk of states (tokens, width) adds to the mean cross-entropy of `count` targets.

        `targets` (tokens,) are rows of `embedding`, or NO_TARGET. Logits are the largest tensors, so that only those of
        a chunk are in memory."""
        size = 2 * self.compute.micro_tokens // 3
        for chunk, target in zip(states.split(size), self._tensor(targets).split(size), strict=True):
            with self._autocast():
                logits = F.linear(chunk, embedding)
            yield F.cross_entropy(logits.float() + correction, target, ignore_index=NO_TARGET, reduction="sum") / count

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return to_device(array, self.compute.device)

    def _autocast(self) -> AbstractContextManager[object]:
        low = self.compute.dtype == torch.bfloat16
        return torch.autocast(self.compute.device.type, dtype=torch.bfloat16, enabled=low)


def _next_is_same_post(windows: Windows) -> NDArray[np.bool_]:
    """Return, for each id except the last of every window, whether the next id is of the same post, (tokens,)."""
    same: NDArray[np.bool_] = (windows.posts[:, :-1] == windows.posts[:, 1:]).ravel()
    return same


def _token_weights(posts: EncodedPosts, vocabulary: int) -> NDArray[np.float64]:
    """Return the weight of each id in the bag of words: the rarer the higher; prefix and suffix have none."""
    counts = np.bincount(posts.ids, minlength=vocabulary).astype(np.float64)
    if len(posts):
        counts[[posts.ids[0], posts.ids[-1]]] = np.inf
    return COMMON_SHARE / (COMMON_SHARE + counts / max(len(posts.ids), 1))
