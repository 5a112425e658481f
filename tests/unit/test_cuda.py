"""CUDA gives the same results as the CPU."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

import made_up
import models
import pytest
import torch
from engine_helpers import recorded_waits

from weibo_tui import ComputeOptions, TrainingConfig, Workbench
from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.device import Compute
from weibo_tui.engine.events import BatchHalved, RunFinished, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.training import AdapterTrainer

POSTS = ["楼下的面真好吃[哈哈]", "外卖太差了，再也不来", "一般吧", "@小林同学 真不错！" * 30]
pytestmark = pytest.mark.gpu


def test_gpu_predictions_equal_cpu(furnished: Path) -> None:
    with Workbench() as wb:
        on_cpu = list(wb.iter_predict(POSTS, machine=ComputeOptions("cpu", "float32")))
        on_card = list(wb.iter_predict(POSTS, machine=ComputeOptions("cuda", "float32")))
        in_bfloat16 = list(wb.iter_predict(POSTS, machine=ComputeOptions("cuda", "bfloat16")))
    for one, other, low in zip(on_cpu, on_card, in_bfloat16, strict=True):
        assert other.probabilities == pytest.approx(one.probabilities, abs=1e-3)
        assert low.probabilities == pytest.approx(one.probabilities, abs=0.03)


def test_gpu_training_learns(furnished: Path, posts_file: Path) -> None:
    hyper = Hyperparameters(epochs=6, batch_size=16, learning_rate=1e-2)
    plan = TrainingConfig((posts_file,), "carded", base="tiny", hyper=hyper, machine=ComputeOptions("cuda"))
    with Workbench() as wb:
        deque(wb.iter_train(plan), maxlen=0)
        card = wb.adapters.card("carded")
    assert card.dtype == "bfloat16"
    assert card.score["accuracy"] > 0.9


def test_gpu_out_of_memory_reduces_micro_batches(furnished: Path, posts_file: Path) -> None:
    machine = ComputeOptions("cuda", "float32")
    hyper = Hyperparameters(epochs=1, batch_size=800, learning_rate=1e-2)
    plan = TrainingConfig((posts_file,), "carded", base="tiny", hyper=hyper, machine=machine)
    with Workbench() as wb:
        # A first step takes what cuBLAS needs, which alone may be more than the limit below.
        models.stop_after(wb.iter_train(replace(plan, name="first", hyper=replace(hyper, batch_size=8))), 1)
    torch.cuda.empty_cache()
    there = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 64 * 2**20) / there)
    try:
        with Workbench() as wb:
            events = list(wb.iter_train(plan))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert any(isinstance(event, BatchHalved) for event in events)
    assert [event.posts for event in events if isinstance(event, StepDone)] == [800]
    assert isinstance(events[-1], RunFinished)


def test_gpu_training_with_graphs_equals_eager() -> None:
    """Graphs fail quietly, so that their number is tested too."""
    graphed, eager = trainer(), trainer()
    assert graphed.graphed is not None
    assert eager.graphed is not None
    eager.graphed.disable()
    graphs: list[int] = []
    losses: dict[AdapterTrainer, list[float]] = {graphed: [], eager: []}
    for training, steps in losses.items():
        for event in training.events():
            if isinstance(event, StepDone):
                steps.append(event.loss)
                graphs.append(graphed.graphed.num_graphs)
    assert graphed.graphed.failure == ""
    assert max(graphs) >= 1
    assert losses[graphed] == pytest.approx(losses[eager], rel=1e-3)


def test_gpu_step_waits_for_the_card_once() -> None:
    events = trainer().events()
    models.until(events, StepDone, 3)
    with recorded_waits() as waits:
        models.until(events, StepDone)
    assert len(waits) == 1


def trainer() -> AdapterTrainer:
    hyper = Hyperparameters(batch_size=16, epochs=6, learning_rate=1e-2, max_length=32)
    compute = Compute.choose("cuda", "float32")
    posts = made_up.posts(320, seed=2)
    model = models.reference()
    backbone = GPT2.load(models.config_of(model), models.weights_of(model)).to(compute.device)
    adapter = Adapter.initialize(AdapterConfig(backbone.config.width, (0, 1), 2, 8), seed=0).to(compute.device)
    return AdapterTrainer(backbone, adapter, models.examples(posts), models.examples(posts[:20]), hyper, compute, 0)
