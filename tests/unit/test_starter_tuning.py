"""Tuning of a base: labels are learned, an interrupted tuning continues exactly, predictions are shares."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch

from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.device import Compute
from weibo_tui.engine.pretraining import initialize_backbone
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.errors import WeiboTuiError
from weibo_tui.starter.recipe import tuning
from weibo_tui.starter.recipe.tuner import Targets, Tuner, TuningHyperparameters, TuningPosts, predict_targets

SHAPE = GPT2Config(layers=2, heads=2, width=32, positions=16, vocabulary=40, inner=64)
PADDING, MASK, PREFIX, SUFFIX, EMOTICON = 0, 1, 2, 3, 39
HYPER = TuningHyperparameters(epochs=2, batch_size=32, learning_rate=5e-3, mask=0.1)
COMPUTE = Compute(torch.device("cpu"), torch.float32, 256)


def encoded(rows: list[list[int]]) -> EncodedPosts:
    framed = [[PREFIX, *row, SUFFIX] for row in rows]
    lengths = np.array([len(row) for row in framed])
    starts = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
    counts = (lengths - 2).astype(np.int32)
    return EncodedPosts(np.concatenate(framed).astype(np.int32), starts, counts, counts)


def examples(number: int = 200, hidden: bool = False) -> TuningPosts:
    """Posts with ids below 20 are of label 0, those above of label 1; all end in an emoticon."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, number)
    words = [(random.integers(4, 20, random.integers(3, 8)) + 17 * label).tolist() for label in labels]
    targets = {"mood": np.eye(2, dtype=np.float32)[labels]}
    return TuningPosts(encoded([[*row, EMOTICON] for row in words]), encoded(words), np.full(number, hidden), targets)


def new_tuner(posts: TuningPosts, hyper: TuningHyperparameters = HYPER) -> Tuner:
    return Tuner(initialize_backbone(SHAPE, seed=0), posts, hyper, COMPUTE, PADDING, MASK)


def weights(tuner: Tuner) -> list[torch.Tensor]:
    return [p.detach().clone() for p in tuner.model.parameters()]


def same(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def predictions(tuner: Tuner, posts: EncodedPosts) -> Targets:
    return predict_targets(tuner.backbone, tuner.heads, posts, COMPUTE, PADDING)["mood"]


def test_tuning_learns_labels_and_predicts_shares() -> None:
    posts = examples()
    tuner = new_tuner(posts, replace(HYPER, epochs=8))
    losses = list(tuner.losses())
    assert len(losses) == 8 * tuner.steps_per_epoch == 56
    assert np.mean(losses[-7:]) < 0.3 * losses[0]
    shares = predictions(tuner, posts.emoticon_free)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert (shares.argmax(axis=1) == posts.targets["mood"].argmax(axis=1)).mean() > 0.95


def test_interrupted_tuning_continues_exactly() -> None:
    posts = examples()
    whole = new_tuner(posts)
    list(whole.losses())
    first, second = new_tuner(posts), new_tuner(posts)
    list(islice(first.losses(), 9))  # in the second epoch
    second.restore(first.state())
    assert len(list(second.losses())) == 5
    assert same(weights(second), weights(whole))


def test_emoticons_of_hidden_posts_are_never_read() -> None:
    posts = examples(64, hidden=True)
    other = replace(posts, encoded=encoded([[EMOTICON] * 5] * 64))
    results = []
    for one in (posts, other):
        tuner = new_tuner(one)
        list(tuner.losses())
        results.append(weights(tuner))
    assert same(*results)


def test_posts_without_a_label_add_nothing_to_the_loss() -> None:
    posts = examples(64)
    none = replace(posts, targets={"mood": np.zeros((64, 2), np.float32)})
    assert all(loss == 0 for loss in new_tuner(none).losses())
    half = np.where(np.arange(64)[:, None] < 32, posts.targets["mood"], 0)
    assert 0 < next(new_tuner(replace(posts, targets={"mood": half})).losses()) < next(new_tuner(posts).losses())


def test_tuning_stops_where_the_loss_is_not_a_number() -> None:
    tuner = new_tuner(examples(64))
    with torch.no_grad():
        tuner.backbone.wte.weight.fill_(float("nan"))
    with pytest.raises(WeiboTuiError, match="Lower the learning rate"):
        next(tuner.losses())


def test_killed_tuning_continues_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posts = examples(64)
    monkeypatch.setattr(tuning, "CHECKPOINT_STEPS", 1)
    whole = new_tuner(posts)
    list(whole.losses())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tuning, "torch", Stopping(after=3))
        tuning._run_or_resume(tmp_path / "tuning.pt", new_tuner(posts))
    for left in (1, 0):  # the second time nothing is left to do
        resumed = new_tuner(posts)
        resumed.restore(torch.load(tmp_path / "tuning.pt", weights_only=True))
        assert resumed.step == 4 - left
        tuning._run_or_resume(tmp_path / "tuning.pt", resumed)
        assert same(weights(resumed), weights(whole))


class Stopping:
    """torch, whose `save` raises KeyboardInterrupt after some calls."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __getattr__(self, name: str) -> object:
        return getattr(torch, name)

    def save(self, values: object, file: IO[bytes]) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        torch.save(values, file)
