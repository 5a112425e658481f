"""The layout of cards, tried on the CPU: posts that keep their padding give what packed posts give."""

from __future__ import annotations

from dataclasses import replace

import made_up
import models
import numpy as np
import pytest
import torch
from engine_helpers import all_logits
from models import HYPER
from torch import Tensor

from weibo_tui.engine.attention import LENGTH_STEP, PackedLayout
from weibo_tui.engine.batches import pad
from weibo_tui.engine.events import Evaluated, StepDone

POSTS = made_up.posts(90, seed=4)


@pytest.fixture
def padded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay posts out as on a card."""

    def for_posts(ids: Tensor, lengths: Tensor, *, drops_out: bool) -> PackedLayout:
        assert not drops_out
        return PackedLayout.padded(lengths, ids.shape[1])

    monkeypatch.setattr(PackedLayout, "for_posts", for_posts)


def losses() -> list[float]:
    """Train for two epochs and return the loss of each step and validation."""
    hyper = replace(HYPER, dropout=0.0)  # whose masks are drawn for padding too
    parts = models.examples(POSTS, emoticon_free=True), models.examples(POSTS[:30])
    trainer = models.trainer(models.backbone_of(models.reference()), hyper, *parts, micro_tokens=150)
    return [event.loss for event in trainer.events() if isinstance(event, StepDone | Evaluated)]


def logits(dtype: torch.dtype) -> Tensor:
    backbone = models.backbone_of(models.reference(n_layer=3), dtype)
    adapter = models.adapter_for(backbone.config).to(backbone.wte.weight.dtype)
    rows = models.encoded(models.ragged(40, 64, seed=1))
    return torch.from_numpy(all_logits(backbone, adapter, rows, models.compute(dtype, 300)))


@pytest.fixture
def packed_losses() -> list[float]:
    return losses()


@pytest.fixture
def packed_logits() -> list[Tensor]:
    return [logits(dtype) for dtype in (torch.float32, torch.bfloat16)]


def test_padded_training_equals_packed(packed_losses: list[float], padded: None) -> None:
    assert losses() == pytest.approx(packed_losses, abs=1e-5)


def test_padded_predictions_equal_packed(packed_logits: list[Tensor], padded: None) -> None:
    exact, low = packed_logits
    assert (logits(torch.float32) - exact).abs().max() < 1e-5 * exact.abs().max()
    assert (logits(torch.bfloat16).softmax(1) - low.softmax(1)).abs().max() < 0.02


def test_padding_may_exceed_the_positions_of_the_base(padded: None) -> None:
    """The length of a batch is rounded up, and the base has positions for the posts only."""
    backbone = models.backbone_of(models.reference(n_positions=50), torch.float64)
    rows = models.ragged(5, 50)
    ids, lengths = pad(models.encoded(rows), np.arange(5), 0, models.CPU)
    assert ids.shape == (5, 56)
    with torch.no_grad():
        states = backbone(ids, lengths)
        for row, state in zip(rows, states, strict=True):
            assert (backbone.hidden_states(torch.tensor([row]))[0, -1] - state).abs().max() < 1e-9


def test_lengths_of_batches_are_few() -> None:
    rows = models.encoded(models.ragged(60, 64))
    shapes = {pad(rows, np.array([index]), 0, models.CPU)[0].shape[1] for index in range(60)}
    assert shapes <= set(range(LENGTH_STEP, 65, LENGTH_STEP))
