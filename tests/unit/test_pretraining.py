"""Pretraining: its loss and gradients, sampled softmax, hidden emoticons, and exact resume."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import made_up
import models
import numpy as np
import pytest
import torch
from engine_helpers import rows_of
from models import steps_of

from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.events import BatchHalved, Evaluated, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import PretrainingHyperparameters
from weibo_tui.engine.packing import Windows, drop_tokens, pack
from weibo_tui.engine.pretraining import PACK_SIZE, Pretrainer, initialize_backbone
from weibo_tui.engine.pretraining_loss import COMMON_SHARE
from weibo_tui.engine.training import Snapshot
from weibo_tui.engine.vocabulary import emoticon_mask
from weibo_tui.errors import WeiboTuiError
from weibo_tui.text.emoticons import without_emoticons

HYPER = PretrainingHyperparameters(tokens=3_000, context=16, batch_size=8, learning_rate=3e-3)
CONFIG = GPT2Config(layers=1, heads=2, width=16, positions=32, vocabulary=len(models.TOKENS), inner=64)
CORPUS = [text for text, _label in made_up.posts(200, seed=1)]
PLAIN = [(without_emoticons(text), label) for text, label in made_up.posts(300, seed=2)]
EMOTICONS = emoticon_mask({token: index for index, token in enumerate(models.TOKENS)})


def make(
    hyper: PretrainingHyperparameters = HYPER,
    posts: list[str] = CORPUS,
    backbone: GPT2 | None = None,
    micro_tokens: int = 2048,
) -> Pretrainer:
    encode = models.tokenizer().encode
    return Pretrainer(
        backbone or initialize_backbone(CONFIG, hyper.seed),
        encode(posts, 32),
        encode(CORPUS[:20], 32),
        EMOTICONS,
        hyper,
        models.compute(micro_tokens=micro_tokens),
    )


def pieces(windows: Windows) -> Iterator[tuple[int, list[int], bool]]:
    """Yield the index of each post in each window, its ids there, and whether it ends before the window."""
    for ids, posts in zip(windows.ids, windows.posts, strict=True):
        for post in np.unique(posts).tolist():
            yield post, ids[posts == post].tolist(), post != posts[-1]


def log_probabilities(backbone: GPT2, ids: list[int]) -> torch.Tensor:
    """Return the log probabilities of the token after each of `ids`, (ids, vocabulary)."""
    return (backbone.hidden_states(torch.tensor([ids]))[0] @ backbone.wte.weight.T).log_softmax(-1)


def next_token_loss(backbone: GPT2, windows: Windows) -> torch.Tensor:
    """Return the mean over all tokens that follow one of their own post, each post computed alone."""
    log_p = [
        log_probabilities(backbone, ids[:-1])[range(len(ids) - 1), ids[1:]] for _post, ids, _ended in pieces(windows)
    ]
    return -torch.cat(log_p).mean()


def recall_loss(backbone: GPT2, windows: Windows, posts: list[list[int]]) -> torch.Tensor:
    """Return the mean bag-of-words loss of the posts that end: half for emoticons, rarer tokens weigh more."""
    seen = Counter(index for post in posts for index in post)

    def weight(index: int) -> float:
        return COMMON_SHARE / (COMMON_SHARE + seen[index] / seen.total())

    losses = []
    for post, ids, ended in pieces(windows):
        body = posts[post][1:-1]
        kinds = [kind for kind in ([i for i in body if EMOTICONS[i]], [i for i in body if not EMOTICONS[i]]) if kind]
        if ended:
            log_p = log_probabilities(backbone, ids)[-1]
            means = [torch.stack([weight(i) * log_p[i] for i in kind]).sum() / sum(map(weight, kind)) for kind in kinds]
            losses.append(-torch.stack(means).mean())
    return torch.stack(losses).mean()


def test_loss_falls_and_equals_next_token_loss() -> None:
    pretraining = make(replace(HYPER, tokens=15_000))
    events = list(pretraining.events())
    steps = steps_of(iter(events))
    assert steps[0].loss == pytest.approx(np.log(len(models.TOKENS)), abs=0.1)
    assert np.mean([step.loss for step in steps[-5:]]) < 0.75 * steps[0].loss
    assert len(steps) == pretraining.steps == -(-15_000 // (8 * 16))
    assert sum(step.tokens for step in steps) == pretraining.state.tokens
    (evaluated,) = [event for event in events if isinstance(event, Evaluated)]
    with torch.no_grad():
        loss = next_token_loss(pretraining.backbone, pack(pretraining.validation, 16))
    assert evaluated.loss == pytest.approx(loss.item(), abs=1e-4)


@pytest.mark.parametrize("recall", [0.0, 0.7])
def test_gradient_equals_reference_losses(recall: float) -> None:
    model = models.reference()
    start = GPT2.load(models.config_of(model), models.weights_of(model))
    pretraining = make(replace(HYPER, recall=recall), backbone=start, micro_tokens=64)
    posts = pretraining.train
    windows = pack(drop_tokens(posts, EMOTICONS, np.arange(len(posts)) % 2 == 0), 40).take(slice(6))
    loss = pretraining._loss.backward(posts, windows, np.random.default_rng(0))
    result = {name: parameter.grad for name, parameter in pretraining.backbone.named_parameters()}

    backbone = copy.deepcopy(pretraining.backbone).double()
    backbone.zero_grad()
    rows = rows_of(posts)
    assert any(ended and ids != rows[post] for post, ids, ended in pieces(windows))  # something was hidden
    expected = next_token_loss(backbone, windows)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    (expected + recall * recall_loss(backbone, windows, rows)).backward()
    for name, parameter in backbone.named_parameters():
        gradient = result[name]
        assert gradient is not None
        assert parameter.grad is not None
        assert (gradient - parameter.grad).norm() < 1e-4 * parameter.grad.norm(), name


def test_bag_of_words_gives_emoticons_half() -> None:
    pretraining = make()
    posts = models.tokenizer().encode(["今天的面真好吃[哈哈][泪]", "[哈哈]", "今天的面", ""], 32)
    rows, ids, shares = pretraining._loss._bags_of_words(posts, np.array([3, 1, 0, 2]))
    requested = {
        row: dict(zip(ids[rows == row].tolist(), shares[rows == row].tolist(), strict=True)) for row in range(4)
    }
    laughing, crying, *_others = np.flatnonzero(EMOTICONS).tolist()
    assert requested[0] == {}
    assert requested[1] == {laughing: pytest.approx(1)}
    assert requested[2].keys() == set(posts.ids[1 : posts.starts[1] - 1].tolist())
    assert requested[2][laughing] + requested[2][crying] == pytest.approx(0.5)
    for row in (1, 2, 3):
        assert sum(requested[row].values()) == pytest.approx(1)
    letters = models.TOKENS
    assert requested[3][letters.index("面")] > requested[3][letters.index("的")]  # it is rarer


def test_hidden_emoticons_are_predicted_at_suffix() -> None:
    hyper = replace(HYPER, tokens=60_000, context=64, batch_size=4, recall=1.0, hide=1.0, learning_rate=1e-2)
    pretraining = make(hyper, [f"{text}{'[哈哈]' if label else '[泪]'}" for text, label in PLAIN])
    list(pretraining.events())
    emoticons = [models.TOKENS.index(emoticon) for emoticon in ("[泪]", "[哈哈]")]
    right = []
    for text, label in PLAIN[:40]:
        ids = models.tokenizer().encode([text], 32).ids.tolist()
        with torch.no_grad():
            probabilities = log_probabilities(pretraining.backbone, ids)[-1].exp()[emoticons]
        right.append(probabilities.argmax().item() == label and probabilities.sum().item() > 0.3)
    assert np.mean(right) > 0.9


def test_negatives_represent_rest_of_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, random = make()._loss, np.random.default_rng(0)
    size, targets = len(models.TOKENS), np.array([7, 3, 50, 3])
    everything, gain = objective._sample_vocabulary(targets, random)
    assert sorted(everything.tolist()) == list(range(size))
    assert not gain.any()

    monkeypatch.setattr("weibo_tui.engine.pretraining_loss.NUM_NEGATIVES", 20)
    monkeypatch.setattr("weibo_tui.engine.pretraining_loss.SIZE_STEP", 1)
    logits = torch.randn(size, generator=torch.Generator().manual_seed(0))
    sums, draws = [], set()
    for _draw in range(300):
        ids, gain = objective._sample_vocabulary(targets, random)
        assert {3, 7, 50} <= set(ids.tolist())
        assert len(set(ids.tolist())) == len(ids) == 3 + 20
        assert not gain[np.isin(ids, targets)].any()
        sums.append((logits[ids] + gain).exp().sum().item())
        draws.add(tuple(ids.tolist()))
    assert np.mean(sums) == pytest.approx(logits.exp().sum().item(), rel=0.03)
    assert len(draws) == 300


def test_optimizers_muon_for_matrices_adamw_for_rest() -> None:
    pretraining = make()
    next(pretraining.events())
    kept = {name for name in pretraining.snapshot().tensors if name.startswith("optimizer.")}
    for name, parameter in pretraining.backbone.named_parameters():
        of_muon = name.startswith("blocks.") and parameter.dim() == 2
        keys = ["momentum_buffer"] if of_muon else ["exp_avg", "exp_avg_sq", "step"]
        assert sorted(key for key in kept if key.endswith(f".{name}")) == [f"optimizer.{key}.{name}" for key in keys]


def test_initialization_is_gpt2s_and_all_weights_train() -> None:
    pretraining = make()
    start = copy.deepcopy(pretraining.backbone.state_dict())
    assert models.same_bits(start, initialize_backbone(CONFIG, 0).state_dict())
    assert not models.same_bits(start, initialize_backbone(CONFIG, 1).state_dict())
    spreads = {name: tensor.std().item() for name, tensor in start.items() if tensor.dim() == 2}
    for name, spread in spreads.items():
        expected = 0.02 / 2**0.5 if "_out." in name else 0.02
        assert spread == pytest.approx(expected, rel=0.15), name
    list(pretraining.events())
    after = pretraining.backbone.state_dict()
    assert [name for name in start if torch.equal(start[name], after[name])] == []


def test_learning_rate_warms_up_then_follows_cosine() -> None:
    rates = [step.learning_rate for step in steps_of(make(replace(HYPER, warmup=0.2)).events())]
    peak = int(np.argmax(rates))
    assert max(rates) == pytest.approx(3e-3, rel=0.02)
    assert 0.1 * len(rates) < peak < 0.3 * len(rates)
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert rates[-1] == pytest.approx(3e-4, rel=0.1)


def test_resume_from_any_step_gives_same_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Includes the last step of a pack and of an epoch."""
    assert PACK_SIZE > 1000
    monkeypatch.setattr("weibo_tui.engine.pretraining.PACK_SIZE", 60)
    undisturbed = make(replace(HYPER, tokens=4_000))
    snapshots, places, losses = [], [], []
    for event in undisturbed.events():
        snapshot = undisturbed.snapshot()
        snapshots.append(Snapshot(dict(snapshot.tensors), json.loads(json.dumps(snapshot.values))))
        places.append((undisturbed.state.epoch, undisturbed.state.pack))
        losses += [event.loss] if isinstance(event, StepDone) else []
    assert {epoch for epoch, _pack in places} >= {1, 2}
    assert {number for _epoch, number in places} >= {0, 1, 2}
    turns = [at for at in range(len(places) - 1) if places[at] != places[at + 1]]
    for at in {0, turns[0], turns[0] + 1, turns[-1], len(losses) - 1, len(snapshots) - 1}:
        resumed = make(replace(HYPER, tokens=4_000))
        resumed.restore(snapshots[at])
        rest = [step.loss for step in steps_of(resumed.events())]
        assert rest == losses[len(losses) - len(rest) :]
        assert len(rest) == len(losses) - min(at + 1, len(losses))
        assert models.same_bits(resumed.backbone.state_dict(), undisturbed.backbone.state_dict()), places[at]
        assert resumed.state.loss == undisturbed.state.loss


def test_minutes_limit_pretraining() -> None:
    pretraining = make(replace(HYPER, tokens=0, minutes=0.001))
    steps = steps_of(pretraining.events())
    assert pretraining.steps == 0
    assert 0.06 <= pretraining.state.seconds < 0.06 + max(step.seconds for step in steps) + 1e-9


def test_corpus_too_small_is_refused() -> None:
    for posts in (CORPUS[:3], []):
        with pytest.raises(WeiboTuiError, match="does not fill one batch of 8 windows of 16 tokens"):
            list(make(posts=posts).events())


def test_nan_loss_ends_pretraining() -> None:
    pretraining = make()
    pretraining.backbone.ln_f.bias.data.fill_(float("nan"))
    with pytest.raises(WeiboTuiError, match=r"Loss became NaN at step 1\. .*--learning-rate below"):
        list(pretraining.events())
    assert pretraining.state.step == 0


def test_pretraining_out_of_memory_computes_steps_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = steps_of(make().events())
    pretraining = make()
    successful = forbid_more_windows(pretraining, 3, monkeypatch)
    events = list(pretraining.events())
    halvings = [event for event in events if isinstance(event, BatchHalved)]
    assert [(event.step, event.tokens) for event in halvings] == [(1, 4 * 16), (1, 2 * 16)]
    steps = steps_of(iter(events))
    assert [(step.posts, step.tokens) for step in steps] == [(step.posts, step.tokens) for step in expected]
    assert [step.loss for step in steps] == pytest.approx([step.loss for step in expected], rel=1e-5)
    assert max(successful) == 2  # in the validation too, which has three windows
    resumed = make()
    resumed.restore(pretraining.snapshot())
    assert resumed.state.parts == 4


def test_memory_too_small_for_one_window_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pretraining = make()
    forbid_more_windows(pretraining, 0, monkeypatch)
    with pytest.raises(WeiboTuiError, match="Out of memory on cpu for one window of 16 tokens"):
        list(pretraining.events())
    assert pretraining.state.step == 0


def forbid_more_windows(pretraining: Pretrainer, number: int, patch: pytest.MonkeyPatch) -> list[int]:
    """Let the backbone run out of memory for more windows than `number`; return those of successful passes."""
    hidden_states = pretraining.backbone.hidden_states
    successful: list[int] = []

    def limited(ids: torch.Tensor, *others: Any) -> torch.Tensor:
        if len(ids) > number:
            raise torch.OutOfMemoryError
        successful.append(len(ids))
        return hidden_states(ids, *others)

    patch.setattr(pretraining.backbone, "hidden_states", limited)
    return successful
