"""The plain recipe and the engine, as the bench sets them to work: the same mathematics, and figures of each."""

from __future__ import annotations

import pytest
import torch

from weibo_tui.bench import bases, ours, plain
from weibo_tui.bench.posts import posts
from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.prediction import Classifier, Prediction
from weibo_tui.text import PREPROCESSING

SMALL = GPT2Config(layers=3, heads=2, width=32, positions=128, vocabulary=21_000, inner=64)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base that is measured on is a small one."""
    monkeypatch.setattr(bases, "USUAL", SMALL)


def spread(adapter: Adapter) -> Adapter:
    """An adapter that changes what it follows."""
    with torch.no_grad():
        for name, parameter in adapter.named_parameters():
            parameter.normal_(0.0, 0.0 if name.endswith("bias") else 0.5, generator=torch.Generator().manual_seed(1))
    return adapter.eval()


def test_the_plain_recipe_computes_what_the_engine_computes(small: None) -> None:
    """Else the one would be compared with something that it is not."""
    base = bases.random_base(SMALL)
    adapter = spread(bases.adapter_on(base.backbone))
    recipe = plain.PlainRecipe(base, adapter)
    recipe.model.eval()
    texts = posts(12)
    with torch.inference_mode():
        wanted = recipe.logits(texts).softmax(-1)
    found, compute = ours.opened("", "float32")
    classifier = Classifier(
        found.backbone, adapter, found.tokenizer, compute, max_length=128, preprocessing=PREPROCESSING
    )
    for verdict, row in zip(classifier.predict(texts), wanted.tolist(), strict=True):
        assert isinstance(verdict, Prediction)
        assert verdict.probabilities == pytest.approx(row, abs=1e-4)
    assert wanted[:, 0].std() > 0.01


def test_the_plain_recipe_trains_as_many_numbers_as_the_engine(small: None) -> None:
    recipe = plain.recipe("")
    adapter = bases.adapter_on(bases.random_base(SMALL).backbone)
    assert sum(one.numel() for one in recipe.trained()) == sum(one.numel() for one in adapter.parameters())
    loss = recipe.logits(posts(2)).square().sum()
    loss.backward()
    assert all(one.grad is not None for one in recipe.trained())
    assert all(one.grad is None for one in recipe.model.transformer.wte.parameters())


def test_each_contender_gives_its_figures(small: None) -> None:
    for figures in (
        ours.train("", "float32", steps=2, warm_up=1),
        ours.train("", "float32", steps=2, last=1, warm_up=1),
        ours.predict("", "float32", number=8),
        plain.train(""),
        plain.predict("", number=6),
        plain.classify("", number=4, batch=2),
    ):
        assert figures
        assert all(value > 0 for value in figures.values())


def test_adapters_may_follow_the_last_blocks_only(small: None) -> None:
    backbone = bases.random_base(SMALL).backbone
    assert bases.adapter_on(backbone).config.blocks == (0, 1, 2)
    assert bases.adapter_on(backbone, 2).config.blocks == (1, 2)
