"""What blocks below the adapter give, kept for all epochs: the same training, computed once."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import made_up
import models
import numpy as np
import pytest
import torch
from transformers import GPT2Model

from weibo_tui.engine.activation_cache import ActivationCache, Rows
from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.events import StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.prediction import predict_logits
from weibo_tui.engine.training import AdapterTrainer
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.scratch_arrays import room_in

HYPER = Hyperparameters(epochs=3, batch_size=16, learning_rate=1e-2, bottleneck=8, max_length=32, emoticon_dropout=0.4)
POSTS, HELD_OUT = made_up.posts(90, seed=5), made_up.posts(30, seed=8)


@pytest.fixture(scope="module")
def reference() -> GPT2Model:
    return models.reference(n_layer=4)


def in_memory(tokens: int, width: int) -> Rows:
    return np.full((tokens, width), np.nan, np.float32)


def in_double(tokens: int, width: int) -> Rows:
    return np.zeros((tokens, width)).view(np.ndarray)  # as exact as the trunk of one test, which room is not


def make(reference: GPT2Model, blocks: tuple[int, ...] = (2, 3), keep: bool = True) -> AdapterTrainer:
    backbone = models.backbone_of(reference)
    adapter = Adapter.initialize(AdapterConfig(backbone.config.width, blocks, 2, bottleneck=8), seed=0)
    return AdapterTrainer(
        backbone,
        adapter,
        models.examples(POSTS, emoticon_free=True),
        models.examples(HELD_OUT),
        HYPER,
        models.compute(micro_tokens=300),
        0,
        in_memory if keep else None,
    )


@pytest.mark.parametrize("blocks", [(1,), (2, 3), (3,)])
def test_training_on_kept_states_is_the_training_without_them(reference: GPT2Model, blocks: tuple[int, ...]) -> None:
    kept, plain = make(reference, blocks), make(reference, blocks, keep=False)
    ours, theirs = ([event.loss for event in one.events() if isinstance(event, StepDone)] for one in (kept, plain))
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert kept.state.best_epoch == plain.state.best_epoch
    assert kept.state.best_f1 == plain.state.best_f1
    other = plain.adapter.state_dict()
    for name, tensor in kept.adapter.state_dict().items():
        assert (tensor - other[name]).abs().max() < 1e-2, name


def test_a_training_that_is_resumed_on_kept_states_ends_with_the_same_bits(reference: GPT2Model) -> None:
    undisturbed = make(reference)
    events = undisturbed.events()
    for event in events:
        if isinstance(event, StepDone) and event.step == 8:
            break
    snapshot = undisturbed.snapshot()
    for _event in events:
        pass
    resumed = make(reference)
    resumed.restore(snapshot)
    for _event in resumed.events():
        pass
    assert models.same_bits(resumed.adapter.state_dict(), undisturbed.adapter.state_dict())


def test_blocks_below_see_each_text_once(reference: GPT2Model) -> None:
    training = make(reference)
    seen: list[int] = []
    backbone = training.backbone
    backbone.blocks[0].register_forward_pre_hook(lambda _block, inputs: seen.append(len(inputs[0])))
    for _event in training.events():
        pass
    read = np.unique([training._epoch_variants(epoch) for epoch in (1, 2, 3)])
    tokens = training._variants.lengths[read].sum() + training.validation.encoded.lengths.sum()
    assert tokens <= sum(seen) <= tokens + 64 * len(seen)  # rows at the end of a batch are of no post


def test_verdicts_from_kept_states_are_those_from_ids(reference: GPT2Model) -> None:
    backbone = models.backbone_of(reference, torch.float64)
    adapter = models.adapter_for(backbone.config, blocks=(2, 3)).double()
    texts = models.encoded(models.ragged(20, 40))
    compute = models.compute(torch.float64, micro_tokens=100)
    states = ActivationCache(backbone, texts, np.arange(20), 2, in_double)
    assert [event.done for event in states.fill(0, compute)][-1] == 20
    found = np.zeros((2, 20, adapter.config.labels))
    for place, kept in enumerate((states, None)):
        for batch, logits in predict_logits(backbone, adapter, texts, 0, compute, cache=kept):
            found[place, batch] = logits
    assert np.abs(found[0] - found[1]).max() < 1e-9


def test_room_on_disk_has_no_name_and_goes_with_its_owner(tmp_path: Path) -> None:
    rows = room_in(tmp_path / "runs")(1000, 8)
    rows[:] = np.arange(8)
    assert (rows[999] == np.arange(8)).all()
    assert not [*(tmp_path / "runs").iterdir()]
    assert room_in(tmp_path)(0, 8).shape == (0, 8)


def test_a_disk_without_the_room_is_found_out_before_any_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(WeiboTuiError, match=r"There is no space left to write .*free some"):
        room_in(tmp_path)(10, 8)


@pytest.fixture
def deep(home: Path, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench with a base of four blocks."""
    with Workbench.open(home) as bench:
        models.add_base(bench, tmp_path / "from", n_layer=4)
        yield bench


def test_the_workbench_trains_with_and_without_kept_states(deep: Workbench, tmp_path: Path) -> None:
    plan = models.training_plan(tmp_path, "kept", posts=120, keep_states=True)
    plan = replace(plan, hyper=replace(plan.hyper, blocks="last2"))
    told = list(deep.train(plan))
    assert "keeping states" in {getattr(event, "stage", "") for event in told}
    assert deep.adapters.card("kept").blocks == (2, 3)
    assert {path.name for path in deep.paths.runs.glob("*/*")} == {"lock"}  # nothing is left of them


def test_states_that_every_block_changes_are_refused(deep: Workbench, tmp_path: Path) -> None:
    plan = models.training_plan(tmp_path, "kept", keep_states=True)
    with pytest.raises(UserInputError, match="give --blocks last4"):
        list(deep.train(plan))
    assert not deep.runs.list()
