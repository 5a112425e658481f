"""Failed runs say why, keep the checkpoint of their last good step, and can be resumed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import models
import pytest
from commands import Command
from torch import Tensor

from weibo_tui import Workbench
from weibo_tui.engine.events import BatchHalved, RunFinished
from weibo_tui.engine.training import AdapterTrainer
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.registry.weights import load_snapshot

OPTIONS = "--base small --max-length 32 --batch-size 32 --epochs 3 --device cpu --dtype float32 --threads 1".split()
GRADIENT = AdapterTrainer._backward


def test_nan_loss_fails_run_and_keeps_last_checkpoint(
    wb: Workbench, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradient(trainer: AdapterTrainer, *arguments: Any) -> Generator[Any, None, Tensor]:
        loss = yield from GRADIENT(trainer, *arguments)
        return loss * math.nan if trainer.state.step + 1 == 4 else loss

    posts = models.training_plan(tmp_path).data[0]
    with monkeypatch.context() as patch:
        patch.setattr(AdapterTrainer, "_backward", gradient)
        done = command("train", posts, "--name", "trained", *OPTIONS)
    assert done.code == 1
    message = done.err.splitlines()[-1]
    assert message.startswith("weibo-tui: Loss became NaN at step 4. ")
    assert "--learning-rate below" in message
    assert "Traceback" not in done.err
    (run,) = wb.runs.list()
    assert run.state == "failed"
    assert run.summary is not None
    assert run.summary["error"] in message
    assert run.summary["error"] in " ".join(command.ok("runs", "show", run.id).out.split())
    snapshot, _extra = load_snapshot(wb.runs.folder(run.id) / "checkpoint.safetensors")
    assert snapshot.values["step"] == 3
    assert all(tensor.isfinite().all() for tensor in snapshot.tensors.values())
    assert not wb.adapters.folder.joinpath("trained").exists()
    command.ok("train", "--resume", run.id)
    assert wb.adapters.card("trained").run == run.id


def test_lack_of_memory_is_reported_and_recorded(
    wb: Workbench, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def gradient(trainer: AdapterTrainer, *arguments: Any) -> Generator[Any, None, Tensor]:
        if trainer.state.step == 3 and not sizes:
            sizes.append(trainer.compute.micro_tokens)
            raise MemoryError
        return (yield from GRADIENT(trainer, *arguments))

    monkeypatch.setattr(AdapterTrainer, "_backward", gradient)
    done = command.ok("train", models.training_plan(tmp_path).data[0], "--name", "trained", *OPTIONS)
    assert "Out of memory: each step is now computed in parts of " in done.err
    (run,) = wb.runs.list()
    halvings = [entry.event for entry in wb.runs.events(run.id) if entry.event["event"] == BatchHalved.__name__]
    assert [event["step"] for event in halvings] == [4]
    assert 0 < halvings[0]["tokens"] < sizes[0]


def test_resume_holds_the_run_while_it_reads_posts(wb: Workbench, tmp_path: Path) -> None:
    run = models.stop_after(wb.iter_train(models.training_plan(tmp_path)), 3)
    first = wb.iter_resume(run)
    next(first)  # it reads the posts
    assert wb.runs.get(run).state == "running"
    with pytest.raises(UserInputError, match="is running in another program"):
        list(wb.iter_resume(run))
    first.close()
    assert wb.runs.get(run).state == "stopped"
    list(wb.iter_resume(run))
    with pytest.raises(UserInputError, match="has finished, so it cannot be resumed"):
        list(wb.iter_resume(run))


def test_leftovers_of_killed_runs_are_deleted(wb: Workbench, tmp_path: Path) -> None:
    events = wb.iter_train(models.training_plan(tmp_path, "first"))
    finished = models.until(events, RunFinished).run
    events.close()  # after the last event, which does not stop the run
    assert wb.runs.get(finished).state == "finished"
    stale = wb.runs.folder(finished) / "checkpoint.safetensors"
    stale.write_bytes(b"stale")
    run = models.stop_after(wb.iter_train(models.training_plan(tmp_path, "second")), 3)
    assert not stale.exists()
    assert (wb.runs.folder(run) / "checkpoint.safetensors").exists()
    partial = wb.runs.folder(run) / ".checkpoint.safetensors.0123abcd.partial"
    partial.write_bytes(b"half")
    os.utime(partial, (0, 0))
    list(wb.iter_resume(run))
    assert not partial.exists()


@pytest.mark.parametrize("kind", ["train", "pretrain"])
def test_run_with_damaged_config_is_listed_and_refused(kind: str, wb: Workbench, command: Command) -> None:
    for plan in (
        "{",
        "7",
        "[]",
        "{}",
        '{"plan": 3}',
        '{"plan": {"data": 3}, "data": "x", "base": "y"}',
        '{"plan": {"epochz": 3, "data": []}, "data": "x", "base": "y"}',
    ):
        run = wb.runs.create(kind, "mine", {}).id
        with wb._database.transaction():
            wb._database.execute("UPDATE runs SET plan = ? WHERE id = ?", (plan, run))
        with pytest.raises(
            CorruptFileError, match=f"The configuration of run {run} is damaged in the database. Start a new run"
        ):
            list(wb.iter_resume(run))
    assert command.ok("runs", "list").out.count("mine") == 7
    assert json.loads(command.ok("runs", "show", run, "--json").out)["name"] == "mine"
    command.ok("runs", "remove", run)


def test_damaged_event_is_shown_as_damaged(wb: Workbench, command: Command) -> None:
    run = wb.runs.create("train", "mine", {}).id
    wb.runs.append_events(run, [{"event": "StepDone", "step": step} for step in (1, 2, 3)])
    with wb._database.transaction():
        wb._database.execute("UPDATE events SET data = '{\"eve' WHERE seq = 2")
    assert [entry.event["event"] for entry in wb.runs.events(run)] == ["StepDone", "Damaged", "StepDone"]
    command.ok("runs", "show", run)
