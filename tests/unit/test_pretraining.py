"""A small base from plain text: vocabulary, windows, a falling loss, an exact resume."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import models
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from weibo_tui.engine.events import Evaluated, StepDone
from weibo_tui.engine.gpt2 import GPT2, GPT2Config
from weibo_tui.engine.hyperparameters import PretrainingRecipe
from weibo_tui.engine.pretraining import POSTS_PACKED, Pretraining, fresh_trunk, pack
from weibo_tui.engine.tokenizer import PostTokenizer
from weibo_tui.engine.training import Snapshot
from weibo_tui.engine.vocabulary import (
    LEAST_EMOTICON,
    LEAST_SEEN,
    SPECIAL,
    VocabularyCounts,
    bert_frame,
    build_tokenizer,
)
from weibo_tui.errors import WeiboTuiError
from weibo_tui.workbench import PretrainingPlan, Workbench

RECIPE = PretrainingRecipe(tokens=3_000, context=16, batch_size=8, learning_rate=3e-3)
CONFIG = GPT2Config(layers=1, heads=2, width=16, positions=32, vocabulary=len(models.TOKENS), inner=64)
CORPUS = [text for text, _label in made_up.posts(200, seed=1)]


def make(recipe: PretrainingRecipe = RECIPE, posts: list[str] = CORPUS) -> Pretraining:
    encode = models.tokenizer().encode
    return Pretraining(
        fresh_trunk(CONFIG, recipe.seed), encode(posts, 32), encode(CORPUS[:20], 32), recipe, models.compute()
    )


def steps_of(events: Iterator[object]) -> list[StepDone]:
    return [event for event in events if isinstance(event, StepDone)]


ROWS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=9), max_size=40)


@given(ROWS, st.integers(1, 20), st.randoms())
def test_windows_begin_with_a_post_and_hold_posts_end_to_end(
    rows: list[list[int]], context: int, shuffle: random.Random
) -> None:
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    windows = pack(models.encoded(rows), np.array(order, np.int64), context)
    assert windows.shape[1:] == (context + 1,)
    waiting = iter(order)
    for window in windows.tolist():
        text: list[int] = []
        while len(text) <= context:
            text += rows[next(waiting)]
        assert window == text[: context + 1]
    assert sum(len(rows[index]) for index in waiting) <= context  # too little for one more


def test_loss_falls_from_that_of_a_guess_and_is_the_next_tokens() -> None:
    pretraining = make(replace(RECIPE, tokens=40_000))
    events = list(pretraining.events())
    steps = steps_of(iter(events))
    assert steps[0].loss == pytest.approx(np.log(len(models.TOKENS)), abs=0.1)
    assert np.mean([step.loss for step in steps[-5:]]) < 0.6 * steps[0].loss
    assert len(steps) == pretraining.steps == -(-40_000 // (8 * 16))
    assert sum(step.tokens for step in steps) == pretraining.at.tokens
    (evaluated,) = [event for event in events if isinstance(event, Evaluated)]
    windows = torch.from_numpy(pack(pretraining.validation, np.arange(20), 16))
    with torch.no_grad():
        logits = pretraining.trunk.states(windows[:, :-1]) @ pretraining.trunk.wte.weight.T
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
    assert evaluated.loss == pytest.approx(loss.item(), abs=1e-4)


def test_every_weight_is_trained_and_the_start_is_gpt2s_and_a_function_of_the_seed() -> None:
    pretraining = make()
    start = copy.deepcopy(pretraining.trunk.state_dict())
    assert models.same_bits(start, fresh_trunk(CONFIG, 0).state_dict())
    assert not models.same_bits(start, fresh_trunk(CONFIG, 1).state_dict())
    spreads = {name: tensor.std().item() for name, tensor in start.items() if tensor.dim() == 2}
    for name, spread in spreads.items():
        expected = 0.02 / 2**0.5 if "_out." in name else 0.02
        assert spread == pytest.approx(expected, rel=0.15), name
    list(pretraining.events())
    after = pretraining.trunk.state_dict()
    assert [name for name in start if torch.equal(start[name], after[name])] == []


def test_rate_rises_and_falls_along_a_cosine_to_a_tenth() -> None:
    rates = [step.learning_rate for step in steps_of(make(replace(RECIPE, warmup=0.2)).events())]
    peak = int(np.argmax(rates))
    assert max(rates) == pytest.approx(3e-3, rel=0.02)
    assert 0.1 * len(rates) < peak < 0.3 * len(rates)
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert rates[-1] == pytest.approx(3e-4, rel=0.1)


def test_snapshot_after_any_step_leads_to_the_same_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at the last step of a pack and of an epoch."""
    assert POSTS_PACKED > 1000
    monkeypatch.setattr("weibo_tui.engine.pretraining.POSTS_PACKED", 60)
    undisturbed = make(replace(RECIPE, tokens=6_000))
    snapshots, places, losses = [], [], []
    for event in undisturbed.events():
        snapshot = undisturbed.snapshot()
        snapshots.append(Snapshot(dict(snapshot.tensors), json.loads(json.dumps(snapshot.values))))
        places.append((undisturbed.at.epoch, undisturbed.at.pack))
        losses += [event.loss] if isinstance(event, StepDone) else []
    assert {epoch for epoch, _pack in places} >= {1, 2}
    assert {number for _epoch, number in places} >= {0, 1, 2}
    turns = [at for at in range(len(places) - 1) if places[at] != places[at + 1]]
    for at in {0, 1, *turns, turns[0] + 1, len(losses) - 1, len(snapshots) - 1}:
        resumed = make(replace(RECIPE, tokens=6_000))
        resumed.restore(snapshots[at])
        rest = [step.loss for step in steps_of(resumed.events())]
        assert rest == losses[len(losses) - len(rest) :]
        assert len(rest) == len(losses) - min(at + 1, len(losses))
        assert models.same_bits(resumed.trunk.state_dict(), undisturbed.trunk.state_dict()), places[at]
        assert resumed.at.loss == undisturbed.at.loss


def test_time_bounds_a_pretraining_too() -> None:
    pretraining = make(replace(RECIPE, tokens=0, minutes=0.001))
    steps = steps_of(pretraining.events())
    assert pretraining.steps == 0
    assert 0.06 <= pretraining.at.seconds < 0.06 + max(step.seconds for step in steps) + 1e-9


def test_corpus_that_fills_no_batch_is_refused() -> None:
    for posts in (CORPUS[:3], []):
        with pytest.raises(WeiboTuiError, match="does not fill one batch of 8 windows of 16 tokens"):
            list(make(posts=posts).events())


def test_loss_that_is_no_number_ends_pretraining() -> None:
    pretraining = make()
    pretraining.trunk.ln_f.bias.data.fill_(float("nan"))
    with pytest.raises(WeiboTuiError, match="no longer a number at step 1: .*--learning-rate"):
        list(pretraining.events())
    assert pretraining.at.step == 0


# the vocabulary


def vocabulary(posts: list[str], size: int = 1000, emoticons: bool = True, stretch: int = 50) -> list[str]:
    counts = VocabularyCounts(emoticons)
    for start in range(0, len(posts), stretch):
        counts.add(posts[start : start + stretch])
    *_progress, tokens = counts.tokens(size)
    assert isinstance(tokens, list)
    return tokens


def test_vocabulary_is_a_function_of_the_corpus() -> None:
    tokens = vocabulary(CORPUS)
    assert tokens[: len(SPECIAL)] == list(SPECIAL)
    assert len(set(tokens)) == len(tokens)
    assert vocabulary(CORPUS[::-1], stretch=7) == tokens
    assert vocabulary(CORPUS, size=60) == tokens[:60]


def test_vocabulary_holds_what_is_seen_often_enough_the_most_frequent_first() -> None:
    posts = ["甲"] * 9 + ["乙"] * LEAST_SEEN + ["丙"] * (LEAST_SEEN - 1) + ["Abé"] * 5
    assert vocabulary(posts) == [*SPECIAL, "甲", "##b", "##e", "a", "乙"]


def test_frequent_emoticons_are_tokens_of_their_own_unless_told_not_to() -> None:
    posts = ["好[哈哈]"] * LEAST_EMOTICON + ["好[泪]"] * (LEAST_EMOTICON - 1) + ["[SEP][PAD]坏"] * 50
    tokens = vocabulary(posts)
    assert "[哈哈]" in tokens
    assert "[泪]" not in tokens
    assert tokens.count("[SEP]") == tokens.count("[PAD]") == 1
    plain = vocabulary(posts, emoticons=False)
    assert "[哈哈]" not in plain
    assert {"[", "哈", "]"} <= set(plain)

    made = PostTokenizer(build_tokenizer(tokens).to_str(), bert_frame(tokens), len(tokens))
    names = {index: token for token, index in made.vocabulary().items()}
    assert [names[index] for index in made.encode(["好[哈哈]好"], 9).ids.tolist()] == [
        *("[CLS]", "好", "[哈哈]", "好", "[SEP]")
    ]
    assert tokens.index("[SEP]") not in made.encode(["好[SEP][PAD]好"], 99).ids.tolist()[1:-1]


# the folder that is kept


def test_pretrained_folder_opens_in_transformers_with_equal_ids_and_states(
    home: Path, tmp_path: Path, corpus_file: Path
) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(
        "".join(corpus_file.read_text(encoding="utf-8").splitlines(keepends=True)[:600]), encoding="utf-8"
    )
    plan = PretrainingPlan(
        corpus, "own", layers=2, width=16, heads=2, positions=32, vocabulary=500, recipe=RECIPE, machine=models.MACHINE
    )
    with Workbench.open(home) as bench:
        list(bench.pretrain(plan))
        base = bench.bases.open("own")
        folder = bench.bases.path("own")
        # The folder is one that can be taken in again, and is the same base then.
        assert bench.bases.add(folder, "again").fingerprint == base.card.fingerprint
    theirs = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    reference: Any = AutoModelForCausalLM.from_pretrained(
        folder, local_files_only=True
    ).double()  # in use, not training
    trunk: GPT2 = base.trunk.compute_in(torch.float64)
    posts = [text for text, _label in made_up.posts(30, seed=3)]
    encoded = base.tokenizer.encode(posts, 32)
    for place, post in enumerate(posts):
        ids = encoded.ids[encoded.starts[place] : encoded.starts[place + 1]].tolist()
        assert ids == theirs(post)["input_ids"]
        with torch.no_grad():
            row = torch.tensor([ids])
            states = trunk.states(row)
            assert (reference.transformer(row).last_hidden_state - states).abs().max() < 1e-9
            assert (reference(row).logits - states @ trunk.wte.weight.T).abs().max() < 1e-9
    assert (theirs.pad_token_id, theirs.cls_token_id, theirs.sep_token_id) == (0, 2, 3)
    assert any("[" in theirs.convert_ids_to_tokens(index) for index in encoded.ids.tolist() if index > 5)
    assert base.trunk.config.vocabulary == len(base.tokenizer.vocabulary()) <= 500
