"""Verdicts: a trunk, an adapter on it and a tokenizer, as one classifier of posts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.activation_cache import ActivationCache
from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.batches import Indices, pad
from weibo_tui.engine.device import Compute
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.oom import in_fitting_batches
from weibo_tui.engine.tokenizer import EncodedPosts, PostTokenizer
from weibo_tui.locale import gettext as _
from weibo_tui.text import LONGEST_POST, clean

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One post judged: the index of its label, one calibrated probability a label, and how much was read,
    counted in the post's own characters."""

    label: int
    probabilities: tuple[float, ...]
    characters: int
    characters_read: int

    @property
    def confidence(self) -> float:
        return self.probabilities[self.label]


class EmptyPost:
    """In place of a verdict: after cleaning, nothing of the post is left that the model could read."""

    @property
    def reason(self) -> str:
        return _("nothing to read is left of the post after cleaning")


class NotFinite(EmptyPost):
    """In place of a verdict: the adapter's output for the post is NaN or infinite, as huge weights make it."""

    @property
    def reason(self) -> str:
        return _("the adapter's output for the post is NaN or infinite")


UNREADABLE = EmptyPost()
NOT_FINITE = NotFinite()


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Logits (posts, labels) to probabilities, divided by the temperature first."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def pooled(
    backbone: GPT2,
    adapter: Adapter,
    encoded: EncodedPosts,
    batch: Indices,
    padding: int,
    device: torch.device,
    states: ActivationCache | None = None,
) -> Tensor:
    """The adapted trunk's state at the last token of the posts `batch`, (batch, width)."""
    if states is not None:
        return states.pooled(batch, adapter, device)
    ids, lengths = pad(encoded, batch, padding, device)
    read: Tensor = backbone(ids, lengths, adapter)
    return read


def logits_of(
    backbone: GPT2,
    adapter: Adapter,
    encoded: EncodedPosts,
    padding: int,
    compute: Compute,
    which: Indices | None = None,
    states: ActivationCache | None = None,
) -> Iterator[tuple[Indices, Floats]]:
    """Logits (posts, labels) in float64 of each micro-batch with the posts' indices, the longest posts first; from what
    was kept of them where there are `states`.

    The one way from ids to logits outside the training step: validation, test and use all come through here."""

    def judge(batch: Indices) -> Floats:
        with torch.inference_mode():
            logits = adapter(pooled(backbone, adapter, encoded, batch, padding, compute.device, states))
        judged: Floats = logits.cpu().double().numpy()
        return judged

    lengths = encoded.lengths
    which = np.arange(len(encoded)) if which is None else which
    was_training = adapter.training
    adapter.eval()
    try:
        yield from in_fitting_batches(which, lengths, compute, judge)
    finally:
        adapter.train(was_training)


class Classifier:
    """Posts to verdicts. `temperature` divides the logits; `preprocessing` is the version of `text.clean`."""

    def __init__(
        self,
        backbone: GPT2,
        adapter: Adapter,
        tokenizer: PostTokenizer,
        compute: Compute,
        *,
        max_length: int,
        preprocessing: int,
        temperature: float = 1.0,
    ) -> None:
        self.backbone = backbone
        self.adapter = adapter
        self.tokenizer = tokenizer
        self.compute = compute
        self.max_length = max_length
        self.preprocessing = preprocessing
        self.temperature = temperature

    def classify(self, posts: Sequence[str]) -> Iterator[list[tuple[int, Prediction | EmptyPost]]]:
        """Each micro-batch's (index of the post, verdict), not in order; unreadable posts come first. What is the same
        text once it is cleaned, as many a repost is, is judged once."""
        cleaned = [clean(post[:LONGEST_POST], self.preprocessing) for post in posts]
        alike: dict[str, list[int]] = {}
        for index, one in enumerate(cleaned):
            alike.setdefault(one.text, []).append(index)
        texts = list(alike)
        encoded = self.tokenizer.encode(texts, self.max_length)
        unreadable = [index for text in np.flatnonzero(encoded.bodies == 0) for index in alike[texts[text]]]
        if unreadable:
            yield [(index, UNREADABLE) for index in unreadable]
        padding, readable = self.tokenizer.frame.pad, np.flatnonzero(encoded.bodies)
        for batch, logits in logits_of(self.backbone, self.adapter, encoded, padding, self.compute, readable):
            finite = np.asarray(np.isfinite(logits).all(axis=1))
            probabilities = softmax(np.where(finite[:, None], logits, 0.0), self.temperature)
            yield [
                (
                    index,
                    Prediction(
                        label=int(row.argmax()),
                        probabilities=tuple(row.tolist()),
                        characters=len(posts[index]),
                        characters_read=cleaned[index].raw_position(int(encoded.read[text])),
                    )
                    if is_finite
                    else NOT_FINITE,
                )
                for text, row, is_finite in zip(batch, probabilities, finite, strict=True)
                for index in alike[texts[text]]
            ]

    def verdicts(self, posts: Sequence[str]) -> list[Prediction | EmptyPost]:
        """Verdicts in the posts' order."""
        found = dict(pair for batch in self.classify(posts) for pair in batch)
        return [found[index] for index in range(len(posts))]
