"""Probabilities by adapters that have not seen the post: one is trained on the others of each fold.

All share one backbone, and the activations below the adapters, which are computed once."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

import numpy as np

from weibo_tui.engine.activation_cache import ActivationCache, OpenFile
from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.batches import Indices
from weibo_tui.engine.device import Compute
from weibo_tui.engine.events import StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.prediction import Floats, predict_logits, softmax
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.engine.training import AdapterTrainer, Examples, Labels
from weibo_tui.progress import Progress

_VALIDATION_STEP = 10
"""Each tenth post of the others chooses the best epoch."""


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Trainings of adapters of one shape on labeled posts; `open_file` is for the cached activations."""

    backbone: GPT2
    config: AdapterConfig
    posts: EncodedPosts
    labels: Labels
    hyper: Hyperparameters
    compute: Compute
    padding: int
    open_file: OpenFile

    def probabilities(self, splits: Iterable[tuple[Indices, Indices]]) -> Generator[Progress, None, Floats]:
        """Return the probabilities (posts, labels) by the adapter that was trained without the post.

        `splits` are the posts to train on and the posts to predict, of each fold. Posts that are in no fold, or without
        a finite output, have the same probability for each label."""
        pairs = list(splits)
        cache = yield from self._fill_cache()
        result = np.full((len(self.posts), self.config.labels), 1.0 / self.config.labels)
        for number, (rest, fold) in enumerate(pairs):
            adapter = yield from self._train(rest, cache, number, len(pairs))
            encoded = self.posts.take(fold)
            part = None if cache is None else cache.take(encoded, fold)
            for batch, logits in predict_logits(
                self.backbone, adapter, encoded, self.padding, self.compute, cache=part
            ):
                finite = np.isfinite(logits).all(axis=1)
                result[fold[batch[finite]]] = softmax(logits[finite])
                yield Progress("step", len(batch), len(fold))
        return result

    def _fill_cache(self) -> Generator[Progress, None, ActivationCache | None]:
        """Return the activations of all posts, None where too few blocks are below the adapters."""
        block = ActivationCache.last_block(self.config.blocks, self.backbone.config.layers)
        if block < 1:
            return None
        indices, dtype = np.arange(len(self.posts)), self.compute.dtype
        cache = ActivationCache(self.backbone, self.posts, indices, block, dtype, self.open_file)
        yield from cache.fill(self.padding, self.compute)
        return cache

    def _train(
        self, rest: Indices, cache: ActivationCache | None, number: int, folds: int
    ) -> Generator[Progress, None, Adapter]:
        """Return the adapter of the fold `number`, from 0."""
        is_held_out = np.arange(len(rest)) % _VALIDATION_STEP == 0
        adapter = Adapter.initialize(self.config, self.hyper.seed, self.hyper.init).to(self.compute.device)
        train, validation = (self._examples(rest[chosen]) for chosen in (~is_held_out, is_held_out))
        trainer = AdapterTrainer(self.backbone, adapter, train, validation, self.hyper, self.compute, self.padding)
        if cache is not None:
            own = (cache.take(train.encoded, rest[~is_held_out]), cache.take(validation.encoded, rest[is_held_out]))
            trainer.use_caches(*own)
        for event in trainer.events():
            if isinstance(event, StepDone):
                yield Progress("training", number * event.steps + event.step, folds * event.steps)
            else:
                yield Progress("step", 0)
        return adapter

    def _examples(self, indices: Indices) -> Examples:
        return Examples(self.posts.take(indices), self.labels[indices])
