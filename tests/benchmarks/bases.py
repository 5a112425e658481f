"""The base to measure on: one of the user's own by name (default: a usual size with random weights)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.tokenizer import PostTokenizer
from weibo_tui.engine.vocabulary import SPECIAL, bert_special_tokens, build_tokenizer
from weibo_tui.registry.bases import TOKENIZER
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.benchmark import FIRST_CHARACTER, LABELS

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
