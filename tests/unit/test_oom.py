"""Where the memory is too small, work is done in smaller parts, and comes to the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import made_up
import models
import numpy as np
import pytest
import torch
from models import HYPER
from torch import Tensor

from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.events import BatchHalved, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.oom import map_with_oom_retry
from weibo_tui.engine.prediction import predict_logits
from weibo_tui.engine.training import AdapterTrainer
from weibo_tui.errors import WeiboTuiError

POSTS = made_up.posts(60, seed=5)


@contextmanager
def memory_for(backbone: GPT2, tokens: int, error: type[Exception] = torch.OutOfMemoryError) -> Iterator[list[int]]:
    """For the block, a trunk that computes `tokens` tokens at once and no more, in a forward or in a backward pass;
    how many each pass had that went well."""
    went_well: list[int] = []

    def forward(ids: Tensor, lengths: Tensor, *others: object) -> Tensor:
        asked = int(lengths.sum())
        if asked > tokens:
            raise error("can't allocate memory")
        went_well.append(asked)
        read: Tensor = GPT2.forward(backbone, ids, lengths, *others)  # type: ignore[arg-type]
        return read

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbone, "forward", forward)
        yield went_well


def training_on(backbone: GPT2) -> AdapterTrainer:
    hyper = replace(HYPER, epochs=1, dropout=0.1, emoticon_dropout=0.0)
    config = AdapterConfig(backbone.config.width, (0, 1), 2, hyper.bottleneck, dropout=0.0)
    compute = models.compute(torch.float64, micro_tokens=10_000)
    adapter = Adapter.initialize(config, hyper.seed).double()
    examples = models.examples(POSTS)
    return AdapterTrainer(backbone, adapter, examples, models.examples(POSTS[:20]), hyper, compute, padding=0)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError, MemoryError])
def test_a_training_that_does_not_fit_halves_its_parts_and_learns_the_same(error: type[Exception]) -> None:
    undisturbed = training_on(models.backbone_of(models.reference(), torch.float64))
    expected = [event for event in undisturbed.events() if isinstance(event, StepDone)]
    backbone = models.backbone_of(models.reference(), torch.float64)
    training = training_on(backbone)
    with memory_for(backbone, 70, error) as went_well:
        events = list(training.events())
    halvings = [event for event in events if isinstance(event, BatchHalved)]
    steps = [event for event in events if isinstance(event, StepDone)]
    assert halvings
    assert halvings[0].step == 1
    assert [event.tokens for event in halvings] == sorted({event.tokens for event in halvings}, reverse=True)
    assert [(step.posts, step.tokens) for step in steps] == [(step.posts, step.tokens) for step in expected]
    assert [step.loss for step in steps] == pytest.approx([step.loss for step in expected], rel=1e-9)
    for name, tensor in undisturbed.adapter.state_dict().items():
        assert torch.allclose(training.adapter.state_dict()[name], tensor, rtol=0, atol=1e-9)
    assert sum(went_well) >= sum(step.tokens for step in steps)


def test_memory_too_small_for_one_post_ends_training_in_a_sentence() -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    training = training_on(backbone)
    with (
        memory_for(backbone, 2),
        pytest.raises(WeiboTuiError, match=r"too small for one post of \d+ tokens"),
    ):
        list(training.events())
    assert training.state.step == 0


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def work(_batch: object) -> None:
        raise RuntimeError("a shape is wrong")

    with pytest.raises(RuntimeError, match="a shape is wrong"):
        list(map_with_oom_retry(np.arange(4), np.full(4, 5), models.compute(), work))


def test_verdicts_that_do_not_fit_together_come_one_by_one_and_are_the_same() -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    adapter = models.adapter_for(backbone.config).double()
    encoded = models.examples(POSTS).encoded

    def judged() -> np.ndarray:
        logits = np.zeros((len(encoded), 3))
        times = np.zeros(len(encoded), int)
        compute = models.compute(torch.float64, micro_tokens=10_000)
        for batch, part in predict_logits(backbone, adapter, encoded, 0, compute):
            logits[batch] = part
            times[batch] += 1
        assert (times == 1).all()
        return logits

    expected = judged()
    with memory_for(backbone, int(encoded.lengths.max())) as went_well:
        assert np.allclose(judged(), expected, rtol=0, atol=1e-9)
    assert sum(went_well) == encoded.lengths.sum()
