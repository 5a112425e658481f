"""The training loop: its gradients, its schedule, its best epoch, its exact resume."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import made_up
import models
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.batches import training_steps
from weibo_tui.engine.events import Evaluated, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.training import AdapterTrainer, Examples, Snapshot
from weibo_tui.errors import WeiboTuiError
from weibo_tui.progress import Progress

HYPER = Hyperparameters(epochs=2, batch_size=16, learning_rate=1e-2, bottleneck=8, max_length=32)
# Three of four are positive, so that weighing the labels makes a difference.
POSTS = [pair for place, pair in enumerate(made_up.posts(120, seed=5)) if pair[1] or place % 3 == 0]
HELD_OUT = made_up.posts(30, seed=8)


@pytest.fixture(scope="module")
def backbone() -> GPT2:
    return models.backbone_of(models.reference())


def make(
    backbone: GPT2,
    hyper: Hyperparameters = HYPER,
    train: Examples | None = None,
    *,
    micro_tokens: int = 2048,
    blocks: tuple[int, ...] = (0, 1),
    dtype: torch.dtype = torch.float32,
) -> AdapterTrainer:
    config = AdapterConfig(backbone.config.width, blocks, 2, hyper.bottleneck, dropout=hyper.dropout)
    return AdapterTrainer(
        backbone,
        Adapter.initialize(config, hyper.seed).to(dtype),
        train or models.examples(POSTS, emoticon_free=hyper.emoticon_dropout > 0),
        models.examples(HELD_OUT),
        hyper,
        models.compute(dtype, micro_tokens),
        padding=0,
    )


def steps_of(events: Iterator[object]) -> list[StepDone]:
    return [event for event in events if isinstance(event, StepDone)]


def first_gradients(training: AdapterTrainer) -> tuple[StepDone, dict[str, Tensor]]:
    """The first step, and the gradients it was made with (not clipped, where `clip` is out of reach)."""
    step = models.until(training.events(), StepDone)
    return step, {name: p.grad.clone() for name, p in training.adapter.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_gradient_is_that_of_the_whole_step_however_it_is_cut(class_weights: str) -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    hyper = replace(HYPER, class_weights=class_weights, clip=1e3, accumulation=2)
    found = [
        first_gradients(make(backbone, hyper, dtype=torch.float64, micro_tokens=tokens)) for tokens in (10**6, 200, 1)
    ]
    assert found[0][1].keys() == dict(make(backbone, hyper).adapter.named_parameters()).keys()

    # The same by hand: one batch, and the loss that torch knows.
    training = make(backbone, hyper, dtype=torch.float64)
    lengths = training.train.encoded.lengths
    posts = training_steps(lengths, 32, hyper.seed, 1)[0]
    rows = training.train.encoded.take(posts)
    ids, sizes = models.batch([rows.ids[a:b].tolist() for a, b in zip(rows.starts[:-1], rows.starts[1:], strict=True)])
    weight = None
    if class_weights == "balanced":
        shares = compute_class_weight("balanced", classes=np.arange(2), y=training.train.labels)
        assert shares[0] > shares[1]
        weight = torch.from_numpy(shares).float().double()
    loss = F.cross_entropy(
        training.adapter(backbone(ids, sizes, training.adapter)), torch.from_numpy(training.train.labels[posts]), weight
    )
    loss.backward()
    norm = (
        torch.stack([p.grad.square().sum() for p in training.adapter.parameters() if p.grad is not None]).sum().sqrt()
    )
    near = 1e-9 if weight is None else 1e-6  # the weights of labels are float32
    for step, gradients in found:
        assert step.loss == pytest.approx(loss.item(), rel=near)
        assert step.gradient_norm == pytest.approx(norm.item(), rel=near)
        assert (step.posts, step.tokens) == (len(posts), int(lengths[posts].sum()))
        for name, parameter in training.adapter.named_parameters():
            assert parameter.grad is not None
            assert torch.allclose(gradients[name], parameter.grad, rtol=near, atol=near * 1e-3), name


def test_accumulation_makes_one_step_of_several_batches(backbone: GPT2) -> None:
    one = make(backbone, replace(HYPER, batch_size=32))
    two = make(backbone, replace(HYPER, batch_size=8, accumulation=4))
    assert [step.loss for step in steps_of(one.events())] == [step.loss for step in steps_of(two.events())]
    assert models.same_bits(one.adapter.state_dict(), two.adapter.state_dict())


def test_every_post_is_seen_once_an_epoch_and_the_loss_falls(backbone: GPT2) -> None:
    training = make(backbone, replace(HYPER, epochs=8))
    steps = steps_of(training.events())
    assert len(steps) == training.steps == 8 * -(-len(POSTS) // 16)
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))
    for epoch in range(1, 9):
        of_epoch = [step for step in steps if step.epoch == epoch]
        assert sum(step.posts for step in of_epoch) == len(POSTS)
        assert sum(step.tokens for step in of_epoch) == training.train.encoded.lengths.sum()
    assert np.mean([step.loss for step in steps[-5:]]) < 0.6 * np.mean([step.loss for step in steps[:5]])


@pytest.mark.parametrize(("warmup", "rising"), [(0.25, 4), (0.0, 1), (1.0, 16)])
def test_rate_rises_and_falls_in_straight_lines(backbone: GPT2, warmup: float, rising: int) -> None:
    hyper = replace(HYPER, warmup=warmup, batch_size=12)
    rates = np.array(
        [step.learning_rate for step in steps_of(make(backbone, hyper, models.examples(POSTS[:84])).events())]
    )
    total = len(rates)
    assert total == 14
    rising = min(rising, total)
    peak = int(rates.argmax())
    assert rates.max() == pytest.approx(1e-2)
    assert rates.min() > 0
    assert peak == max(1, round(warmup * total)) - 1
    assert np.allclose(np.diff(rates[: peak + 1], 2), 0, atol=1e-15)
    assert np.allclose(np.diff(rates[peak:], 2), 0, atol=1e-15)
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()


def turned_round() -> Examples:
    """Posts with the wrong labels: what is learnt from them makes validation worse."""
    found = models.examples(made_up.posts(200, seed=5))
    return replace(found, labels=1 - found.labels)


def test_training_stops_when_patience_is_out_and_keeps_the_best_epoch(backbone: GPT2) -> None:
    training = make(backbone, replace(HYPER, epochs=9, patience=2), turned_round())
    evaluated = [event for event in training.events() if isinstance(event, Evaluated)]
    f1 = [event.macro_f1 for event in evaluated if event.macro_f1 is not None]
    best = int(np.argmax(f1)) + 1
    assert training.state.best_epoch == best
    assert len(evaluated) == best + 2 < 9
    assert [event.best for event in evaluated] == [
        value > max(f1[:place], default=-1) for place, value in enumerate(f1)
    ]
    patient = make(backbone, replace(HYPER, epochs=9), turned_round())
    assert sum(isinstance(event, Evaluated) for event in patient.events()) == 9


def test_of_equal_epochs_the_first_is_kept(backbone: GPT2) -> None:
    training = make(backbone, replace(HYPER, epochs=3, learning_rate=1e-7))
    f1 = [event.macro_f1 for event in training.events() if isinstance(event, Evaluated)]
    assert len(set(f1)) == 1
    assert training.state.best_epoch == 1


def test_validation_is_of_the_held_out_posts(backbone: GPT2) -> None:
    training = make(backbone, replace(HYPER, epochs=1))
    (evaluated,) = [event for event in training.events() if isinstance(event, Evaluated)]
    encoded = training.validation.encoded
    logits = []
    with torch.no_grad():
        for place in range(len(encoded)):
            row = encoded.ids[encoded.starts[place] : encoded.starts[place + 1]].tolist()
            ids, lengths = models.batch([row])
            logits.append(training.adapter(backbone(ids, lengths, training.adapter)))
    truth = torch.from_numpy(training.validation.labels)
    assert evaluated.loss == pytest.approx(F.cross_entropy(torch.cat(logits), truth).item(), abs=1e-5)
    assert evaluated.accuracy == (torch.cat(logits).argmax(1) == truth).double().mean().item()


RANDOM = replace(HYPER, dropout=0.3, emoticon_dropout=0.5, batch_size=30, patience=5)


def through_a_file(snapshot: Snapshot) -> Snapshot:
    return Snapshot({name: t.clone() for name, t in snapshot.tensors.items()}, json.loads(json.dumps(snapshot.values)))


def test_snapshot_between_any_two_events_leads_to_the_same_adapter(backbone: GPT2) -> None:
    """Also between micro-batches and amid validation, with dropout and emoticon dropout."""
    undisturbed = make(backbone, RANDOM, micro_tokens=300)
    kinds, snapshots = [], []
    losses = []
    for event in undisturbed.events():
        kinds.append(event.stage if isinstance(event, Progress) else type(event).__name__)
        snapshots.append(through_a_file(undisturbed.snapshot()))
        losses += [event.loss] if isinstance(event, StepDone) else []
    assert {"step", "validation", "StepDone", "Evaluated"} == set(kinds)
    assert kinds.count("step") > 2
    # Each kind of place, at its first, a middle, and its last.
    places = {places[at] for kind in set(kinds) for places in [[i for i, k in enumerate(kinds) if k == kind]]
              for at in (0, len(places) // 2, -1)}  # fmt: skip
    for place in places:
        resumed = make(backbone, RANDOM, micro_tokens=300)
        resumed.restore(snapshots[place])
        rest = [step.loss for step in steps_of(resumed.events())]
        assert rest == losses[len(losses) - len(rest) :], kinds[place]
        assert models.same_bits(resumed.adapter.state_dict(), undisturbed.adapter.state_dict()), kinds[place]
        assert (resumed.state.best_epoch, resumed.state.best_f1) == (
            undisturbed.state.best_epoch,
            undisturbed.state.best_f1,
        )


def test_dropout_and_emoticon_dropout_change_the_training(backbone: GPT2) -> None:
    plain = steps_of(make(backbone, replace(RANDOM, dropout=0.0, emoticon_dropout=0.0)).events())
    dropped = steps_of(make(backbone, replace(RANDOM, emoticon_dropout=0.0)).events())
    assert [step.tokens for step in plain] == [step.tokens for step in dropped]
    assert [step.loss for step in plain] != [step.loss for step in dropped]


def test_emoticon_dropout_shows_its_share_of_posts_without_emoticons_drawn_anew(backbone: GPT2) -> None:
    def tokens(share: float) -> list[int]:
        training = make(
            backbone, replace(HYPER, emoticon_dropout=share, epochs=3), models.examples(POSTS, emoticon_free=True)
        )
        steps = steps_of(training.events())
        return [sum(step.tokens for step in steps if step.epoch == epoch) for epoch in (1, 2, 3)]

    examples = models.examples(POSTS, emoticon_free=True)
    assert examples.emoticon_free is not None
    whole, without = int(examples.encoded.lengths.sum()), int(examples.emoticon_free.lengths.sum())
    assert without < whole
    assert tokens(1.0) == [without] * 3
    half = tokens(0.5)
    assert len(set(half)) > 1
    assert all(without + 0.2 * (whole - without) < one < whole - 0.2 * (whole - without) for one in half)


def test_loss_that_is_no_number_ends_training_with_the_weights_of_the_last_good_step() -> None:
    backbone = models.backbone_of(models.reference())
    hyper = replace(HYPER, batch_size=10)
    train = models.examples(POSTS[:60])
    third = training_steps(train.encoded.lengths, 10, hyper.seed, 1)[2]
    poison = models.TOKENS.index("[MASK]")  # a token that no post has, but one from now on
    assert poison not in train.encoded.ids
    train.encoded.ids[train.encoded.starts[third[0]] + 1] = poison
    backbone.wte.weight.data[poison] = float("inf")
    training = make(backbone, hyper, train)
    good: dict[str, Any] = {}
    with pytest.raises(WeiboTuiError, match="no longer a number at step 3: .*--learning-rate than 0.01"):
        for event in training.events():
            if isinstance(event, StepDone):
                good = copy.deepcopy(training.adapter.state_dict())
    assert training.state.step == 2
    assert models.same_bits(training.adapter.state_dict(), good)
    assert all(tensor.isfinite().all() for tensor in training.snapshot().tensors.values())


@pytest.mark.parametrize(("blocks", "first"), [((2,), 2), ((1, 3), 1), ((0,), 0)])
def test_no_backward_pass_goes_below_the_first_adapter(blocks: tuple[int, ...], first: int) -> None:
    backbone = models.backbone_of(models.reference(n_layer=4))
    needed: dict[int, bool] = {}
    for index, block in enumerate(backbone.blocks):
        block.register_forward_hook(lambda _module, _given, out, index=index: needed.update({index: out.requires_grad}))
    training = make(backbone, replace(HYPER, epochs=1), blocks=blocks)
    models.until(training.events(), StepDone)
    assert needed == {index: index > first for index in range(3)}  # the last block has a way of its own
    assert all(parameter.grad is not None for parameter in training.adapter.parameters())
    assert training.adapter.state_dict().keys() == {
        "head.weight",
        *(f"blocks.{i}.{side}.{kind}" for i in blocks for side in ("down", "up") for kind in ("weight", "bias")),
    }


def test_adapter_is_ready_for_use_when_training_ends(backbone: GPT2) -> None:
    training = make(backbone, replace(RANDOM, epochs=1))
    modes = [training.adapter.training for event in training.events() if isinstance(event, StepDone)]
    assert all(modes)
    assert not training.adapter.training
    assert not backbone.training


def test_epoch_with_infinite_output_is_not_the_best(backbone: GPT2) -> None:
    training = make(backbone)
    with torch.no_grad():
        training.adapter.head.weight.fill_(3e38)
    (evaluated,) = [event for event in training._validate() if isinstance(event, Evaluated)]
    assert not evaluated.best
    assert math.isnan(evaluated.loss)
    assert training.state.best_epoch == 0
