"""CUDA gives the same results as the CPU."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest

from weibo_tui.engine.events import BatchHalved, RunFinished, StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.workbench import ComputeOptions, TrainingConfig, Workbench

POSTS = ["楼下的面真好吃[哈哈]", "外卖太差了，再也不来", "一般吧", "@小林同学 真不错！" * 30]


@pytest.mark.gpu
def test_gpu_predictions_equal_cpu(furnished: Path) -> None:
    with Workbench() as wb:
        on_cpu = list(wb.iter_predict(POSTS, machine=ComputeOptions("cpu", "float32")))
        on_card = list(wb.iter_predict(POSTS, machine=ComputeOptions("cuda", "float32")))
        in_bfloat16 = list(wb.iter_predict(POSTS, machine=ComputeOptions("cuda", "bfloat16")))
    for one, other, low in zip(on_cpu, on_card, in_bfloat16, strict=True):
        assert other.probabilities == pytest.approx(one.probabilities, abs=1e-3)
        assert low.probabilities == pytest.approx(one.probabilities, abs=0.03)


@pytest.mark.gpu
def test_gpu_training_learns(furnished: Path, posts_file: Path) -> None:
    hyper = Hyperparameters(epochs=6, batch_size=16, learning_rate=1e-2)
    plan = TrainingConfig((posts_file,), "carded", base="tiny", hyper=hyper, machine=ComputeOptions("cuda"))
    with Workbench() as wb:
        deque(wb.iter_train(plan), maxlen=0)
        card = wb.adapters.card("carded")
    assert card.dtype == "bfloat16"
    assert card.score["accuracy"] > 0.9


@pytest.mark.gpu
def test_gpu_out_of_memory_reduces_micro_batches(furnished: Path, posts_file: Path) -> None:
    import torch

    hyper = Hyperparameters(epochs=1, batch_size=800, learning_rate=1e-2)
    plan = TrainingConfig((posts_file,), "carded", base="tiny", hyper=hyper, machine=ComputeOptions("cuda", "float32"))
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
