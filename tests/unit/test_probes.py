"""Probe posts: predicted in each validation of a training, kept in its journal, and shown as curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import models
import numpy as np
import pytest
from commands import Command, json_lines, table
from engine_helpers import all_logits

from weibo_tui import Workbench
from weibo_tui.engine.events import Evaluated, ProbesPredicted, RunStarted
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.prediction import softmax
from weibo_tui.engine.training import AdapterTrainer
from weibo_tui.errors import UserInputError
from weibo_tui.presentation.probes import MAX_CELLS, MAX_VALIDATIONS, ProbeCurve, ProbeHistory, probe_lines
from weibo_tui.settings import Settings
from weibo_tui.text.cleaning import PREPROCESSING
from weibo_tui.text.probes import DEFAULT_PROBES, MAX_PROBES, parse_probes

POSTS = ("今天的面真好吃[哈哈]", "服务太差了，再也不来", "还行")
HYPER = Hyperparameters(epochs=2, batch_size=16, learning_rate=1e-2, bottleneck=8, max_length=32, validate_every=3)


def training(probes: Sequence[str]) -> AdapterTrainer:
    backbone: GPT2 = models.backbone_of(models.reference())
    train, held_out = models.examples(made_up.posts(90, seed=5)), models.examples(made_up.posts(30, seed=6))
    result = models.trainer(backbone, replace(HYPER, dropout=0.2), train, held_out)
    result.probes = models.tokenizer().encode_posts(probes, 32, PREPROCESSING)[1]
    return result


def test_probes_are_predicted_at_each_validation_only() -> None:
    probed, plain = training(POSTS), training(())
    kinds: list[type] = []
    for event in probed.events():
        kinds.append(type(event))
        if isinstance(event, ProbesPredicted):
            assert probed.probes is not None
            logits = all_logits(probed.backbone, probed.adapter, probed.probes, probed.compute)
            assert np.allclose(event.probabilities, softmax(logits), atol=1e-6)
            assert probed.adapter.training
    where = [place for place, kind in enumerate(kinds) if kind is ProbesPredicted]
    assert [kinds[place + 1] for place in where] == [Evaluated] * kinds.count(Evaluated)
    assert len(where) > 3
    assert not any(isinstance(event, ProbesPredicted) for event in plain.events())
    assert models.same_bits(probed.adapter.state_dict(), plain.adapter.state_dict())


def test_probes_of_a_broken_adapter_are_nan() -> None:
    broken = training(POSTS)
    for parameter in broken.adapter.parameters():
        parameter.data.fill_(float("nan"))
    (event,) = broken._predict_probes()
    assert isinstance(event, ProbesPredicted)
    assert np.isnan(event.probabilities).all()


def test_typed_probes_are_separated() -> None:
    assert parse_probes(" ") is None
    assert parse_probes(" - ") == ()
    assert parse_probes("好吃 | 难吃|\n还行\n") == ("好吃", "难吃", "还行")
    assert parse_probes("|") is None
    assert 5 <= len(DEFAULT_PROBES) <= MAX_PROBES


def test_run_keeps_probes_in_plan_and_journal(wb: Workbench, tmp_path: Path) -> None:
    Settings.save(wb.paths, probe_posts=" | ".join(POSTS))
    run = models.stop_after(wb.iter_train(models.training_plan(tmp_path)), 2)
    Settings.save(wb.paths, probe_posts="-")
    events = list(wb.iter_resume(run))
    resumed = next(event for event in events if isinstance(event, RunStarted))
    assert (resumed.probes, resumed.labels) == (POSTS, ("negative", "positive"))
    predicted = [event for event in events if isinstance(event, ProbesPredicted)]
    assert [(event.epoch, len(event.probabilities)) for event in predicted] == [(1, 3), (2, 3)]

    wb.export_run(run, tmp_path / "journal.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text("utf-8").splitlines()]
    exported = [line["probabilities"] for line in lines if line["event"] == "ProbesPredicted"]
    assert exported == [[list(row) for row in event.probabilities] for event in predicted]
    wb.export_run(run, tmp_path / "journal.csv")
    kinds = [row["event"] for row in table(tmp_path / "journal.csv")]
    assert kinds.count("ProbesPredicted") == kinds.count("Evaluated") == 2

    started = models.until(wb.iter_train(models.training_plan(tmp_path, "none")), RunStarted)
    assert started.probes == ()


def test_wrong_probes_are_refused(wb: Workbench, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="there are 11 probe posts, and at most 10 are possible"):
        models.training_plan(tmp_path, probes=("好",) * 11)
    assert models.training_plan(tmp_path, probes="好吃").probes == ("好吃",)
    with pytest.raises(UserInputError, match="Probe post '\u200b ' has no text after cleaning"):
        list(wb.iter_train(models.training_plan(tmp_path, probes=("好吃", "\u200b "))))
    assert not wb.runs.list()
    with pytest.raises(UserInputError, match="probe_posts"):
        Settings.save(wb.paths, probe_posts="|".join("一二三四五六七八九十百"))


def test_train_command_shows_probes_or_none(command: Command, furnished: Path, few: Path) -> None:
    options = ("--epochs", "1", "--threads", "1")
    shown = command.ok("train", few, "--name", "own", "--probe", POSTS[0], "--probe", "[/哈哈]\x1b[31m好", *options)
    assert "Probe posts at each validation (bars: probability of positive)" in shown.err
    assert "今天的面真好吃[哈哈]" in shown.err
    assert "[/哈哈]␛[31m好" in shown.err
    assert "Probe" not in shown.out
    result = command.ok("train", few, "--name", "default", "--json", *options)
    (predicted,) = [event for event in json_lines(result.out) if event["event"] == "ProbesPredicted"]
    assert len(predicted["probabilities"]) == len(DEFAULT_PROBES)
    result = command.ok("train", few, "--name", "none", "--no-probes", *options)
    assert "Probe" not in result.err
    assert "exclude each other" in command("train", few, "--no-probes", "--probe", "好").err


def recorded(
    *rows: Any, labels: Sequence[str] = ("negative", "positive"), posts: Sequence[str] = ("好",)
) -> ProbeHistory:
    history = ProbeHistory()
    history.apply({"event": "RunStarted", "labels": list(labels), "probes": list(posts)})
    for number, row in enumerate(rows, start=1):
        history.apply({"event": "ProbesPredicted", "step": 10 * number, "probabilities": row})
    return history


def drawn(curve: ProbeCurve | None) -> str:
    assert curve is not None
    return "".join("!" if cell.is_flip else cell.bar for cell in curve.cells)


def positive(*shares: float) -> list[list[list[float]]]:
    return [[[1 - share, share]] for share in shares]


def test_curve_marks_flips_of_the_label() -> None:
    history = recorded(*positive(0.1, 0.6, 0.9, 1.0, 0.3))
    curve = history.curve("好", 5)
    assert drawn(curve) == "▁!██!"
    assert curve is not None
    assert (curve.label, curve.probability, curve.flips) == ("negative", 0.7, 2)
    assert [cell.label for cell in curve.cells] == ["negative", *["positive"] * 3, "negative"]
    assert drawn(history.curve("好", 2)) == "!!"  # the flip of the first two, and that of the last three
    assert drawn(history.curve("好", 100)) == "▁▁▁▁!▅▅▅████████!▃▃▃"
    assert len(recorded(*positive(0.1)).curve("好", 99).cells) == MAX_CELLS  # type: ignore[union-attr]
    assert history.curve("不好", 5) is None
    assert not recorded()
    assert list(probe_lines(recorded())) == []
    text = "\n".join(probe_lines(history))
    assert text.endswith("▁▁▁▅▅▅██████▃▃▃  negative 70.0%  好  2 changes")


def test_curve_of_several_labels_follows_the_last_one() -> None:
    rows = [[[0.6, 0.3, 0.1]], [[0.1, 0.7, 0.2]], [[0.1, 0.1, 0.8]]]
    history = recorded(*rows, labels=("悲", "怒", "喜"))
    curve = history.curve("好", 3)
    assert curve is not None
    assert drawn(curve) == "▁!!"
    assert [cell.bar for cell in curve.cells] == ["▁", "▂", "▇"]
    assert (curve.label, curve.probability) == ("喜", 0.8)
    assert "the last label" in history.legend


def test_legend_of_a_hostile_label_is_short_and_harmless() -> None:
    legend = recorded(*positive(0.5), labels=("a", "\x1b[31m\u202e" + "长" * 1000)).legend
    assert not set(legend) & set("\x1b\u202e")
    assert len(legend) < 60


def test_history_of_a_damaged_journal_has_gaps() -> None:
    bad: list[Any] = [None, 7, [], [[0.1]], [["a", None]], [[float("nan"), 1.0]], [{"0": 1}], [[0.2, 0.8]] * 2]
    history = recorded(*positive(0.9), *bad, *positive(0.2))
    assert drawn(history.curve("好", 6)) == "█····!"
    history.apply({"event": "ProbesPredicted", "step": "10", "probabilities": [[0.5, 0.5]]})
    # A resumed run repeats the steps since its checkpoint.
    history.apply({"event": "ProbesPredicted", "step": 10, "probabilities": [[0.5, 0.5]]})
    assert drawn(history.curve("好", 6)) == "▅▅▅▅"
    history.apply({"event": "RunStarted", "probes": ["好", "坏"], "labels": None})
    assert not history
    history.apply({"event": "ProbesPredicted", "step": 10, "probabilities": [[1.0], []]})
    assert history.curve("坏", 6) is None
    many = recorded(*positive(*[0.3] * (MAX_VALIDATIONS + 50), 0.9))
    assert drawn(many.curve("好", 8)) == "▃▃▃▃▃▃▃!"
