"""Cache of activations below the adapter: the same training, computed once."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import models
import numpy as np
import pytest
import torch
from engine_helpers import all_logits

from weibo_tui.engine.activation_cache import ActivationCache, Rows
from weibo_tui.engine.events import StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.training import AdapterTrainer
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.scratch_arrays import array_allocator

HYPER = Hyperparameters(epochs=2, batch_size=16, learning_rate=1e-2, bottleneck=8, max_length=32, emoticon_dropout=0.4)
POSTS, HELD_OUT = made_up.posts(48, seed=5), made_up.posts(16, seed=8)


@pytest.fixture(scope="module")
def reference() -> Any:
    return models.reference(n_layer=4)


def in_memory(tokens: int, width: int) -> Rows:
    return np.full((tokens, width), np.nan, np.float32)


def in_double(tokens: int, width: int) -> Rows:
    return np.zeros((tokens, width)).view(np.ndarray)  # float64, as the backbone of its test


def make(reference: Any, blocks: tuple[int, ...] = (2, 3), keep: bool = True) -> AdapterTrainer:
    examples = models.examples(POSTS, emoticon_free=True), models.examples(HELD_OUT)
    options: Any = {"blocks": blocks, "micro_tokens": 300, "allocate": in_memory if keep else None}
    return models.trainer(models.backbone_of(reference), HYPER, *examples, **options)


def test_part_of_a_cache_has_the_activations_of_its_posts(reference: Any) -> None:
    trainer = make(reference)
    posts, device = trainer.train.encoded, trainer.compute.device
    cache = ActivationCache(trainer.backbone, posts, np.arange(len(posts)), 1, in_memory)
    deque(cache.fill(trainer.padding, trainer.compute), maxlen=0)
    chosen = np.array([7, 3, 30])
    part = cache.take(posts.take(chosen), chosen)
    with torch.inference_mode():
        whole, some = cache.pooled(chosen, trainer.adapter, device), part.pooled(np.arange(3), trainer.adapter, device)
    torch.testing.assert_close(some, whole)


@pytest.mark.parametrize("blocks", [(1,), (2, 3)])
def test_training_with_cache_equals_training_without(reference: Any, blocks: tuple[int, ...]) -> None:
    cached, plain = make(reference, blocks), make(reference, blocks, keep=False)
    ours, theirs = ([step.loss for step in models.steps_of(one.events())] for one in (cached, plain))
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert cached.state.best_epoch == plain.state.best_epoch
    assert cached.state.best_f1 == plain.state.best_f1
    other = plain.adapter.state_dict()
    for name, tensor in cached.adapter.state_dict().items():
        assert (tensor - other[name]).abs().max() < 1e-2, name


def test_resume_with_cache_is_bit_equal(reference: Any) -> None:
    undisturbed = make(reference)
    rows: list[int] = []
    undisturbed.backbone.blocks[0].register_forward_pre_hook(lambda _block, inputs: rows.append(len(inputs[0])))
    snapshots = [undisturbed.snapshot() for event in undisturbed.events() if isinstance(event, StepDone)]
    # Blocks below the adapter compute each post once; the last rows of a batch are filling.
    used = np.unique([undisturbed._epoch_variants(epoch) for epoch in (1, 2)])
    tokens = undisturbed._variants.lengths[used].sum() + undisturbed.validation.encoded.lengths.sum()
    assert tokens <= sum(rows) <= tokens + 64 * len(rows)
    resumed = make(reference)
    resumed.restore(snapshots[4])
    deque(resumed.events(), maxlen=0)
    assert models.same_bits(resumed.adapter.state_dict(), undisturbed.adapter.state_dict())


def test_logits_from_cache_equal_logits_from_ids(reference: Any) -> None:
    backbone = models.backbone_of(reference, torch.float64)
    adapter = models.adapter_for(backbone.config, blocks=(2, 3)).double()
    texts = models.encoded(models.ragged(20, 40))
    compute = models.compute(torch.float64, micro_tokens=100)
    states = ActivationCache(backbone, texts, np.arange(20), 2, in_double)
    assert [event.done for event in states.fill(0, compute)][-1] == 20
    cached = all_logits(backbone, adapter, texts, compute, states)
    assert np.abs(cached - all_logits(backbone, adapter, texts, compute)).max() < 1e-9


def test_scratch_array_has_no_file_name(tmp_path: Path) -> None:
    rows = array_allocator(tmp_path / "runs")(1000, 8)
    rows[:] = np.arange(8)
    assert (rows[999] == np.arange(8)).all()
    assert not [*(tmp_path / "runs").iterdir()]
    assert array_allocator(tmp_path)(0, 8).shape == (0, 8)


def test_scratch_array_on_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(WeiboTuiError, match=r"No space left to write .*Free some"):
        array_allocator(tmp_path)(10, 8)


@pytest.fixture
def deep(home: Path, tmp_path: Path) -> Iterator[Workbench]:
    """Return a workbench with a base of four blocks."""
    with Workbench(home) as wb:
        models.add_base(wb, tmp_path / "from", n_layer=4)
        yield wb


def test_workbench_trains_with_cache(deep: Workbench, tmp_path: Path) -> None:
    plan = models.training_plan(tmp_path, "cached", posts=120, keep_states=True)
    with pytest.raises(UserInputError, match="leaves no activations to cache"):
        list(deep.iter_train(plan))
    assert not deep.runs.list()
    events = list(deep.iter_train(replace(plan, hyper=replace(plan.hyper, blocks="last2"))))
    assert "caching activations" in {getattr(event, "stage", "") for event in events}
    assert deep.adapters.card("cached").blocks == (2, 3)
    assert {path.name for path in deep.paths.runs.glob("*/*")} == {"lock"}  # no scratch files remain
