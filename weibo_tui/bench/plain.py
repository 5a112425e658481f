"""The plain recipe, as it is written down everywhere: transformers' GPT-2 in float32, an adapter hooked in after each
block, each post tokenised by itself and padded to 128, batches of 16, AdamW, clipping.

It computes the same as the engine does; a test holds the two together.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import GPT2Config, GPT2ForSequenceClassification, PreTrainedTokenizerFast, pipeline
from transformers.utils import logging

from weibo_tui.bench.bases import LABELS, MAX_LENGTH, MeasuredBase, adapter_on, open_base
from weibo_tui.bench.measuring import Measured
from weibo_tui.bench.posts import BATCH, TYPICAL, posts, text_of
from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.device import Compute, memory
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.registry.bases import hugging_face_config

WARM_UP, STEPS = 1, 5


class Bottleneck(nn.Module):
    """`x + up(gelu(down(x)))`."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.up(F.gelu(self.down(x)))  # type: ignore[no-any-return]


class PlainRecipe:
    """A base and an adapter as the plain recipe puts them together."""

    def __init__(self, base: MeasuredBase, adapter: Adapter) -> None:
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        special_tokens, config = base.tokenizer.special_tokens, adapter.config
        shape = hugging_face_config(base.backbone.config, special_tokens) | {
            "num_labels": config.labels,
            # The engine has no dropout in the trunk either; without it the plain recipe is quicker and smaller.
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
        }
        self.model = cast(Any, GPT2ForSequenceClassification(GPT2Config.from_dict(shape)))
        self.model.transformer.load_state_dict(base.backbone.to_hf_state_dict())
        self.model.transformer.requires_grad_(False)
        self.bottlenecks = nn.ModuleList(Bottleneck(config.width, config.bottleneck) for _block in config.blocks)
        for index, block in enumerate(self.bottlenecks):
            block.load_state_dict(adapter.blocks[str(index)].state_dict())
            self.model.transformer.h[index].register_forward_hook(lambda _module, _inputs, out, b=block: b(out))
        self.model.score.load_state_dict(adapter.head.state_dict())
        by_id = {index: token for token, index in base.tokenizer.vocabulary().items()}
        self.tokenizer: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=Tokenizer.from_str(base.definition),
            pad_token=by_id[special_tokens.pad],
            model_input_names=["input_ids", "attention_mask"],  # token types would be added to GPT-2's words
        )
        self.device = Compute.choose().device
        self.model.to(self.device)
        self.bottlenecks.to(self.device)

    def trained(self) -> list[nn.Parameter]:
        """The adapter's weights and the head's."""
        return [*self.bottlenecks.parameters(), *self.model.score.parameters()]

    def logits(self, texts: Sequence[str]) -> Tensor:
        """Logits (texts, labels)."""
        rows = [
            self.tokenizer(text, padding="max_length", truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
            for text in texts
        ]
        inputs = {name: torch.cat([row[name] for row in rows]).to(self.device) for name in rows[0]}
        found: Tensor = self.model(**inputs).logits
        return found


def recipe(base: str) -> PlainRecipe:
    """The plain recipe on the base of this name, or on the random one."""
    found = open_base(base)
    return PlainRecipe(found, adapter_on(found.backbone))


def train(base: str) -> Measured:
    """`rate` in posts a second, and `memory`, the peak in bytes."""
    plain = recipe(base)
    plain.model.train()
    texts = posts((WARM_UP + STEPS) * BATCH)
    labels = torch.arange(len(texts)).remainder(LABELS).to(plain.device)
    hyper = Hyperparameters()
    optimizer = torch.optim.AdamW(plain.trained(), lr=hyper.learning_rate, weight_decay=hyper.weight_decay)
    began = 0.0
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            began = time.perf_counter()
        batch = slice(step * BATCH, (step + 1) * BATCH)
        loss = F.cross_entropy(plain.logits(texts[batch]), labels[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.trained(), hyper.clip)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
    return {"rate": STEPS * BATCH / (time.perf_counter() - began), "memory": memory(plain.device)}


def predict(base: str, number: int = 48) -> Measured:
    """`rate` of posts a second, one after the other; `one`, that of a post of typical length, the median."""
    plain = recipe(base)
    plain.model.eval()
    with torch.inference_mode():
        plain.logits(posts(1, seed=1))
        several = [_seconds(plain, text) for text in posts(number)]
        one = [_seconds(plain, text_of(TYPICAL, seed)) for seed in range(number // 3)]
    return {"rate": number / sum(several), "one": 1 / statistics.median(one)}


def _seconds(plain: PlainRecipe, text: str) -> float:
    began = time.perf_counter()
    plain.logits([text]).softmax(-1).tolist()
    return time.perf_counter() - began


def classify(base: str, number: int = 96, batch: int = 32) -> Measured:
    """`rate` of posts a second through transformers' text-classification pipeline."""
    plain = recipe(base)
    plain.model.eval()
    classifier: Any = pipeline(
        "text-classification", model=plain.model, tokenizer=plain.tokenizer, device=plain.device, batch_size=batch
    )
    options = {"truncation": True, "max_length": MAX_LENGTH, "padding": True}
    classifier(posts(batch, seed=1), **options)
    texts = posts(number)
    began = time.perf_counter()
    classifier(texts, **options)
    return {"rate": number / (time.perf_counter() - began)}
