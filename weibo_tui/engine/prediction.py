"""Predictions: backbone, adapter and tokenizer as a classifier of posts."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.activation_cache import ActivationCache
from weibo_tui.engine.adapter import Adapter, PackedAdapter
from weibo_tui.engine.batches import Indices, pad
from weibo_tui.engine.device import Compute
from weibo_tui.engine.gpt2 import GPT2, AdapterProtocol
from weibo_tui.engine.oom import map_with_oom_retry
from weibo_tui.engine.tokenizer import EncodedPosts, PostTokenizer
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.text.cleaning import MAX_POST_LENGTH, clean

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Label index of a post, a calibrated probability for each label, and the length of the post.

    `characters_read` of its `characters` are covered by the tokens."""

    label: int
    probabilities: tuple[float, ...]
    characters: int
    characters_read: int

    @property
    def confidence(self) -> float:
        """Probability of the predicted label."""
        return self.probabilities[self.label]


@dataclass(frozen=True, slots=True)
class FailedPost:
    """Result of a post without a prediction."""

    message: str

    @property
    def reason(self) -> str:
        """Translated message."""
        return _(self.message)


EMPTY_POST = FailedPost(N_("no text left after cleaning"))
NOT_FINITE = FailedPost(N_("the adapter's output for the post is NaN or infinite"))


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Return the probabilities of logits (posts, labels), divided by the temperature first."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def pooled_states(
    backbone: GPT2,
    adapter: AdapterProtocol,
    posts: EncodedPosts,
    batch: Indices,
    padding: int,
    device: torch.device,
    cache: ActivationCache | None = None,
) -> Tensor:
    """Return the final state at the last token of the posts `batch`, (batch, width)."""
    if cache is not None:
        return cache.pooled(batch, adapter, device)
    ids, lengths = pad(posts, batch, padding, device)
    states: Tensor = backbone(ids, lengths, adapter)
    return states


def predict_logits(
    backbone: GPT2,
    adapter: Adapter | PackedAdapter,
    posts: EncodedPosts,
    padding: int,
    compute: Compute,
    indices: Indices | None = None,
    cache: ActivationCache | None = None,
    on_halved: Callable[[Compute], None] = lambda _compute: None,
    is_done: Callable[[Indices], bool] = lambda _batch: False,
) -> Iterator[tuple[Indices, Floats]]:
    """Yield the indices and the float64 logits (posts, labels) of each micro-batch, the longest posts first.

    Validation, test and use all go through this function. `on_halved` and `is_done` are those of
    `map_with_oom_retry`."""

    fastest = adapter.for_inference(compute)

    def batch_logits(batch: Indices) -> Floats:
        with torch.inference_mode():
            logits = fastest(pooled_states(backbone, fastest, posts, batch, padding, compute.device, cache))
        result: Floats = logits.cpu().double().numpy()
        return result

    indices = np.arange(len(posts)) if indices is None else indices
    was_training = adapter.training
    adapter.eval()
    try:
        yield from map_with_oom_retry(indices, posts.lengths, compute, batch_logits, on_halved, is_done)
    finally:
        adapter.train(was_training)


class Classifier:
    """Classifier of posts. `temperature` divides the logits; `preprocessing` is the version of `text.clean`.

    `compute` has smaller micro-batches than `first_compute` after a lack of memory."""

    def __init__(
        self,
        backbone: GPT2,
        adapter: Adapter | PackedAdapter,
        tokenizer: PostTokenizer,
        compute: Compute,
        *,
        max_length: int,
        preprocessing: int,
        temperature: float = 1.0,
    ) -> None:
        self.backbone = backbone
        self.adapter = adapter.for_inference(compute)
        self.tokenizer = tokenizer
        self.compute = self.first_compute = compute.for_predictions(backbone.config.width)
        self.max_length = max_length
        self.preprocessing = preprocessing
        self.temperature = temperature

    def iter_batches(
        self, posts: Sequence[str], done: Container[int] = ()
    ) -> Iterator[list[tuple[int, Prediction | FailedPost]]]:
        """Yield (index of the post, prediction) for each micro-batch, out of order and empty posts first.

        Posts with the same cleaned text, as many reposts have, are computed once. Micro-batches whose posts are all
        `done` are left out, and the others are the same as without."""
        cleaned = [clean(post[:MAX_POST_LENGTH], self.preprocessing) for post in posts]
        by_text: dict[str, list[int]] = {}
        for index, post in enumerate(cleaned):
            by_text.setdefault(post.text, []).append(index)
        texts = list(by_text)
        encoded = self.tokenizer.encode(texts, self.max_length)
        empty = [index for text in np.flatnonzero(encoded.num_content_tokens == 0) for index in by_text[texts[text]]]
        if empty:
            yield [(index, EMPTY_POST) for index in empty]

        def is_done(batch: Indices) -> bool:
            return all(index in done for text in batch for index in by_text[texts[text]])

        for batch, logits in predict_logits(
            self.backbone,
            self.adapter,
            encoded,
            self.tokenizer.special_tokens.pad,
            self.compute,
            np.flatnonzero(encoded.num_content_tokens),
            on_halved=self._keep_compute,
            is_done=is_done,
        ):
            finite = np.asarray(np.isfinite(logits).all(axis=1))
            probabilities = softmax(np.where(finite[:, None], logits, 0.0), self.temperature)
            yield [
                (
                    index,
                    Prediction(
                        label=int(row.argmax()),
                        probabilities=tuple(row.tolist()),
                        characters=len(posts[index]),
                        characters_read=cleaned[index].raw_position(int(encoded.chars_covered[text])),
                    )
                    if is_finite
                    else NOT_FINITE,
                )
                for text, row, is_finite in zip(batch, probabilities, finite, strict=True)
                for index in by_text[texts[text]]
            ]

    def _keep_compute(self, compute: Compute) -> None:
        """Use smaller micro-batches from now on, so that the next posts do not run out of memory again."""
        self.compute = compute

    def predict(self, posts: Sequence[str]) -> list[Prediction | FailedPost]:
        """Return predictions in the order of the posts."""
        results = dict(pair for batch in self.iter_batches(posts) for pair in batch)
        return [results[index] for index in range(len(posts))]
