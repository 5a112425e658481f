"""Cache of activations below the adapter: the same training, computed once."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import made_up
import models
import numpy as np
import pytest
import torch
from engine_helpers import all_logits

from weibo_tui import Workbench
from weibo_tui.engine.activation_cache import ActivationCache
from weibo_tui.engine.events import ActivationsCached, CachePlanned, StepDone, to_json
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.training import AdapterTrainer
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.presentation.run_events import describe_event
from weibo_tui.workbench import training
from weibo_tui.workbench.scratch_files import file_opener, free_space

HYPER = Hyperparameters(epochs=2, batch_size=16, learning_rate=1e-2, bottleneck=8, max_length=32, emoticon_dropout=0.4)
POSTS, HELD_OUT = made_up.posts(48, seed=5), made_up.posts(16, seed=8)


@pytest.fixture(scope="module")
def reference() -> Any:
    return models.reference(n_layer=4)


def in_memory(_size: int) -> BytesIO:
    return BytesIO()


def make(reference: Any, blocks: tuple[int, ...] = (2, 3), keep: bool = True) -> AdapterTrainer:
    examples = models.examples(POSTS, emoticon_free=True), models.examples(HELD_OUT)
    options: Any = {"blocks": blocks, "micro_tokens": 300, "open_file": in_memory if keep else None}
    return models.trainer(models.backbone_of(reference), HYPER, *examples, **options)


def test_part_of_a_cache_has_the_activations_of_its_posts(reference: Any) -> None:
    trainer = make(reference)
    posts, device = trainer.train.encoded, trainer.compute.device
    cache = ActivationCache(trainer.backbone, posts, np.arange(len(posts)), 1, torch.float32, in_memory)
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
    states = ActivationCache(backbone, texts, np.arange(20), 2, torch.float64, in_memory)
    assert [event.done for event in states.fill(0, compute)][-1] == 20
    cached = all_logits(backbone, adapter, texts, compute, states)
    assert np.abs(cached - all_logits(backbone, adapter, texts, compute)).max() < 1e-9


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
def test_cache_in_dtype_of_products_is_as_small(reference: Any, dtype: torch.dtype, tolerance: float) -> None:
    backbone = models.backbone_of(reference)
    adapter = models.adapter_for(backbone.config, blocks=(2, 3))
    texts = models.encoded(models.ragged(20, 40))
    file = BytesIO()
    cache = ActivationCache(backbone, texts, np.arange(20), 2, dtype, lambda _size: file)
    deque(cache.fill(0, models.compute()), maxlen=0)
    assert cache.size == len(file.getvalue()) == texts.lengths.sum() * backbone.config.width * dtype.itemsize
    cached = all_logits(backbone, adapter, texts, models.compute(), cache)
    exact = all_logits(backbone, adapter, texts, models.compute())
    assert np.abs(cached - exact).max() < tolerance * np.abs(exact).max()


def test_file_of_cache_is_closed_with_its_last_part(reference: Any) -> None:
    texts, file = models.encoded(models.ragged(20, 40)), BytesIO()
    cache = ActivationCache(models.backbone_of(reference), texts, np.arange(20), 2, torch.float32, lambda _size: file)
    part = cache.take(texts.take(np.arange(3)), np.arange(3))
    del cache
    assert not file.closed
    del part
    assert file.closed


def test_scratch_file_has_no_name(tmp_path: Path) -> None:
    with file_opener(tmp_path / "runs")(1000) as file:
        assert not [*(tmp_path / "runs").iterdir()]
        assert file.seek(0, os.SEEK_END) in (0, 1000)
    with file_opener(tmp_path)(0) as file:
        assert not file.read()


def test_scratch_file_on_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(WeiboTuiError, match=r"No space left to write .*Free some"):
        file_opener(tmp_path)(80)


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
    (planned,) = (event for event in events if isinstance(event, CachePlanned))
    (filled,) = (event for event in events if isinstance(event, ActivationsCached))
    assert planned.used
    assert 0 < filled.size <= planned.size < planned.free
    assert deep.adapters.card("cached").blocks == (2, 3)
    assert {path.name for path in deep.paths.runs.glob("*/*")} == {"lock"}  # no scratch files remain


def test_cache_that_does_not_fit_is_left_out(deep: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "free_space", lambda _folder: 5000)
    plan = models.training_plan(tmp_path, "large", posts=120, keep_states=True)
    events = list(deep.iter_train(replace(plan, hyper=replace(plan.hyper, blocks="last2"))))
    (planned,) = (event for event in events if isinstance(event, CachePlanned))
    assert not planned.used
    assert not any(isinstance(event, ActivationsCached) for event in events)
    assert describe_event(to_json(planned)).endswith(
        "a fifth of which is kept. Training without it, which takes longer."
    )
    assert deep.runs.list()[0].plan["plan"]["keep_states"] is False  # a resume has no cache either


def test_resume_without_space_for_its_cache_is_refused(
    deep: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = models.training_plan(tmp_path, "large", posts=120, keep_states=True)
    events = deep.iter_train(replace(plan, hyper=replace(plan.hyper, blocks="last2")))
    next(event for event in events if isinstance(event, StepDone))
    events.close()
    monkeypatch.setattr(training, "free_space", lambda _folder: 5000)
    with pytest.raises(UserInputError, match=r"needs 0.\d\d GB of free disk .*, and 0.00 GB are free"):
        list(deep.iter_resume(deep.runs.list()[0].id))
    monkeypatch.setattr(training, "free_space", free_space)
    list(deep.iter_resume(deep.runs.list()[0].id))
    assert deep.adapters.card("large").blocks == (2, 3)
