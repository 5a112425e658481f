"""The engine at the same work as the plain recipe."""

from __future__ import annotations

import statistics
import time
from itertools import islice

import numpy as np
import torch

from weibo_tui.bench.bases import LABELS, MAX_LENGTH, MeasuredBase, adapter_on, open_base
from weibo_tui.bench.measuring import Measured
from weibo_tui.bench.posts import BATCH, TYPICAL, posts, text_of
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.device import Compute, memory
from weibo_tui.engine.events import StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.layers import PackedLinear
from weibo_tui.engine.prediction import Classifier
from weibo_tui.engine.training import AdapterTrainer, Examples
from weibo_tui.text import PREPROCESSING


def opened(base: str, dtype: str) -> tuple[MeasuredBase, Compute]:
    """The base as it is used in `dtype`, and the compute for it."""
    compute = Compute.choose(dtype=dtype)
    found = open_base(base)
    found.backbone.set_compute_dtype(compute.dtype).to(compute.device).pack()
    return found, compute


def train(base: str, dtype: str, steps: int, last: int = 0, warm_up: int = 30) -> Measured:
    """`rate` in posts a second, encoding included; `memory`, the peak in bytes; `share`, that of the step's products,
    those on real tokens, of what one large product reaches. With `last`, adapters follow the last so many blocks, and
    what those below give is kept: the rate is that of an epoch which finds it there."""
    found, compute = opened(base, dtype)
    texts = posts((warm_up + steps) * BATCH)
    began = time.perf_counter()
    encoded = found.tokenizer.encode_posts(texts, MAX_LENGTH, PREPROCESSING)[1]
    encoding = time.perf_counter() - began
    labels = np.arange(len(texts)) % LABELS
    training = AdapterTrainer(
        found.backbone,
        adapter_on(found.backbone, last).to(compute.device),
        Examples(encoded, labels),
        Examples(encoded.take(np.arange(1)), labels[:1]),
        Hyperparameters(batch_size=BATCH),
        compute,
        found.tokenizer.special_tokens.pad,
        (lambda tokens, width: np.empty((tokens, width), np.float32)) if last else None,
    )
    done = (event for event in training.events() if isinstance(event, StepDone))
    list(islice(done, warm_up))
    began = time.perf_counter()
    tokens = sum(event.tokens for event in islice(done, steps))
    seconds = time.perf_counter() - began
    share = tokens * training_flops(found.backbone.config) / seconds / peak(compute)
    seconds += encoding * steps / (warm_up + steps)
    return {"rate": steps * BATCH / seconds, "memory": memory(compute.device), "share": share}


def predict(base: str, dtype: str, number: int) -> Measured:
    """`rate` of posts a second, many at once; `one`, that of a post of typical length alone, the median."""
    found, compute = opened(base, dtype)
    classifier = Classifier(
        found.backbone,
        adapter_on(found.backbone).to(compute.device).eval(),
        found.tokenizer,
        compute,
        max_length=MAX_LENGTH,
        preprocessing=PREPROCESSING,
    )
    classifier.predict(posts(number // 4, seed=1))
    began = time.perf_counter()
    classifier.predict(posts(number))
    rate = number / (time.perf_counter() - began)
    seconds = []
    for seed in range(32):
        began = time.perf_counter()
        classifier.predict([text_of(TYPICAL, seed)])
        seconds.append(time.perf_counter() - began)
    return {"rate": rate, "one": 1 / statistics.median(seconds)}


def training_flops(config: GPT2Config) -> float:
    """Floating-point operations of the products of a training step, a token: forwards through all blocks, backwards
    down to the first adapter, of the last block keys and values alone; attention's own are not counted."""
    block = 2 * (4 * config.width**2 + 2 * config.width * config.inner)
    last = 2 * 2 * config.width**2
    adapters = config.layers * 3 * 2 * 2 * config.width * 64
    return (2 * config.layers - 3) * block + 2 * last + adapters


def peak(compute: Compute, rows: int = 1024) -> float:
    """Floating-point operations a second of one product of the feed-forward layer's shape, the best of twenty."""
    linear = torch.nn.Linear(768, 3072).requires_grad_(False).to(compute.device, compute.dtype)
    layer = PackedLinear(linear) if PackedLinear.fits(linear) else linear
    x = torch.randn(rows, 768, device=compute.device).to(compute.dtype)
    best = float("inf")
    with torch.inference_mode():
        for _try in range(20):
            began = time.perf_counter()
            layer(x)[0, 0].item()
            best = min(best, time.perf_counter() - began)
    return 2 * rows * 768 * 3072 / best
