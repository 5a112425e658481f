"""A base or an adapter is renamed completely or not at all, and adapters and runs on it keep working."""

from __future__ import annotations

import dataclasses
from collections import deque
from pathlib import Path
from typing import NoReturn

import models
import pytest
from commands import listing

from weibo_tui import Workbench
from weibo_tui.engine.events import RunFinished, RunStarted
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.progress import drain
from weibo_tui.registry import store
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import OpenBase
from weibo_tui.workbench.runs import RunSession


def test_renamed_adapter_is_the_same(adapters: Adapters, base: OpenBase) -> None:
    before, card = listing(adapters.path("mood")), adapters.card("mood")
    adapters.rename("mood", "humour")
    assert adapters.list() == [dataclasses.replace(card, name="humour")] == [adapters.card("humour")]
    after = listing(adapters.path("humour"))
    assert after | {"card.json": ""} == before | {"card.json": ""}
    assert '"name": "humour"' in (adapters.path("humour") / "card.json").read_text(encoding="utf-8")
    assert adapters.load("humour", base)[1].name == "humour"
    with pytest.raises(UserInputError, match=r"Adapter not found: 'mood'\. Choose one of humour"):
        adapters.card("mood")


def test_invalid_existing_and_missing_names_are_refused(adapters: Adapters, base: OpenBase) -> None:
    adapters.save(adapters.load("mood", base)[0], dataclasses.replace(adapters.card("mood"), name="other"))
    before = listing(adapters.folder)
    for old, new, message in [
        ("mood", "other", r"'other' exists\. Choose another name"),
        ("mood", "mood", "'mood' exists"),
        ("mood", "../mood", "Invalid name: '../mood'"),
        ("mood", ".mood", "Invalid name: '.mood'"),
        ("mood", "", "Invalid name: ''"),
        ("none", "new", "Adapter not found: 'none'"),
    ]:
        with pytest.raises(UserInputError, match=message):
            adapters.rename(old, new)
    assert listing(adapters.folder) == before


def die(*_arguments: object) -> NoReturn:
    raise WeiboTuiError("the power went")


def test_interrupted_renaming_keeps_the_old_name(
    adapters: Adapters, base: OpenBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = adapters.card("mood")
    with monkeypatch.context() as patch:
        patch.setattr(store, "move_folder", die)
        with pytest.raises(WeiboTuiError, match="the power went"):
            adapters.rename("mood", "humour")
    assert adapters.list() == [card] == [adapters.card("mood")]
    assert adapters.load("mood", base)[1] == card
    drain(adapters.export("mood", tmp_path / "mood.zip"))
    drain(adapters.import_model(tmp_path / "mood.zip", overwrite=True))
    assert adapters.list() == [card]
    adapters.rename("mood", "humour")
    assert adapters.list() == [dataclasses.replace(card, name="humour")]


def confidence(wb: Workbench, adapter: str = "") -> float | None:
    (analysis,) = wb.iter_predict(["今天的面真好吃"], adapter, machine=models.MACHINE, record=False)
    return analysis.confidence


def test_default_and_adapters_follow_a_renamed_base(wb: Workbench) -> None:
    before = confidence(wb)
    wb.rename_base("small", "little")
    wb.rename_adapter("mood", "humour")
    assert (wb.base_name(), wb.adapter_name()) == ("little", "humour")
    assert confidence(wb) == before
    card = wb.adapters.card("humour")
    assert (card.base, wb.find_base(card.base_fingerprint, card.base)) == ("small", "little")
    with Workbench() as again:
        assert (again.base_name(), again.adapter_name()) == ("little", "humour")
        assert confidence(again) == before


def test_renaming_another_model_keeps_the_default(wb: Workbench, tmp_path: Path) -> None:
    models.add_base(wb, tmp_path, "other", seed=1)
    models.add_adapter(wb, wb.bases.open("other"), "second")
    wb.rename_base("other", "another")
    wb.rename_adapter("second", "third")
    assert (wb.base_name(), wb.adapter_name()) == ("small", "mood")
    assert confidence(wb, "third") is not None


def test_new_base_of_the_old_name_is_not_mistaken(wb: Workbench, tmp_path: Path) -> None:
    before = confidence(wb)
    wb.rename_base("small", "little")
    models.add_base(wb, tmp_path, "small", seed=9)
    assert confidence(wb) == before
    wb.remove_base("little")
    with pytest.raises(UserInputError, match="needs base 'small'"):
        confidence(wb)


def test_training_resumes_after_its_base_was_renamed(wb: Workbench, tmp_path: Path) -> None:
    deque(wb.iter_train(models.training_plan(tmp_path, "whole", 24)), maxlen=0)
    run = models.stop_after(wb.iter_train(models.training_plan(tmp_path, "parted")), 1)
    wb.rename_base("small", "little")
    models.add_base(wb, tmp_path / "from", "small", seed=9)
    started = models.until(resumed := wb.iter_resume(run), RunStarted)
    assert (started.base, started.step) == ("little", 1)
    models.until(resumed, RunFinished)
    weights = [(wb.adapters.path(name) / "adapter.safetensors").read_bytes() for name in ("whole", "parted")]
    assert weights[0] == weights[1]
    assert wb.adapters.card("parted").base == "little"
    deque(resumed, maxlen=0)


def test_pretraining_makes_a_renamed_base_again(wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RunSession, "finish", die)
        with pytest.raises(WeiboTuiError, match="the power went"):
            deque(wb.iter_pretrain(models.pretraining_plan(tmp_path, "made")), maxlen=0)
    wb.rename_base("made", "kept")
    (run,) = wb.runs.list()
    deque(wb.iter_resume(run.id), maxlen=0)
    assert wb.bases.card("made").fingerprint == wb.bases.card("kept").fingerprint
