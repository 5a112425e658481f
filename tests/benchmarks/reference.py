"""The reference: transformers' GPT-2 in float32, an adapter hooked in after each block, each post tokenized by itself
and padded to 128, batches of 16, AdamW, gradient clipping.

It computes the same as the engine; tests/unit/test_benchmarks.py compares the two.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from benchmarks.engine import BATCH_SIZE, BenchmarkBase, adapter_on, open_base
from benchmarks.runner import Figures
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import GPT2Config, GPT2ForSequenceClassification, PreTrainedTokenizerFast, pipeline
from transformers.utils import logging

from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.device import Compute, memory
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.registry.bases import hugging_face_config
from weibo_tui.workbench.benchmark import LABELS, MAX_LENGTH, TYPICAL_LENGTH, sample_posts, sample_text

WARM_UP, STEPS = 1, 5


class Bottleneck(nn.Module):
    """`x + up(gelu(down(x)))`."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.up(F.gelu(self.down(x)))  # type: ignore[no-any-return]


class ReferenceModel:
    """A base and an adapter, put together with transformers."""

    def __init__(self, base: BenchmarkBase, adapter: Adapter) -> None:
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        special_tokens, config = base.tokenizer.special_tokens, adapter.config
        shape = hugging_face_config(base.backbone.config, special_tokens) | {
            "num_labels": config.labels,
            # The engine has no dropout in the backbone either; the reference is faster and smaller without it.
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
            model_input_names=["input_ids", "attention_mask"],  # GPT-2 would add token types to the embeddings
        )
        self.device = Compute.choose().device
        self.model.to(self.device)
        self.bottlenecks.to(self.device)

    def parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the adapter and the head."""
        return [*self.bottlenecks.parameters(), *self.model.score.parameters()]

    def logits(self, texts: Sequence[str]) -> Tensor:
        """Return logits (texts, labels)."""
        rows = [
            self.tokenizer(text, padding="max_length", truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
            for text in texts
        ]
        inputs = {name: torch.cat([row[name] for row in rows]).to(self.device) for name in rows[0]}
        logits: Tensor = self.model(**inputs).logits
        return logits


def load_reference(base: str) -> ReferenceModel:
    """Put the reference together on the user's base, or on the random one."""
    opened = open_base(base)
    return ReferenceModel(opened, adapter_on(opened.backbone))


def train(base: str) -> Figures:
    """Return `rate` in posts a second and `memory`, the peak in bytes."""
    reference = load_reference(base)
    reference.model.train()
    texts = sample_posts((WARM_UP + STEPS) * BATCH_SIZE)
    labels = torch.arange(len(texts)).remainder(LABELS).to(reference.device)
    hyper = Hyperparameters()
    optimizer = torch.optim.AdamW(reference.parameters(), lr=hyper.learning_rate, weight_decay=hyper.weight_decay)
    began = 0.0
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            began = time.perf_counter()
        batch = slice(step * BATCH_SIZE, (step + 1) * BATCH_SIZE)
        loss = F.cross_entropy(reference.logits(texts[batch]), labels[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), hyper.clip)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
    return {"rate": STEPS * BATCH_SIZE / (time.perf_counter() - began), "memory": memory(reference.device)}


def predict(base: str, number: int = 48) -> Figures:
    """Return `rate` in posts a second, one after the other, and `one`, the median rate of posts of typical length."""
    reference = load_reference(base)
    reference.model.eval()
    with torch.inference_mode():
        reference.logits(sample_posts(1, seed=1))
        several = [_time_post(reference, text) for text in sample_posts(number)]
        one = [_time_post(reference, sample_text(TYPICAL_LENGTH, seed)) for seed in range(number // 3)]
    return {"rate": number / sum(several), "one": 1 / statistics.median(one)}


def _time_post(reference: ReferenceModel, text: str) -> float:
    began = time.perf_counter()
    reference.logits([text]).softmax(-1).tolist()
    return time.perf_counter() - began


def classify(base: str, number: int = 96, batch: int = 32) -> Figures:
    """Return `rate` in posts a second of transformers' text-classification pipeline."""
    reference = load_reference(base)
    reference.model.eval()
    classifier: Any = pipeline(
        "text-classification",
        model=reference.model,
        tokenizer=reference.tokenizer,
        device=reference.device,
        batch_size=batch,
    )
    options = {"truncation": True, "max_length": MAX_LENGTH, "padding": True}
    classifier(sample_posts(batch, seed=1), **options)
    texts = sample_posts(number)
    began = time.perf_counter()
    classifier(texts, **options)
    return {"rate": number / (time.perf_counter() - began)}
