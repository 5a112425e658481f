"""Resumed runs end like uninterrupted ones, and refused ones change nothing."""

from __future__ import annotations

import dataclasses
import math
import shutil
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import made_up
import models
import pandas as pd
import pytest
from commands import Command

from weibo_tui import TrainingConfig, Workbench
from weibo_tui.engine.events import CheckpointSaved, Evaluated, JournalDelayed, RunFinished, RunStarted, StepDone
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.progress import Progress
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.registry.weights import load_snapshot
from weibo_tui.workbench.runs import RunSession


def file_contents(folder: Path) -> dict[str, bytes]:
    """Return all files in a folder without the database, which changes when it is read."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "weibo-tui.db" not in path.name
    }


def begin(wb: Workbench, kind: str, folder: Path, name: str) -> Iterator[object]:
    if kind == "train":
        return wb.iter_train(models.training_plan(folder, name))
    return wb.iter_pretrain(models.pretraining_plan(folder, name))


each_kind = pytest.mark.parametrize("kind", ["train", "pretrain"])
Stop = Callable[[object], bool]


def at_step(number: int) -> Stop:
    return lambda event: isinstance(event, StepDone) and event.step == number


def at_stage(stage: str) -> Stop:
    return lambda event: isinstance(event, Progress) and event.stage == stage


def run_with_stops(wb: Workbench, events: Iterator[object], stops: list[Stop]) -> list[object]:
    """Stop and resume a run at the first event of each of `stops` in turn, and return the events after the last."""
    for stop in stops:
        run, step = "", 0
        for event in events:
            if isinstance(event, RunStarted):
                run, step = event.run, event.step
            step = event.step if isinstance(event, StepDone) else step
            if stop(event):
                break
        else:
            raise AssertionError("the run ended before it could be stopped")
        events.close()  # type: ignore[attr-defined]
        assert wb.runs.get(run).state == "stopped"
        # The checkpoint is of the last step, so that no work is lost.
        assert load_snapshot(wb.runs.folder(run) / "checkpoint.safetensors")[0].values["step"] == step
        events = wb.iter_resume(run)
    return list(events)


def journal(wb: Workbench, run: str, kind: str = "StepDone") -> list[dict[str, Any]]:
    """Return the events of one type, without timings."""
    events = [entry.event for entry in wb.runs.events(run) if entry.event["event"] == kind]
    return [{key: event[key] for key in event if key not in ("seconds", "memory")} for event in events]


def card_without_names(card: AdapterCard) -> AdapterCard:
    return dataclasses.replace(card, name="", run="", created_at="")


class Uninterrupted(NamedTuple):
    """The results of a training that nothing interrupted."""

    events: list[object]
    card: AdapterCard
    weights: bytes
    steps: list[dict[str, Any]]
    evaluated: list[dict[str, Any]]
    journal: list[str]


@pytest.fixture(scope="module")
def uninterrupted(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    folder = tmp_path_factory.mktemp("uninterrupted")
    shutil.copytree(small_home, folder / "home")
    with Workbench(folder / "home") as wb:
        events = list(wb.iter_train(models.training_plan(folder, "whole")))
        (run,) = wb.runs.list()
        return Uninterrupted(
            events,
            wb.adapters.card("whole"),
            (wb.adapters.path("whole") / "adapter.safetensors").read_bytes(),
            journal(wb, run.id),
            journal(wb, run.id, "Evaluated"),
            [entry.event["event"] for entry in wb.runs.events(run.id)],
        )


def test_stopped_training_resumes_to_same_result(wb: Workbench, tmp_path: Path, uninterrupted: Uninterrupted) -> None:
    stops = [
        lambda event: isinstance(event, CheckpointSaved),  # before the first step
        at_step(1),
        at_step(4),  # the last of its epoch
        at_stage("validation"),
        lambda event: isinstance(event, Evaluated),
        at_step(6),
        at_stage("calibration"),
        at_stage("without emoticons"),
    ]
    last = run_with_stops(wb, wb.iter_train(models.training_plan(tmp_path, "parted")), stops)[-1]
    (run,) = wb.runs.list()
    assert run.state == "finished"
    assert (wb.adapters.path("parted") / "adapter.safetensors").read_bytes() == uninterrupted.weights
    assert card_without_names(wb.adapters.card("parted")) == card_without_names(uninterrupted.card)
    whole = uninterrupted.events[-1]
    assert isinstance(whole, RunFinished)
    assert isinstance(last, RunFinished)
    assert last.score == whole.score
    assert [step["step"] for step in uninterrupted.steps] == list(range(1, 9))
    assert journal(wb, run.id) == uninterrupted.steps
    assert journal(wb, run.id, "Evaluated") == uninterrupted.evaluated
    assert not (wb.runs.folder(run.id) / "checkpoint.safetensors").exists()


def test_training_events_report_sizes_and_stages(wb: Workbench, uninterrupted: Uninterrupted) -> None:
    started = next(event for event in uninterrupted.events if isinstance(event, RunStarted))
    assert (started.steps, started.base, started.dtype, started.threads) == (8, "small", "float32", 1)
    config = wb.bases.open("small").backbone.config
    assert started.trainable == 2 * (2 * 32 * 8 + 8 + 32) + 2 * 32
    assert started.frozen == sum(math.prod(shape) for _name, shape in config.tensors())
    stages = {event.stage for event in uninterrupted.events if isinstance(event, Progress)}
    assert {"reading", "encoding", "validation", "calibration", "evaluating"} <= stages
    assert len([event for event in uninterrupted.events if isinstance(event, StepDone)]) == 8
    assert (uninterrupted.journal[0], uninterrupted.journal[-1]) == ("RunStarted", "RunFinished")


def test_run_without_versions_resumes_with_the_first_ones(wb: Workbench, tmp_path: Path) -> None:
    rows = [f"{n % 2},第{n}条{'好' if n % 2 else '坏'}极了[{'哈哈' if n % 3 else '泪'}]<br>" for n in range(80)]
    plan = models.training_plan(tmp_path, "whole", grouping=1, preprocessing=1)
    plan.data[0].write_text("label,review\n" + "\n".join(rows) + "\n", encoding="utf-8")
    whole = list(wb.iter_train(plan))[-1]
    run = models.stop_after(wb.iter_train(dataclasses.replace(plan, name="parted")), 3)
    # As an earlier version stored the run.
    forget = "UPDATE runs SET plan = json_remove(plan, '$.plan.grouping', '$.plan.preprocessing') WHERE id = ?"
    with wb.runs._database.transaction():
        assert wb.runs._database.execute(forget, (run,)).rowcount == 1
    resumed = list(wb.iter_resume(run))[-1]
    assert isinstance(whole, RunFinished)
    assert isinstance(resumed, RunFinished)
    assert resumed.score == whole.score


def test_killed_training_resumes_from_its_checkpoint(
    wb: Workbench, tmp_path: Path, uninterrupted: Uninterrupted
) -> None:
    events = wb.iter_train(models.training_plan(tmp_path, "killed"))
    run = models.until(events, RunStarted).run
    checkpoint = wb.runs.folder(run) / "checkpoint.safetensors"
    models.until(events, Evaluated)
    next(events)
    saved = checkpoint.read_bytes()  # at the end of the first epoch
    models.until(events, StepDone, 2)
    events.close()
    checkpoint.write_bytes(saved)  # as after a kill, the journal is ahead of the checkpoint
    assert [step["step"] for step in journal(wb, run)] == [1, 2, 3, 4, 5, 6]
    list(wb.iter_resume(run))
    assert journal(wb, run) == uninterrupted.steps
    assert (wb.adapters.path("killed") / "adapter.safetensors").read_bytes() == uninterrupted.weights


def test_training_on_own_files_resumes_to_same_result(wb: Workbench, tmp_path: Path) -> None:
    """With validation and test files, a seed of the split, and validations between epochs."""
    posts = [text for text, _label in made_up.posts(80)]
    files = {part: made_up.write_posts(tmp_path / f"{part}.csv", 24, seed=7 + len(part)) for part in ("valid", "test")}
    with files["valid"].open("a", encoding="utf-8") as file:
        file.write(f"1,{posts[0]}！\n")
    hyper = dataclasses.replace(models.HYPER, validate_every=3, patience=9, seed=1)

    def plan(name: str) -> TrainingConfig:
        own: dict[str, Any] = {"validation_data": (files["valid"],), "test_data": (files["test"],), "split_seed": 5}
        return models.training_plan(tmp_path, name, hyper=hyper, **own)

    whole = list(wb.iter_train(plan("whole")))
    (started,) = (event for event in whole if isinstance(event, RunStarted))
    assert started.posts["leaks"] >= 1
    card = wb.adapters.card("whole")
    assert (card.data["split_seed"], card.hyperparameters["seed"]) == (5, 1)
    assert (card.data["validation_files"], card.data["test_files"]) == (["valid.csv"], ["test.csv"])
    assert card.score["n"] == card.data["test"] == started.posts["test"] <= 24
    stops = [at_step(3), at_stage("validation"), lambda event: isinstance(event, Evaluated), at_step(5)]
    resumed = run_with_stops(wb, wb.iter_train(plan("parted")), stops)
    assert isinstance(resumed[-1], RunFinished)
    assert card_without_names(wb.adapters.card("parted")) == card_without_names(card)
    first, second = ((wb.adapters.path(name) / "adapter.safetensors").read_bytes() for name in ("whole", "parted"))
    assert first == second

    run = models.stop_after(wb.iter_train(plan("stopped")), 1)
    lines = files["test"].read_text("utf-8").splitlines()
    files["test"].write_text("\n".join(lines[:-1]) + "\n", "utf-8")
    with files["valid"].open("a", encoding="utf-8") as file:
        file.write(lines[-1] + "\n")  # the same posts, but another split
    with pytest.raises(UserInputError, match=f"data of run {run} has changed .*valid.csv.*test.csv"):
        list(wb.iter_resume(run))


def test_resume_with_changed_data_or_base_is_refused(wb: Workbench, tmp_path: Path) -> None:
    plan = models.training_plan(tmp_path)
    data = plan.data[0].read_bytes()
    run = models.stop_after(wb.iter_train(plan), 1)
    before = file_contents(wb.paths.data)

    plan.data[0].write_bytes(data + "1,又来了一条\n".encode())
    with pytest.raises(UserInputError, match=f"data of run {run} has changed .*posts.csv"):
        list(wb.iter_resume(run))
    plan.data[0].write_bytes(data)
    checkpoint = wb.runs.folder(run) / "checkpoint.safetensors"
    saved = checkpoint.read_bytes()
    checkpoint.write_bytes(saved[:-10])
    with pytest.raises(CorruptFileError, match="checkpoint.safetensors is damaged"):
        list(wb.iter_resume(run))
    checkpoint.write_bytes(saved)
    assert wb.runs.get(run).state == "stopped"
    assert file_contents(wb.paths.data) == before

    wb.remove_base("small")
    models.add_base(wb, tmp_path / "from", seed=5)
    with pytest.raises(UserInputError, match=f"Base 'small' has changed since run {run} started"):
        list(wb.iter_resume(run))
    wb.remove_base("small")
    models.add_base(wb, tmp_path / "from", seed=0)
    list(wb.iter_resume(run))
    with pytest.raises(UserInputError, match=f"Run {run} has finished"):
        list(wb.iter_resume(run))


def test_invalid_training_is_refused_before_a_run_exists(wb: Workbench, tmp_path: Path) -> None:
    before = file_contents(wb.paths.data)
    one_label = tmp_path / "one.csv"
    one_label.write_text("review,label\n" + "".join(f"第{n}条,1\n" for n in range(30)), encoding="utf-8")
    hyper = models.HYPER
    for message, changes in {
        "exists: 'mood'": {"name": "mood"},
        "Base not found: 'none'": {"base": "none"},
        "reads at most 64 tokens": {"hyper": dataclasses.replace(hyper, max_length=65)},
        "Invalid blocks 'last9' for a base of 2 blocks": {"hyper": dataclasses.replace(hyper, blocks="last9")},
        "all posts have the label positive": {"data": (one_label,)},
    }.items():
        with pytest.raises(UserInputError, match=message):
            list(wb.iter_train(models.training_plan(tmp_path, **changes)))  # type: ignore[arg-type]
    assert wb.runs.list() == ()
    assert file_contents(wb.paths.data) == before


def test_posts_without_tokens_are_skipped_and_counted(wb: Workbench, tmp_path: Path) -> None:
    """The tokenizer's normalizer drops the replacement character, which cleaning keeps."""
    frame = pd.read_csv(models.training_plan(tmp_path).data[0])
    lost = pd.DataFrame([[number % 2, chr(0xFFFD) * number] for number in range(1, 41)], columns=frame.columns)
    pd.concat([frame, lost]).to_parquet(tmp_path / "lost.parquet")  # a text file would be refused
    plan = models.training_plan(tmp_path, data=(tmp_path / "lost.parquet",))
    events = list(wb.iter_train(plan))
    started = next(event for event in events if isinstance(event, RunStarted))
    trained = sum(event.posts for event in events if isinstance(event, StepDone) and event.epoch == 1)
    assert sum(started.posts.values()) == 120
    assert 0 < trained < started.posts["train"]
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert finished.score is not None
    assert finished.score["n"] + finished.score["failed"] == started.posts["test"]
    assert finished.score["failed"] > 0


def fail_at_finish(monkeypatch: pytest.MonkeyPatch, events: Iterator[object]) -> None:
    """Run a training that fails after saving its model."""

    def fail(*_arguments: object) -> NoReturn:
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(RunSession, "finish", fail)
        with pytest.raises(OSError, match="the power went"):
            deque(events, maxlen=0)


def test_overwriting_training_killed_after_saving_resumes(
    wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file_contents(wb.adapters.path("mood"))
    events = wb.iter_train(models.training_plan(tmp_path, "mood", overwrite=True))
    models.until(events, Evaluated)
    assert file_contents(wb.adapters.path("mood")) == before
    fail_at_finish(monkeypatch, events)
    saved = file_contents(wb.adapters.path("mood"))
    assert saved.keys() == before.keys()
    assert saved != before
    (run,) = wb.runs.list()
    assert run.state == "failed"
    deque(wb.iter_resume(run.id), maxlen=0)
    assert wb.runs.get(run.id).state == "finished"
    weights = "adapter.safetensors"
    assert (wb.adapters.path("mood") / weights).read_bytes() == saved[weights]


def test_pretraining_killed_after_saving_resumes_to_same_base(
    wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = models.pretraining_plan(tmp_path)
    fail_at_finish(monkeypatch, wb.iter_pretrain(plan))
    (run,) = wb.runs.list()
    saved = wb.bases.card("pretrained")
    corpus = plan.corpus.read_bytes()
    plan.corpus.write_bytes(corpus + "又一条\n".encode())
    with pytest.raises(UserInputError, match=f"Corpus .*corpus.txt has changed since run {run.id}"):
        deque(wb.iter_resume(run.id), maxlen=0)
    assert wb.bases.card("pretrained") == saved
    plan.corpus.write_bytes(corpus)
    deque(wb.iter_resume(run.id), maxlen=0)
    assert wb.runs.get(run.id).state == "finished"
    assert wb.bases.card("pretrained").sha256 == saved.sha256


def test_stopped_pretraining_resumes_to_same_base(wb: Workbench, tmp_path: Path) -> None:
    deque(begin(wb, "pretrain", tmp_path, "whole"), maxlen=0)
    stops = [lambda event: isinstance(event, CheckpointSaved), at_step(9), at_stage("validation")]
    run_with_stops(wb, begin(wb, "pretrain", tmp_path, "parted"), stops)
    whole, parted = (file_contents(wb.bases.path(name)) for name in ("whole", "parted"))
    for file in ("model.safetensors", "tokenizer.json", "config.json", "tokenizer_config.json"):
        assert whole[file] == parted[file], file
    assert wb.bases.card("whole").fingerprint == wb.bases.card("parted").fingerprint
    steps = {run.name: journal(wb, run.id) for run in wb.runs.list()}
    assert steps["whole"] == steps["parted"]
    assert [step["step"] for step in steps["whole"]] == list(range(1, 25))


# names of runs


@each_kind
def test_running_run_reserves_its_name_and_base(kind: str, wb: Workbench, tmp_path: Path) -> None:
    late = begin(wb, kind, tmp_path, "twin")
    next(late)  # the name was free when it was checked
    events = begin(wb, kind, tmp_path, "twin")
    run = models.until(events, RunStarted).run
    with Workbench() as other, pytest.raises(UserInputError, match=f"'twin' is reserved by run {run}"):
        next(begin(other, kind, tmp_path, "twin"))
    with pytest.raises(UserInputError, match=f"'twin' is reserved by run {run}"):
        deque(late, maxlen=0)
    if kind == "train":
        with pytest.raises(UserInputError, match=f"'small' is in use by run {run}"):
            wb.remove_base("small")
    events.close()  # type: ignore[attr-defined]
    wb.remove_base("small")


@each_kind
def test_run_whose_name_is_taken_resumes_under_another(
    kind: str, wb: Workbench, tmp_path: Path, command: Command
) -> None:
    run = models.stop_after(begin(wb, kind, tmp_path, "twin"), 1)
    words, existing = (["train"], "mood") if kind == "train" else (["bases", "pretrain"], "small")
    done = command(*words, "--resume", run, "--name", existing)
    assert (done.code, f"exists: '{existing}'" in done.err) == (2, True)
    rename, store = (wb.rename_adapter, wb.adapters) if kind == "train" else (wb.rename_base, wb.bases)
    rename(existing, "twin")  # a stopped run does not reserve its name
    for name in ("", "twin"):
        with pytest.raises(UserInputError, match="exists: 'twin'"):
            deque(wb.iter_resume(run, name), maxlen=0)
    models.stop_after(wb.iter_resume(run, "other"), 1)
    events = wb.iter_resume(run)
    models.until(events, StepDone)
    rename("twin", "other")  # a name taken during the run
    finished = models.until(events, RunFinished)
    deque(events, maxlen=0)
    assert (finished.name, finished.path) == ("other-2", str(store.path("other-2")))
    assert (wb.runs.get(run).name, wb.runs.get(run).state) == ("other", "finished")


# other programs


def test_training_continues_while_database_is_locked(wb: Workbench, tmp_path: Path) -> None:
    events = wb.iter_train(models.training_plan(tmp_path))
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)
    with closing(sqlite3.connect(wb.paths.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        models.until(events, JournalDelayed)
        models.until(events, StepDone)
        other.execute("ROLLBACK")
    deque(events, maxlen=0)
    assert wb.runs.get(run).state == "finished"
    assert [step["step"] for step in journal(wb, run)] == list(range(1, 9))
    assert len(journal(wb, run, "JournalDelayed")) == 1


def test_moved_home_ends_training_and_is_not_recreated(wb: Workbench, tmp_path: Path) -> None:
    events = wb.iter_train(models.training_plan(tmp_path))
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)
    home, moved = wb.paths.data, tmp_path / "moved"
    home.rename(moved)
    with pytest.raises(WeiboTuiError, match=f"{run} does not exist any more, so the run stops"):
        deque(events, maxlen=0)
    assert not home.exists()
    with Workbench(moved) as other:
        deque(other.iter_resume(run), maxlen=0)
        assert other.runs.get(run).state == "finished"
    assert not home.exists()
