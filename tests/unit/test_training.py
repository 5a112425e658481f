"""Adapter training: gradients, schedule, best epoch, and exact resume."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from typing import Any

import made_up
import models
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from engine_helpers import rows_of
from models import steps_of
from torch import Tensor

from weibo_tui.engine.batches import training_steps
from weibo_tui.engine.events import Evaluated, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.training import AdapterTrainer, Examples, Snapshot
from weibo_tui.errors import WeiboTuiError
from weibo_tui.progress import Progress

HYPER = Hyperparameters(epochs=2, batch_size=16, learning_rate=1e-2, bottleneck=8, max_length=32)
# Three of four posts are positive, so that class weights matter.
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
) -> AdapterTrainer:
    train = train or models.examples(POSTS, emoticon_free=hyper.emoticon_dropout > 0)
    held_out = models.examples(HELD_OUT)
    return models.trainer(backbone, hyper, train, held_out, blocks=blocks, micro_tokens=micro_tokens)


def first_gradients(training: AdapterTrainer) -> tuple[StepDone, dict[str, Tensor]]:
    """Return the first step and its gradients, which are clipped only if they exceed `clip`."""
    step = models.until(training.events(), StepDone)
    return step, {name: p.grad.clone() for name, p in training.adapter.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_gradient_does_not_depend_on_micro_batches(class_weights: str) -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    hyper = replace(HYPER, class_weights=class_weights, clip=1e3, accumulation=2)
    result = [first_gradients(make(backbone, hyper, micro_tokens=tokens)) for tokens in (10**6, 200, 1)]
    assert result[0][1].keys() == dict(make(backbone, hyper).adapter.named_parameters()).keys()

    # The same with a single batch and torch's loss.
    training = make(backbone, hyper)
    lengths = training.train.encoded.lengths
    posts = training_steps(lengths, 32, hyper.seed, 1)[0]
    rows = training.train.encoded.take(posts)
    ids, sizes = models.batch(rows_of(rows))
    weight = None
    if class_weights == "balanced":
        from sklearn.utils.class_weight import compute_class_weight

        shares = compute_class_weight("balanced", classes=np.arange(2), y=training.train.labels)
        assert shares[0] > shares[1]
        weight = torch.from_numpy(shares).float().double()
    loss = F.cross_entropy(
        training.adapter(backbone(ids, sizes, training.adapter)), torch.from_numpy(training.train.labels[posts]), weight
    )
    loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in training.adapter.parameters() if p.grad is not None])
    near = 1e-9 if weight is None else 1e-6  # class weights are float32
    for step, gradients in result:
        assert step.loss == pytest.approx(loss.item(), rel=near)
        assert step.gradient_norm == pytest.approx(norm.item(), rel=near)
        assert (step.posts, step.tokens) == (len(posts), int(lengths[posts].sum()))
        for name, parameter in training.adapter.named_parameters():
            assert parameter.grad is not None
            assert torch.allclose(gradients[name], parameter.grad, rtol=near, atol=near * 1e-3), name


def test_epoch_uses_every_post_once_and_loss_falls(backbone: GPT2) -> None:
    training = make(backbone, replace(HYPER, epochs=6))
    steps = steps_of(training.events())
    assert not training.adapter.training
    assert not backbone.training
    assert len(steps) == training.steps == 6 * -(-len(POSTS) // 16)
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))
    for epoch in range(1, 7):
        of_epoch = [step for step in steps if step.epoch == epoch]
        assert sum(step.posts for step in of_epoch) == len(POSTS)
        assert sum(step.tokens for step in of_epoch) == training.train.encoded.lengths.sum()
    assert np.mean([step.loss for step in steps[-5:]]) < 0.7 * np.mean([step.loss for step in steps[:5]])


@pytest.mark.parametrize("warmup", [0.25, 0.0, 1.0])
def test_learning_rate_is_linear_up_and_down(backbone: GPT2, warmup: float) -> None:
    training = make(backbone, replace(HYPER, warmup=warmup, batch_size=12), models.examples(POSTS[:84]))
    total = training.steps
    assert total == 14
    rates = []
    for step in range(total):
        training.state.step = step
        rates.append(training._learning_rate())
    peak = int(np.argmax(rates))
    assert max(rates) == pytest.approx(1e-2)
    assert min(rates) > 0
    assert peak == max(1, round(warmup * total)) - 1
    for part, sign in ((rates[: peak + 1], 1), (rates[peak:], -1)):
        assert np.allclose(np.diff(part, 2), 0, atol=1e-15)
        assert (sign * np.diff(part) > 0).all()


def inverted() -> Examples:
    """Return posts with inverted labels, so that training makes validation worse."""
    result = models.examples(made_up.posts(200, seed=5))
    return replace(result, labels=1 - result.labels)


def test_patience_stops_and_best_epoch_is_kept(backbone: GPT2) -> None:
    training = make(backbone, replace(HYPER, epochs=9, patience=2), inverted())
    evaluated, weights = [], {}
    for event in training.events():
        if isinstance(event, Evaluated):
            evaluated.append(event)
            weights[event.epoch] = copy.deepcopy(training.adapter.state_dict())
    f1 = [event.macro_f1 for event in evaluated if event.macro_f1 is not None]
    best = int(np.argmax(f1)) + 1
    assert training.state.best_epoch == best
    assert len(evaluated) == best + 2 < 9
    assert all(event.split == "validation" for event in evaluated)
    assert [event.best for event in evaluated] == [value > max(f1[:i], default=-1) for i, value in enumerate(f1)]
    assert models.same_bits(training.adapter.state_dict(), weights[best])
    assert not models.same_bits(training.adapter.state_dict(), weights[best + 2])


def test_first_of_equal_epochs_is_kept(backbone: GPT2) -> None:
    training = make(backbone, replace(HYPER, epochs=3, learning_rate=1e-7))
    f1 = [event.macro_f1 for event in training.events() if isinstance(event, Evaluated)]
    assert len(set(f1)) == 1
    assert training.state.best_epoch == 1


def test_validation_is_on_held_out_posts(backbone: GPT2) -> None:
    training = make(backbone, replace(HYPER, epochs=1))
    (evaluated,) = [event for event in training.events() if isinstance(event, Evaluated)]
    encoded = training.validation.encoded
    with torch.no_grad():
        batches = [models.batch([row]) for row in rows_of(encoded)]
        logits = [training.adapter(backbone(ids, lengths, training.adapter)) for ids, lengths in batches]
    truth = torch.from_numpy(training.validation.labels)
    assert evaluated.loss == pytest.approx(F.cross_entropy(torch.cat(logits), truth).item(), abs=1e-5)
    assert evaluated.accuracy == (torch.cat(logits).argmax(1) == truth).double().mean().item()


RANDOM = replace(HYPER, dropout=0.3, emoticon_dropout=0.5, batch_size=30, patience=5)


def through_a_file(snapshot: Snapshot) -> Snapshot:
    return Snapshot({name: t.clone() for name, t in snapshot.tensors.items()}, json.loads(json.dumps(snapshot.values)))


@pytest.mark.parametrize("validate_every", [0, 2])
def test_resume_from_any_event_gives_same_adapter(backbone: GPT2, validate_every: int) -> None:
    """Includes events between micro-batches and during validation, with both kinds of dropout."""
    hyper = replace(RANDOM, validate_every=validate_every)
    undisturbed = make(backbone, hyper, micro_tokens=300)
    kinds, snapshots = [], []
    losses = []
    for event in undisturbed.events():
        kinds.append(event.stage if isinstance(event, Progress) else type(event).__name__)
        snapshots.append(through_a_file(undisturbed.snapshot()))
        losses += [event.loss] if isinstance(event, StepDone) else []
    assert {"step", "validation", "StepDone", "Evaluated"} == set(kinds)
    assert kinds.count("step") > 2
    of_kind = {kind: [place for place, other in enumerate(kinds) if other == kind] for kind in kinds}
    for place in {places[index] for places in of_kind.values() for index in (0, len(places) // 2, -1)}:
        resumed = make(backbone, hyper, micro_tokens=300)
        resumed.restore(snapshots[place])
        rest = [step.loss for step in steps_of(resumed.events())]
        assert rest == losses[len(losses) - len(rest) :], kinds[place]
        assert models.same_bits(resumed.adapter.state_dict(), undisturbed.adapter.state_dict()), kinds[place]
        assert replace(resumed.state, seconds=0.0) == replace(undisturbed.state, seconds=0.0)


def test_validate_every_counts_steps_and_the_end(backbone: GPT2) -> None:
    training = make(backbone, replace(HYPER, epochs=2, validate_every=3))
    evaluated = [event for event in training.events() if isinstance(event, Evaluated)]
    assert [event.step for event in evaluated] == [*range(3, training.steps, 3), training.steps]
    assert evaluated[-1].epoch == 2
    assert [event.in_epoch for event in evaluated] == [event.step % training.steps_per_epoch > 0 for event in evaluated]
    stopped = make(backbone, replace(HYPER, epochs=9, validate_every=1, patience=2), inverted())
    f1 = [event.macro_f1 or 0.0 for event in stopped.events() if isinstance(event, Evaluated)]
    assert len(f1) == f1.index(max(f1)) + 3 < stopped.steps  # patience counts validations


def test_snapshots_of_older_versions_resume_the_same(backbone: GPT2) -> None:
    hyper = replace(RANDOM, epochs=9, patience=2)
    undisturbed = make(backbone, hyper)
    snapshots = []
    for event in undisturbed.events():
        if isinstance(event, StepDone | Progress):
            snapshots.append(through_a_file(undisturbed.snapshot()))
    for snapshot in snapshots[:: len(snapshots) // 6]:
        for added in ("stale", "validated"):
            del snapshot.values[added]
        resumed = make(backbone, hyper)
        resumed.restore(snapshot)
        list(resumed.events())
        assert models.same_bits(resumed.adapter.state_dict(), undisturbed.adapter.state_dict())
        assert resumed.state.step == undisturbed.state.step


def test_dropout_changes_training(backbone: GPT2) -> None:
    plain = steps_of(make(backbone, replace(RANDOM, epochs=1, dropout=0.0, emoticon_dropout=0.0)).events())
    dropped = steps_of(make(backbone, replace(RANDOM, epochs=1, emoticon_dropout=0.0)).events())
    assert [step.tokens for step in plain] == [step.tokens for step in dropped]
    assert [step.loss for step in plain] != [step.loss for step in dropped]


def test_emoticon_dropout_draws_its_share_each_epoch(backbone: GPT2) -> None:
    examples = models.examples(POSTS, emoticon_free=True)
    assert examples.emoticon_free is not None

    def tokens(share: float) -> list[int]:
        training = make(backbone, replace(HYPER, emoticon_dropout=share), examples)
        return [int(training._variants.lengths_of(training._epoch_variants(epoch)).sum()) for epoch in (1, 2, 3)]

    most, least = int(examples.encoded.lengths.sum()), int(examples.emoticon_free.lengths.sum())
    assert least < most
    assert tokens(1.0) == [least] * 3
    half = tokens(0.5)
    assert len(set(half)) > 1
    assert all(least + 0.2 * (most - least) < count < most - 0.2 * (most - least) for count in half)


def test_nan_loss_ends_training_with_last_good_weights() -> None:
    backbone = models.backbone_of(models.reference())
    hyper = replace(HYPER, batch_size=10)
    train = models.examples(POSTS[:60])
    third = training_steps(train.encoded.lengths, 10, hyper.seed, 1)[2]
    poison = models.TOKENS.index("[MASK]")  # a token that no post has so far
    assert poison not in train.encoded.ids
    train.encoded.ids[train.encoded.starts[third[0]] + 1] = poison
    backbone.wte.weight.data[poison] = float("inf")
    training = make(backbone, hyper, train)
    good: dict[str, Any] = {}
    with pytest.raises(WeiboTuiError, match=r"Loss became NaN at step 3\. .*--learning-rate below 0.01"):
        for event in training.events():
            if isinstance(event, StepDone):
                good = copy.deepcopy(training.adapter.state_dict())
    assert training.state.step == 2
    assert models.same_bits(training.adapter.state_dict(), good)
    assert all(tensor.isfinite().all() for tensor in training.snapshot().tensors.values())


@pytest.mark.parametrize(("blocks", "first"), [((2,), 2), ((1, 3), 1), ((0,), 0)])
def test_backward_stops_at_first_adapter(blocks: tuple[int, ...], first: int) -> None:
    backbone = models.backbone_of(models.reference(n_layer=4))
    needed: dict[int, bool] = {}
    for index, block in enumerate(backbone.blocks):
        block.register_forward_hook(lambda _module, _given, out, index=index: needed.update({index: out.requires_grad}))
    training = make(backbone, replace(HYPER, epochs=1), blocks=blocks)
    models.until(training.events(), StepDone)
    assert needed == {index: index > first for index in range(3)}  # the last block is computed by another method
    assert all(parameter.grad is not None for parameter in training.adapter.parameters())
    assert training.adapter.state_dict().keys() == {
        "head.weight",
        *(f"blocks.{i}.{side}.{kind}" for i in blocks for side in ("down", "up") for kind in ("weight", "bias")),
    }


def test_epoch_with_infinite_output_is_not_best(backbone: GPT2) -> None:
    training = make(backbone)
    with torch.no_grad():
        training.adapter.head.weight.fill_(3e38)
    (evaluated,) = [event for event in training._validate() if isinstance(event, Evaluated)]
    assert not evaluated.best
    assert math.isnan(evaluated.loss)
    assert training.state.best_epoch == 0
