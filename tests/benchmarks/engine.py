"""Measure the engine at the same work as the reference."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from io import BytesIO
from itertools import islice

import numpy as np
import torch
from benchmarks.runner import Figures

from weibo_tui import Workbench
from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.device import Compute, memory
from weibo_tui.engine.events import StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.heap import trim_heap
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.layers import PackedLinear
from weibo_tui.engine.placement import place
from weibo_tui.engine.prediction import Classifier
from weibo_tui.engine.tokenizer import PostTokenizer
from weibo_tui.engine.training import AdapterTrainer, Examples
from weibo_tui.engine.vocabulary import SPECIAL, bert_special_tokens, build_tokenizer
from weibo_tui.registry.bases import TOKENIZER
from weibo_tui.text.cleaning import PREPROCESSING
from weibo_tui.workbench.benchmark import FIRST_CHARACTER, LABELS, MAX_LENGTH, TYPICAL_LENGTH, sample_posts, sample_text

BATCH_SIZE = 16
# As uer/gpt2-chinese-cluecorpussmall.
USUAL_SIZE = GPT2Config(layers=12, heads=12, width=768, positions=1024, vocabulary=21_128, inner=3072)


@dataclass(frozen=True, slots=True)
class BenchmarkBase:
    """A backbone in float32, our tokenizer, and the `tokenizer.json` that it is made from."""

    backbone: GPT2
    tokenizer: PostTokenizer
    definition: str


def open_base(name: str) -> BenchmarkBase:
    """Open the user's or the bundled base `name` (default: random weights)."""
    if not name:
        return random_base(USUAL_SIZE)
    with Workbench() as workbench:
        base = workbench.bases.open(name)
        definition = (workbench.bases.path(name) / TOKENIZER).read_text(encoding="utf-8")
    return BenchmarkBase(base.backbone, base.tokenizer, definition)


def random_base(config: GPT2Config, seed: int = 0) -> BenchmarkBase:
    """Make a base with GPT-2's initial weights and a tokenizer of characters."""
    random = torch.Generator().manual_seed(seed)
    tensors = {
        name: torch.full(shape, float(name.endswith("weight")))
        if len(shape) == 1
        else torch.empty(shape).normal_(0.0, 0.02, generator=random)
        for name, shape in config.tensors()
    }
    tokens = [*SPECIAL, *map(chr, range(FIRST_CHARACTER, FIRST_CHARACTER + config.vocabulary - len(SPECIAL)))]
    tokenizer = build_tokenizer(tokens)
    definition = tokenizer.to_str()
    ours = PostTokenizer(definition, bert_special_tokens(tokenizer), config.vocabulary)
    return BenchmarkBase(GPT2.load(config, tensors), ours, definition)


def adapter_on(backbone: GPT2, last: int = 0) -> Adapter:
    """Make an untrained adapter after the `last` blocks of the backbone (0: after all of them)."""
    config = backbone.config
    blocks = range(max(0, config.layers - last) if last else 0, config.layers)
    return Adapter.initialize(AdapterConfig(config.width, tuple(blocks), LABELS), seed=0)


def open_for(base: str, dtype: str) -> tuple[BenchmarkBase, Compute]:
    """Open the base for `dtype`."""
    compute = Compute.choose(dtype=dtype)
    opened = open_base(base)
    place(opened.backbone, opened.tokenizer, compute)
    trim_heap()  # as `ModelLoader.open_base` does
    return opened, compute


def train(base: str, dtype: str, steps: int, last: int = 0, warm_up: int = 30) -> Figures:
    """Return `rate` in posts a second, encoding included; `memory`, the peak in bytes; and `share`, the FLOP/s of the
    step's products on real tokens divided by those of one large product.

    With `last`, only the last blocks have adapters, and the hidden states below them are cached: the rate is that of an
    epoch that finds them."""
    opened, compute = open_for(base, dtype)
    texts = sample_posts((warm_up + steps) * BATCH_SIZE)
    began = time.perf_counter()
    encoded = opened.tokenizer.encode_posts(texts, MAX_LENGTH, PREPROCESSING)[1]
    encoding = time.perf_counter() - began
    labels = np.arange(len(texts)) % LABELS
    training = AdapterTrainer(
        opened.backbone,
        adapter_on(opened.backbone, last).to(compute.device),
        Examples(encoded, labels),
        Examples(encoded.take(np.arange(1)), labels[:1]),
        Hyperparameters(batch_size=BATCH_SIZE),
        compute,
        opened.tokenizer.special_tokens.pad,
        (lambda _size: BytesIO()) if last else None,
    )
    steps_done = (event for event in training.events() if isinstance(event, StepDone))
    list(islice(steps_done, warm_up))
    began = time.perf_counter()
    tokens = sum(event.tokens for event in islice(steps_done, steps))
    seconds = time.perf_counter() - began
    peak = memory(compute.device)  # before the product below adds to it
    share = tokens * training_flops(opened.backbone.config) / seconds / peak_flops(compute)
    seconds += encoding * steps / (warm_up + steps)
    return {"rate": steps * BATCH_SIZE / seconds, "memory": peak, "share": share}


def predict(base: str, dtype: str, number: int) -> Figures:
    """Return `rate` in posts a second, many at once, and `one`, the median rate of single posts of typical length."""
    opened, compute = open_for(base, dtype)
    classifier = Classifier(
        opened.backbone,
        adapter_on(opened.backbone).to(compute.device).eval(),
        opened.tokenizer,
        compute,
        max_length=MAX_LENGTH,
        preprocessing=PREPROCESSING,
    )
    classifier.predict(sample_posts(number // 4, seed=1))
    began = time.perf_counter()
    classifier.predict(sample_posts(number))
    rate = number / (time.perf_counter() - began)
    seconds = []
    for seed in range(32):
        began = time.perf_counter()
        classifier.predict([sample_text(TYPICAL_LENGTH, seed)])
        seconds.append(time.perf_counter() - began)
    return {"rate": rate, "one": 1 / statistics.median(seconds)}


def training_flops(config: GPT2Config) -> float:
    """Return the FLOP of a training step's products a token: forward through all blocks, backward down to the first
    adapter, only keys and values of the last block. Attention's own products are not counted."""
    block = 2 * (4 * config.width**2 + 2 * config.width * config.inner)
    last = 2 * 2 * config.width**2
    adapters = config.layers * 3 * 2 * 2 * config.width * 64
    return (2 * config.layers - 3) * block + 2 * last + adapters


def peak_flops(compute: Compute, rows: int = 1024) -> float:
    """Return the FLOP/s of one product of the feed-forward layer's shape, the best of twenty."""
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
