"""Runs pause, continue and stop at the request of another program."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_up
import models
import pytest
from commands import MACHINE, Command, start

from weibo_tui import Workbench
from weibo_tui.cli import train as cli_train
from weibo_tui.engine.events import RunFinished, StepDone
from weibo_tui.errors import RunStoppedError, UserInputError
from weibo_tui.progress import Progress
from weibo_tui.storage.runs import Runs
from weibo_tui.workbench import runs as workbench_runs

PAUSED = Progress("paused", 0)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench_runs, "PAUSE_SECONDS", 0.0)


def begin(wb: Workbench, folder: Path, kind: str, name: str) -> Iterator[object]:
    if kind == "train":
        return wb.iter_train(models.training_plan(folder, name))
    return wb.iter_pretrain(models.pretraining_plan(folder, name))


@pytest.mark.parametrize("kind", ["train", "pretrain"])
def test_paused_run_waits_and_ends_like_uninterrupted_one(kind: str, wb: Workbench, tmp_path: Path) -> None:
    list(begin(wb, tmp_path, kind, "whole"))
    events = begin(wb, tmp_path, kind, "paused")
    models.until(events, StepDone, 2)
    run = wb.runs.list()[0]
    wb.runs.pause(run.id)
    models.until(events, Progress)  # it had yielded the step already
    assert list(itertools.islice(events, 3)) == [PAUSED] * 3
    wb.runs.unpause(run.id)
    rest = list(events)
    assert PAUSED not in rest
    assert isinstance(rest[-1], RunFinished)
    store = wb.adapters if kind == "train" else wb.bases
    (weights,) = store.path("whole").glob("*.safetensors")
    assert weights.read_bytes() == (store.path("paused") / weights.name).read_bytes()
    steps = [entry.event["step"] for entry in wb.runs.events(run.id) if entry.event["event"] == "StepDone"]
    assert steps == list(range(1, len(steps) + 1))


@pytest.mark.parametrize("stage", ["step", "evaluating", "paused"])
def test_requested_stop_keeps_a_checkpoint(stage: str, wb: Workbench, tmp_path: Path) -> None:
    events = wb.iter_train(models.training_plan(tmp_path))
    models.until(events, StepDone, 2)
    run = wb.runs.list()[0].id
    if stage == "paused":
        wb.runs.pause(run)
    if stage != "step":
        models.until((event for event in events if getattr(event, "stage", "") == stage), Progress)
    wb.runs.stop(run)
    with pytest.raises(RunStoppedError, match=f"{run} was stopped with a checkpoint"):
        list(events)
    assert wb.runs.get(run).state == "stopped"
    assert wb.runs.requested(run) is None
    last = list(wb.iter_resume(run))[-1]
    assert isinstance(last, RunFinished)
    steps = [entry.event["step"] for entry in wb.runs.events(run) if entry.event["event"] == "StepDone"]
    assert steps == list(range(1, len(steps) + 1))


def test_stop_of_a_blocking_training_raises(wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runs, "requested", lambda *_: "stop")
    config = models.training_plan(tmp_path)
    with pytest.raises(RunStoppedError, match="can be resumed"):
        wb.train(config.data, config.name, base="small", hyper=models.HYPER, machine=models.MACHINE)


def test_refused_resume_leaves_the_run_as_it_was(wb: Workbench, tmp_path: Path) -> None:
    config = models.training_plan(tmp_path)
    run = models.stop_after(wb.iter_train(config), 2)
    before = wb.runs.get(run)
    made_up.write_posts(config.data[0], 60, seed=9)
    with pytest.raises(UserInputError, match="has changed"):
        list(wb.iter_resume(run))
    after = wb.runs.get(run)
    assert (after.state, after.summary, after.step) == (before.state, before.summary, before.step)


def test_runs_of_another_process_pause_continue_and_stop(command: Command, furnished: Path, tmp_path: Path) -> None:
    posts = made_up.write_posts(tmp_path / "posts.csv", 200, seed=1)
    options = "--name long --epochs 900 --batch-size 8 --bottleneck 8 --max-length 32 --json".split()

    def state() -> Any:
        return json.loads(command.ok("runs", "show", run, "--json").out)["state"]

    # Its events go to a file, because an unread pipe would block it.
    output = tmp_path / "events.jsonl"

    def wait_for_lines(number: int) -> list[bytes]:
        while len(lines := output.read_bytes().splitlines()) < number:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.05)
        return lines

    with output.open("wb") as file, start("train", posts, *options, *MACHINE, stdout=file) as process:
        run = json.loads(wait_for_lines(2)[0])["run"]
        assert f"weibo-tui runs resume {run}" in command.ok("runs", "pause", run).err
        assert state() == "paused"
        assert "continues" in command.ok("runs", "resume", run).err
        assert state() == "running"
        wait_for_lines(len(wait_for_lines(1)) + 2)  # it makes steps
        command.ok("runs", "pause", run)
        stopped = command.ok("runs", "stop", run)
        assert f"Stopped with a checkpoint. Resume with: weibo-tui runs resume {run}" in stopped.err
        assert state() == "stopped"
        _out, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"weibo-tui runs resume {run}" in error.decode()
    assert "is not running (stopped)" in command("runs", "stop", run).err


def test_command_waits_for_the_training_slot(
    command: Command, furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = made_up.write_posts(tmp_path / "posts.csv", 30, seed=1)
    train: list[str | Path] = [
        "train",
        posts,
        *"--epochs 1 --batch-size 16 --bottleneck 8 --max-length 32".split(),
        *MACHINE,
    ]
    with Workbench() as other:
        slot = other.take_training_slot()  # a training that is being prepared has no run yet
        assert slot is not None
        assert other.take_training_slot() is None
        assert "Another training" not in command.ok(*train, "--name", "at-once", "--now").err
        monkeypatch.setattr(cli_train, "time", SimpleNamespace(sleep=lambda _seconds: slot.release()))
        waited = command.ok(*train, "--name", "later").err
        assert "Another training is in progress. This one starts when it is done. Use --now" in waited
        events = other.iter_train(models.training_plan(tmp_path, base="tiny"))
        models.until(events, StepDone, 1)
        assert other.take_training_slot() is None
        events.close()
        assert other.take_training_slot() is not None
