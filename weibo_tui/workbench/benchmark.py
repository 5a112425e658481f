"""Measure how fast this machine trains on a base model and predicts with it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.progress import Progress
from weibo_tui.text.cleaning import PREPROCESSING

if TYPE_CHECKING:
    from weibo_tui.engine.adapter import Adapter
    from weibo_tui.engine.device import Compute
    from weibo_tui.engine.prediction import Classifier
    from weibo_tui.registry.bases import OpenBase
    from weibo_tui.workbench.workbench import Workbench

# Percentiles of the lengths of weibo_senti_100k's posts: mean 66 characters, median 53, 14 % above 126.
PERCENTILES = (0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 84, 86, 90, 95, 99, 100)
CHARACTERS = (3, 7, 12, 16, 24, 33, 42, 53, 67, 85, 109, 121, 127, 139, 151, 170, 200)
TYPICAL_LENGTH = 54
# The most common Chinese characters by code point: every BERT-Chinese vocabulary has nearly all of them.
FIRST_CHARACTER, LAST_CHARACTER = 0x4E00, 0x7E00

MAX_LENGTH = 128
LABELS = 2
SECONDS = 8.0
"""Time of a measurement, without the step or the posts that it ends with."""
TRAINING_POSTS = 2048
MIN_POSTS, MAX_POSTS = 32, 65_536
SINGLE_POSTS = 16


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Speed of a base model on this machine, and how long `rows` posts of a file take.

    Predictions compute in `dtype`, the training in `training_dtype`. Times are in seconds, except
    `milliseconds_per_post`, the median for a post that is predicted alone. What is not measured yet is None."""

    base: str
    device: str
    dtype: str
    training_dtype: str
    threads: int
    steps_per_second: float | None = None
    training_posts_per_second: float | None = None
    labeling_posts_per_second: float | None = None
    milliseconds_per_post: float | None = None
    rows: int = 0
    labeling_seconds: float | None = None


def sample_lengths(number: int, seed: int = 0) -> NDArray[np.int64]:
    """Draw the lengths of `number` posts in characters, shape (number,)."""
    shares = np.random.default_rng([seed, 0]).uniform(0, 100, number)
    return np.interp(shares, PERCENTILES, CHARACTERS).astype(np.int64)


def sample_posts(number: int, seed: int = 0) -> list[str]:
    """Make different posts of random Chinese characters, so that no data set is needed."""
    lengths = sample_lengths(number, seed)
    return [sample_text(int(length), seed * 1_000_003 + index) for index, length in enumerate(lengths)]


def sample_text(characters: int, seed: int) -> str:
    """Make one text of random Chinese characters."""
    random = np.random.default_rng([seed, 1])
    return "".join(map(chr, random.integers(FIRST_CHARACTER, LAST_CHARACTER, characters)))


def benchmark(
    workbench: Workbench, base: str = "", rows: int = 100_000, machine: ComputeOptions = ComputeOptions()
) -> Iterator[Progress | BenchmarkResult]:
    """Measure training, labeling and single predictions on the base `base` (default: as in a training), with an
    untrained adapter after each block. Takes half a minute, more where a step takes seconds.

    The result is yielded before the first measurement and after each, the last time complete."""
    from weibo_tui.engine.adapter import Adapter, AdapterConfig
    from weibo_tui.engine.prediction import Classifier

    yield Progress("measuring", 0, 3)
    name = workbench.base_name(base)
    compute = workbench.compute(machine)
    native = replace(compute, dtype=compute.float_dtype)  # a training has no int8
    opened = workbench.open_base(name, native)
    config = opened.backbone.config
    adapter = Adapter.initialize(AdapterConfig(config.width, tuple(range(config.layers)), LABELS), seed=0)
    adapter.to(compute.device)
    dtypes = compute.dtype_name, native.dtype_name
    result = BenchmarkResult(name, compute.device.type, *dtypes, compute.threads, rows=rows)
    yield result
    steps, posts = _training_rates(opened, adapter, native)
    result = replace(result, steps_per_second=steps, training_posts_per_second=posts)
    yield result
    yield Progress("measuring", 1, 3)
    del opened  # both together would need twice the memory
    workbench.models.evict(bases=True)
    began = time.perf_counter()
    opened = workbench.open_base(name, compute)
    loading = time.perf_counter() - began
    classifier = Classifier(
        opened.backbone,
        adapter.eval(),
        opened.tokenizer,
        compute,
        max_length=MAX_LENGTH,
        preprocessing=PREPROCESSING,
    )
    rate = _labeling_rate(classifier)
    result = replace(result, labeling_posts_per_second=rate, labeling_seconds=loading + rows / rate)
    yield result
    yield Progress("measuring", 2, 3)
    result = replace(result, milliseconds_per_post=_milliseconds_per_post(classifier))
    yield Progress("measuring", 3, 3)
    yield result


def _training_rates(base: OpenBase, adapter: Adapter, compute: Compute) -> tuple[float, float]:
    """Return optimizer steps and posts a second."""
    from weibo_tui.engine.events import StepDone
    from weibo_tui.engine.hyperparameters import Hyperparameters
    from weibo_tui.engine.training import AdapterTrainer, Examples

    hyper = Hyperparameters(epochs=1000)
    encoded = base.tokenizer.encode_posts(sample_posts(TRAINING_POSTS), MAX_LENGTH, PREPROCESSING)[1]
    labels = np.arange(TRAINING_POSTS) % LABELS
    trainer = AdapterTrainer(
        base.backbone,
        adapter,
        Examples(encoded, labels),
        Examples(encoded.take(np.arange(1)), labels[:1]),
        hyper,
        compute,
        base.tokenizer.special_tokens.pad,
    )
    steps = (event for event in trainer.events() if isinstance(event, StepDone))
    times: list[float] = []
    while sum(times) < SECONDS:
        began = time.perf_counter()
        next(steps)
        times.append(time.perf_counter() - began)
    rate = 1 / statistics.fmean(times[1:] or times)  # the first step is slower
    return rate, rate * hyper.posts_per_step


def _labeling_rate(classifier: Classifier) -> float:
    """Return posts a second where many are predicted at once."""
    number = MIN_POSTS
    while True:
        posts = sample_posts(number, seed=number)
        began = time.perf_counter()
        classifier.predict(posts)
        seconds = time.perf_counter() - began
        if seconds >= SECONDS / 2 or number >= MAX_POSTS:
            return number / seconds
        number *= 2


def _milliseconds_per_post(classifier: Classifier) -> float:
    times = []
    for seed in range(SINGLE_POSTS):
        began = time.perf_counter()
        classifier.predict([sample_text(TYPICAL_LENGTH, seed)])
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)
