"""The base that is measured on: one of the person's own by name, else one of the usual size with random weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from weibo_tui.bench.posts import FIRST
from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.tokenizer import PostTokenizer
from weibo_tui.engine.vocabulary import SPECIAL, bert_special_tokens, build_tokenizer
from weibo_tui.registry.bases import TOKENIZER
from weibo_tui.workbench import Workbench

MAX_LENGTH = 128
LABELS = 2
# As uer/gpt2-chinese-cluecorpussmall.
USUAL = GPT2Config(layers=12, heads=12, width=768, positions=1024, vocabulary=21_128, inner=3072)


@dataclass(frozen=True, slots=True)
class MeasuredBase:
    """A trunk in float32, and its tokenizer: ours, and the `tokenizer.json` that it was made from."""

    backbone: GPT2
    tokenizer: PostTokenizer
    definition: str


def open_base(name: str) -> MeasuredBase:
    """The base of this name, which may be a bundled one; without a name one of random weights."""
    if not name:
        return random_base(USUAL)
    with Workbench.open() as bench:
        base = bench.bases.open(name)
        definition = (bench.bases.path(name) / TOKENIZER).read_text(encoding="utf-8")
    return MeasuredBase(base.backbone, base.tokenizer, definition)


def random_base(config: GPT2Config, seed: int = 0) -> MeasuredBase:
    """A base with GPT-2's initial weights, whose tokens are characters."""
    random = torch.Generator().manual_seed(seed)
    tensors = {
        name: torch.full(shape, float(name.endswith("weight")))
        if len(shape) == 1
        else torch.empty(shape).normal_(0.0, 0.02, generator=random)
        for name, shape in config.tensors()
    }
    tokens = [*SPECIAL, *map(chr, range(FIRST, FIRST + config.vocabulary - len(SPECIAL)))]
    tokenizer = build_tokenizer(tokens)
    definition = tokenizer.to_str()
    ours = PostTokenizer(definition, bert_special_tokens(tokenizer), config.vocabulary)
    return MeasuredBase(GPT2.load(config, tensors), ours, definition)


def adapter_on(backbone: GPT2, last: int = 0) -> Adapter:
    """An untrained adapter after the `last` blocks of the trunk, or with 0 after all of them."""
    config = backbone.config
    blocks = range(max(0, config.layers - last) if last else 0, config.layers)
    return Adapter.initialize(AdapterConfig(config.width, tuple(blocks), LABELS), seed=0)
