"""Processes that share a training compute the same weights as one process alone."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import models
import numpy as np
import pytest
import torch
from shared_trainings import TRAININGS, Result
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from weibo_tui.engine.cores import usable_cores
from weibo_tui.engine.parallel import ALONE, Processes

PROGRAM = Path(__file__).parents[1] / "shared_trainings.py"
RANKS = range(2)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Result]]:
    """Return the results of all trainings in each of two processes, which are started as torchrun does."""
    folder = tmp_path_factory.mktemp("shared")
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "WORLD_SIZE": str(len(RANKS)),
        "LOCAL_WORLD_SIZE": str(len(RANKS)),
        "OMP_NUM_THREADS": "1",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, PROGRAM, folder],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in RANKS
    ]
    for process in processes:
        messages = process.communicate()[1]
        assert process.returncode == 0, messages
    saved = [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in RANKS]
    return [{name: Result(**values) for name, values in results.items()} for results in saved]


@pytest.mark.parametrize(
    ("name", "near"),
    # The last two are in float32, and Muon computes in bfloat16.
    [("plain", 1e-12), ("short_of_memory", 1e-12), ("not_finite", 1e-12), ("cached", 1e-5), ("pretraining", 1e-3)],
)
def test_shared_training_equals_training_alone(name: str, near: float, shared: list[dict[str, Result]]) -> None:
    alone, together = TRAININGS[name](ALONE), shared[0][name]
    assert alone.weights.keys() == together.weights.keys()
    for part, weight in alone.weights.items():
        assert torch.allclose(together.weights[part], weight, rtol=0, atol=near), part
    assert len(alone.steps) > 2
    near = max(near, 1e-9)  # of figures, which are larger than weights
    for step, own in zip(alone.steps, together.steps, strict=True):
        assert (own.step, own.epoch, own.posts, own.tokens) == (step.step, step.epoch, step.posts, step.tokens)
        assert (own.loss, own.gradient_norm) == pytest.approx((step.loss, step.gradient_norm), rel=near)
    assert together.error == alone.error
    for expected, result in zip(alone.evaluations, together.evaluations, strict=True):
        assert (result.step, result.macro_f1, result.best) == (expected.step, expected.macro_f1, expected.best)
        assert result.loss == pytest.approx(expected.loss, rel=near)


@pytest.mark.parametrize("name", TRAININGS)
def test_all_processes_have_the_same_bits(name: str, shared: list[dict[str, Result]]) -> None:
    first, second = (results[name] for results in shared)
    assert first.weights.keys() == second.weights.keys()
    assert all(torch.equal(second.weights[part], weight) for part, weight in first.weights.items())
    assert first.evaluations == second.evaluations
    assert first.error == second.error


def test_processes_share_the_threads_of_their_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    cores, compute = usable_cores(), models.compute()
    processes, one = Processes(1, 2), Processes()
    assert processes.place(compute, 0).threads == max(1, cores // 2)
    assert processes.place(compute, 1).threads == 1
    assert processes.place_alone(compute, 0).threads == cores
    assert processes.place_alone(compute, 1).threads == 1
    assert one.place(compute, 0).threads == one.place_alone(compute, 0).threads == compute.threads


def test_each_post_belongs_to_one_process() -> None:
    variants = np.arange(10)  # of five posts
    owned = [Processes(rank, 3).owned(variants, 5).tolist() for rank in range(3)]
    assert owned == [[0, 3, 5, 8], [1, 4, 6, 9], [2, 7]]


def test_lack_of_memory_halves_batches_of_its_process_only(shared: list[dict[str, Result]]) -> None:
    assert [results["short_of_memory"].halvings > 0 for results in shared] == [False, True]


def test_nan_loss_is_the_same_error_in_all_processes(shared: list[dict[str, Result]]) -> None:
    for results in shared:
        assert results["not_finite"].error.startswith("Loss became NaN at step ")
        assert all(math.isfinite(step.loss) for step in results["not_finite"].steps)


def test_processes_draw_different_dropout_masks(shared: list[dict[str, Result]]) -> None:
    alone, together = TRAININGS["dropout"](ALONE), shared[0]["dropout"]
    assert together.steps[0].loss != pytest.approx(alone.steps[0].loss, rel=1e-9)
    assert together.steps[0].loss == pytest.approx(alone.steps[0].loss, rel=0.1)
