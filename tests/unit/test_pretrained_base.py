"""Pretrained bases: held-out posts, the saved folder, and the command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

import made_up
import models
import pytest
import torch
from commands import Command
from engine_helpers import rows_of

from weibo_tui import PretrainingConfig, Workbench
from weibo_tui.engine.events import RunStarted
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.progress import Progress
from weibo_tui.workbench.config import UNITS
from weibo_tui.workbench.pretraining import ValidationSplit

SMALL = PretrainingConfig(
    Path(), "own", layers=1, width=16, heads=2, positions=32, recipe=models.RECIPE, machine=models.MACHINE
)


def test_held_out_posts_depend_on_text(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"第{number}条微博" for number in range(3000)]
    held = ValidationSplit()
    first, again = ([held.contains(text) for text in texts] for _time in range(2))
    assert first == again
    assert 5 < sum(first) < 30
    backwards = ValidationSplit()
    assert [backwards.contains(text) for text in texts[::-1]] == first[::-1]

    monkeypatch.setattr("weibo_tui.workbench.pretraining.MAX_VALIDATION", 3)
    few = ValidationSplit()
    assert [text for text in texts * 2 if few.contains(text)] == [
        text for text, apart in zip(texts, first, strict=True) if apart
    ][:3] * 2


def test_copies_of_held_out_posts_are_not_trained_on(home: Path, tmp_path: Path) -> None:
    texts = [text for text, _label in made_up.posts(900, seed=4)]
    held = ValidationSplit()
    apart = {text for text in texts if held.contains(text)}
    assert apart
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("".join(text + "\n" for text in texts * 3), encoding="utf-8")
    plan = replace(SMALL, corpus=corpus)
    with Workbench(home) as wb:
        started = models.until(wb.iter_pretrain(plan), RunStarted)
    assert started.posts == {"train": 3 * (len(texts) - len(apart)), "validation": 3 * len(apart)}


def test_long_corpus_lines_are_read_few_at_a_time(
    wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weibo_tui.datasets.tables.MAX_CHUNK", 5000)
    texts = [text for text, _label in made_up.posts(90, seed=4)]
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("".join(f"{text * 200}\n" for text in texts[:3]) + "\n".join(texts), encoding="utf-8")
    plan = replace(SMALL, corpus=corpus)
    events = cast(Iterator[Progress], wb.iter_pretrain(plan))
    counted = takewhile(lambda event: event.stage == "counting characters", events)
    done = [event.done for event in counted]
    assert done[0] < 3
    assert done[-1] == 93


@pytest.mark.parametrize("units", UNITS)
def test_pretrained_base_equals_transformers(home: Path, tmp_path: Path, corpus_file: Path, units: str) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(
        "".join(corpus_file.read_text(encoding="utf-8").splitlines(keepends=True)[:600]), encoding="utf-8"
    )
    plan = replace(SMALL, corpus=corpus, layers=2, vocabulary=500, units=units)
    with Workbench(home) as wb:
        list(wb.iter_pretrain(plan))
        base = wb.bases.open("own")
        folder = wb.bases.path("own")
        # The folder can be added again, as the same base.
        assert wb.bases.add(folder, "again").fingerprint == base.card.fingerprint
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    reference: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).double()
    backbone: GPT2 = base.backbone.set_compute_dtype(torch.float64)
    posts = [*(text for text, _label in made_up.posts(30, seed=3)), "ABC, 2024年 好！！龘[哈哈]好"]
    encoded = base.tokenizer.encode(posts, 32)
    for post, ids in zip(posts, rows_of(encoded), strict=True):
        assert ids == theirs(post)["input_ids"]
        with torch.no_grad():
            row = torch.tensor([ids])
            states = backbone.hidden_states(row)
            assert (reference.transformer(row).last_hidden_state - states).abs().max() < 1e-9
            assert (reference(row).logits - states @ backbone.wte.weight.T).abs().max() < 1e-9
    assert (theirs.pad_token_id, theirs.cls_token_id, theirs.sep_token_id) == (0, 2, 3)
    assert any("[" in theirs.convert_ids_to_tokens(index) for index in encoded.ids.tolist() if index > 5)
    assert base.backbone.config.vocabulary == len(base.tokenizer.vocabulary()) <= 500
    longest = max(len(token) for token in base.tokenizer.vocabulary() if token[0] not in "[#")
    assert (longest > 1) == (units == "pieces")


def test_bases_pretrain_passes_options(home: Path, command: Command, corpus_file: Path) -> None:
    sizes = "--tokens 2000 --context 16 --batch-size 8 --layers 1 --width 16 --heads 2 --threads 1".split()
    log_p = "--units pieces --recall 0.25 --hide 0".split()
    command.ok("bases", "pretrain", corpus_file, "--name", "own", *sizes, *log_p)
    with Workbench(home) as wb:
        plan = PretrainingConfig.from_json(cast(dict[str, Any], wb.bases.card("own").made["plan"]))
    assert (plan.units, plan.recipe.recall, plan.recipe.hide) == ("pieces", 0.25, 0.0)
