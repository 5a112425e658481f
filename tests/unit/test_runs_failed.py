"""A run that cannot go on says why, keeps the state behind its last good step, and can be gone on with from there."""

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

from weibo_tui.engine.events import BatchHalved, RunFinished, RunStarted, StepDone
from weibo_tui.engine.training import AdapterTrainer
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.registry.weights import load_snapshot
from weibo_tui.storage.runs import Run
from weibo_tui.workbench import Workbench

OPTIONS = "--base small --max-length 32 --batch-size 32 --epochs 3 --device cpu --dtype float32 --threads 1".split()


class Poisoned:
    """For the block, a training whose loss is no number at one step."""

    def __init__(self, step: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.step = step

    def __enter__(self) -> None:
        real = AdapterTrainer._gradient

        def gradient(training: AdapterTrainer, *given: Any) -> Generator[Any, None, float]:
            loss = yield from real(training, *given)
            return math.nan if training.at.step + 1 == self.step else loss

        self.patch.setattr(AdapterTrainer, "_gradient", gradient)

    def __exit__(self, *_error: object) -> None:
        self.patch.undo()


def run_named(bench: Workbench, name: str) -> Run:
    (run,) = (run for run in bench.runs.list() if run.name == name)
    return run


def test_a_loss_that_is_no_number_stops_with_the_last_good_checkpoint_and_a_sentence(
    bench: Workbench, tmp_path: Path, command: Command
) -> None:
    list(bench.train(models.training_plan(tmp_path, "undisturbed")))
    with Poisoned(7), pytest.raises(WeiboTuiError, match="no longer a number at step 7: .* lower --learning-rate"):
        list(bench.train(models.training_plan(tmp_path, "trained")))
    run = run_named(bench, "trained")
    assert run.state == "failed"
    assert run.summary is not None
    assert "no longer a number at step 7" in run.summary["error"]
    snapshot, _extra = load_snapshot(bench.runs.folder(run.id) / "checkpoint.safetensors")
    assert snapshot.values["step"] == 6
    assert all(tensor.isfinite().all() for tensor in snapshot.tensors.values())
    assert not bench.adapters.folder.joinpath("trained").exists()
    assert "no longer a number at step 7" in command.ok("runs", "show", run.id).out
    list(bench.resume(run.id))  # the fault has gone
    undisturbed, trained = (
        (bench.adapters.folder / name / "adapter.safetensors").read_bytes() for name in ("undisturbed", "trained")
    )
    assert undisturbed == trained


def test_the_command_line_ends_with_the_sentence_and_no_trace(
    bench: Workbench, tmp_path: Path, command: Command
) -> None:
    plan = models.training_plan(tmp_path)
    with Poisoned(2):
        done = command("train", plan.data[0], "--name", "trained", *OPTIONS)
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("weibo-tui: The loss is no longer a number at step 2: ")
    assert "Traceback" not in done.err


def test_a_lack_of_memory_is_told_and_kept_in_the_journal(
    bench: Workbench, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    real = AdapterTrainer._gradient

    def gradient(training: AdapterTrainer, *given: Any) -> Generator[Any, None, float]:
        if training.at.step == 3 and not told:
            told.append(training.compute.micro_tokens)
            raise MemoryError
        return (yield from real(training, *given))

    monkeypatch.setattr(AdapterTrainer, "_gradient", gradient)
    done = command.ok("train", models.training_plan(tmp_path).data[0], "--name", "trained", *OPTIONS)
    assert "The memory was too small: each step is computed in parts of " in done.err
    run = run_named(bench, "trained")
    halvings = [entry.event for entry in bench.runs.events(run.id) if entry.event["event"] == BatchHalved.__name__]
    assert [event["step"] for event in halvings] == [4]
    assert 0 < halvings[0]["tokens"] < told[0]


def test_a_run_that_another_program_finished_while_this_one_prepared_stays_finished(
    bench: Workbench, tmp_path: Path
) -> None:
    events = bench.train(models.training_plan(tmp_path))
    models.until(events, StepDone, 3)
    events.close()  # type: ignore[attr-defined]
    run = run_named(bench, "trained").id
    late = bench.resume(run)
    next(late)  # it reads the posts
    list(bench.resume(run))
    journal = list(bench.runs.events(run))
    with pytest.raises(UserInputError, match="is finished: there is nothing to resume"):
        list(late)
    assert bench.runs.get(run).state == "finished"
    assert list(bench.runs.events(run)) == journal


def test_half_written_checkpoints_of_a_killed_process_go_when_the_run_goes_on(bench: Workbench, tmp_path: Path) -> None:
    events = bench.train(models.training_plan(tmp_path))
    run = models.until(events, RunStarted).run
    models.until(events, StepDone, 3)
    events.close()  # type: ignore[attr-defined]
    leftover = bench.runs.folder(run) / ".checkpoint.safetensors.0123abcd.partial"
    leftover.write_bytes(b"half")
    os.utime(leftover, (0, 0))
    list(bench.resume(run))
    assert not leftover.exists()


@pytest.mark.parametrize(
    "plan",
    [
        "{",
        "7",
        "[]",
        "{}",
        '{"plan": 3}',
        '{"plan": {"data": 3}, "data": "x", "base": "y"}',
        '{"plan": {"epochz": 3, "data": []}, "data": "x", "base": "y"}',
    ],
)
@pytest.mark.parametrize("kind", ["train", "pretrain"])
def test_a_run_whose_plan_the_disk_damaged_is_listed_and_refused(
    kind: str, plan: str, bench: Workbench, command: Command
) -> None:
    run = bench.runs.create(kind, "mine", {}).id
    with bench._database.transaction():
        bench._database.execute("UPDATE runs SET plan = ? WHERE id = ?", (plan, run))
    assert run in command.ok("runs", "list").out
    assert json.loads(command.ok("runs", "show", run, "--json").out)["name"] == "mine"
    with pytest.raises(CorruptFileError, match=f"What run {run} began with is damaged in the database: begin anew"):
        list(bench.resume(run))
    command.ok("runs", "remove", run)


def test_an_event_that_the_disk_damaged_stands_for_itself_in_the_journal(bench: Workbench, command: Command) -> None:
    run = bench.runs.create("train", "mine", {}).id
    bench.runs.record(run, [{"event": "StepDone", "step": step} for step in (1, 2, 3)])
    with bench._database.transaction():
        bench._database.execute("UPDATE events SET data = '{\"eve' WHERE seq = 2")
    kept = [entry.event for entry in bench.runs.events(run)]
    assert [event["event"] for event in kept] == ["StepDone", "Damaged", "StepDone"]
    command.ok("runs", "show", run)


def test_a_checkpoint_that_a_killed_process_left_behind_a_finished_run_goes_with_the_next(
    bench: Workbench, tmp_path: Path
) -> None:
    finished = models.until(bench.train(models.training_plan(tmp_path, "first")), RunFinished).run
    left = bench.runs.folder(finished) / "checkpoint.safetensors"
    left.write_bytes(b"left")
    events = bench.train(models.training_plan(tmp_path, "second"))
    models.until(events, StepDone, 3)
    events.close()  # type: ignore[attr-defined]
    assert not left.exists()
    assert (bench.runs.folder(run_named(bench, "second").id) / "checkpoint.safetensors").exists()


def test_a_run_that_is_closed_behind_its_last_event_is_finished(bench: Workbench, tmp_path: Path) -> None:
    events = bench.train(models.training_plan(tmp_path))
    run = models.until(events, RunFinished).run
    events.close()  # type: ignore[attr-defined]
    assert bench.runs.get(run).state == "finished"
