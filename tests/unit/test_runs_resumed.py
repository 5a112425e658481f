"""A run that was stopped or cut off ends as the undisturbed one does, and one that fails leaves what was kept alone."""

from __future__ import annotations

import dataclasses
import math
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import made_up
import models
import pytest
from commands import Command

from weibo_tui.engine.events import CheckpointSaved, Evaluated, JournalDelayed, RunFinished, RunStarted, StepDone
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.progress import Progress
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.registry.weights import load_snapshot
from weibo_tui.workbench import PretrainingConfig, Workbench
from weibo_tui.workbench.runs import ActiveRun


def pretraining_plan(folder: Path, name: str = "made") -> PretrainingConfig:
    corpus = folder / "corpus.txt"
    if not corpus.exists():
        made_up.write_corpus(corpus, 300)
    return PretrainingConfig(
        corpus,
        name,
        layers=1,
        width=16,
        heads=2,
        positions=32,
        vocabulary=300,
        recipe=models.RECIPE,
        machine=models.MACHINE,
    )


def snapshot_of(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, but for those of the database, whose pages move when it is only read."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "weibo-tui.db" not in path.name
    }


Stop = Callable[[object], bool]


def at_step(number: int) -> Stop:
    return lambda event: isinstance(event, StepDone) and event.step == number


def at_stage(stage: str) -> Stop:
    return lambda event: isinstance(event, Progress) and event.stage == stage


def run_with_stops(bench: Workbench, events: Iterator[object], stops: list[Stop]) -> list[object]:
    """Pull a run, close it at the first event of each of `stops` in turn, and resume it; the events after the last."""
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
        assert bench.runs.get(run).state == "stopped"
        # Nothing that was done is lost: the checkpoint is of the last step, and work goes on behind it.
        assert load_snapshot(bench.runs.folder(run) / "checkpoint.safetensors")[0].values["step"] == step
        events = bench.resume(run)
    return list(events)


def steps_in_journal(bench: Workbench, run: str) -> list[dict[str, Any]]:
    """The journal's steps, less what differs by the clock."""
    kept = [entry.event for entry in bench.runs.events(run) if entry.event["event"] == "StepDone"]
    return [{key: step[key] for key in step if key not in ("seconds", "memory")} for step in kept]


def card_without_names(card: AdapterCard) -> AdapterCard:
    return dataclasses.replace(card, name="", run="", created_at="")


def test_training_stopped_anywhere_and_resumed_equals_the_undisturbed_one(bench: Workbench, tmp_path: Path) -> None:
    whole = list(bench.train(models.training_plan(tmp_path, "whole")))
    stops = [
        lambda event: isinstance(event, CheckpointSaved),  # before the first step
        at_step(1),
        at_step(3),
        at_step(4),  # the last of its epoch
        at_stage("validation"),
        lambda event: isinstance(event, Evaluated),
        at_step(6),
        at_stage("calibration"),
        at_stage("without emoticons"),
    ]
    last = run_with_stops(bench, bench.train(models.training_plan(tmp_path, "parted")), stops)
    runs = {run.name: run for run in bench.runs.list()}
    assert {run.state for run in runs.values()} == {"finished"}

    weights = [(bench.adapters.path(name) / "adapter.safetensors").read_bytes() for name in ("whole", "parted")]
    assert weights[0] == weights[1]
    cards = [card_without_names(bench.adapters.card(name)) for name in ("whole", "parted")]
    assert cards[0] == cards[1]
    assert isinstance(last[-1], RunFinished)
    assert isinstance(whole[-1], RunFinished)
    assert last[-1].score == whole[-1].score

    journals = [steps_in_journal(bench, runs[name].id) for name in ("whole", "parted")]
    assert [step["step"] for step in journals[0]] == list(range(1, 9))
    assert journals[0] == journals[1]
    evaluated = [[e.event for e in bench.runs.events(runs[n].id) if e.event["event"] == "Evaluated"] for n in runs]
    assert evaluated[0] == evaluated[1]
    assert not (bench.runs.folder(runs["parted"].id) / "checkpoint.safetensors").exists()


def test_run_from_before_groupings_resumes_with_its_own_split(bench: Workbench, tmp_path: Path) -> None:
    rows = [f"{n % 2},第{n}条{'好' if n % 2 else '坏'}极了[{'哈哈' if n % 3 else '泪'}]" for n in range(80)]
    plan = models.training_plan(tmp_path, "whole", grouping=1)
    plan.data[0].write_text("label,review\n" + "\n".join(rows) + "\n", encoding="utf-8")
    whole = list(bench.train(plan))
    events = bench.train(dataclasses.replace(plan, name="parted"))
    run = models.until(events, RunStarted).run
    models.until(events, StepDone, 3)
    events.close()  # type: ignore[attr-defined]
    # As such a run was kept.
    forget = "UPDATE runs SET plan = json_remove(plan, '$.plan.grouping') WHERE id = ?"
    with bench.runs._database.transaction():
        assert bench.runs._database.execute(forget, (run,)).rowcount == 1
    resumed = list(bench.resume(run))
    assert isinstance(whole[-1], RunFinished)
    assert isinstance(resumed[-1], RunFinished)
    assert resumed[-1].score == whole[-1].score


def test_training_goes_back_to_its_checkpoint_where_it_was_killed(bench: Workbench, tmp_path: Path) -> None:
    list(bench.train(models.training_plan(tmp_path, "whole")))
    events = bench.train(models.training_plan(tmp_path, "killed"))
    run = models.until(events, RunStarted).run
    checkpoint = bench.runs.folder(run) / "checkpoint.safetensors"
    models.until(events, Evaluated)
    next(events)
    kept = checkpoint.read_bytes()  # of the end of the first epoch
    models.until(events, StepDone, 2)
    events.close()  # type: ignore[attr-defined]
    # What a kill leaves: the journal is ahead of the checkpoint.
    checkpoint.write_bytes(kept)
    assert [step["step"] for step in steps_in_journal(bench, run)] == [1, 2, 3, 4, 5, 6]
    list(bench.resume(run))
    assert [step["step"] for step in steps_in_journal(bench, run)] == [1, 2, 3, 4, 5, 6, 7, 8]
    weights = [(bench.adapters.path(name) / "adapter.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]


def test_resume_is_refused_where_data_or_base_changed_or_the_run_is_done(bench: Workbench, tmp_path: Path) -> None:
    plan = models.training_plan(tmp_path)
    data = plan.data[0].read_bytes()
    events = bench.train(plan)
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)
    events.close()  # type: ignore[attr-defined]
    before = snapshot_of(bench.paths.data)

    plan.data[0].write_bytes(data + "1,又来了一条\n".encode())
    with pytest.raises(UserInputError, match=f"data of run {run} has changed .*posts.csv"):
        list(bench.resume(run))
    plan.data[0].write_bytes(data)
    checkpoint = bench.runs.folder(run) / "checkpoint.safetensors"
    kept = checkpoint.read_bytes()
    checkpoint.write_bytes(kept[:-10])
    with pytest.raises(CorruptFileError, match="checkpoint.safetensors is damaged"):
        list(bench.resume(run))
    checkpoint.write_bytes(kept)
    assert bench.runs.get(run).state == "stopped"
    assert snapshot_of(bench.paths.data) == before

    bench.remove_base("small")
    models.add_base(bench, tmp_path / "from", seed=5)
    with pytest.raises(UserInputError, match=f"base 'small' is not the one that run {run} began with"):
        list(bench.resume(run))
    bench.remove_base("small")
    models.add_base(bench, tmp_path / "from", seed=0)
    list(bench.resume(run))
    with pytest.raises(UserInputError, match=f"run {run} is finished"):
        list(bench.resume(run))


def test_what_is_wrong_with_a_training_is_found_before_a_run_is_made(bench: Workbench, tmp_path: Path) -> None:
    before = snapshot_of(bench.paths.data)
    one_label = tmp_path / "one.csv"
    one_label.write_text("review,label\n" + "".join(f"第{n}条,1\n" for n in range(30)), encoding="utf-8")
    wrong = {
        "named 'mood' is there already": models.training_plan(tmp_path, "mood"),
        "There is no base 'none'": models.training_plan(tmp_path, base="none"),
        "reads 64 tokens at most": models.training_plan(
            tmp_path, hyper=dataclasses.replace(models.HYPER, max_length=65)
        ),
        "blocks 'last9' are not": models.training_plan(
            tmp_path, hyper=dataclasses.replace(models.HYPER, blocks="last9")
        ),
        "every post is labelled positive": models.training_plan(tmp_path, data=(one_label,)),
    }
    for message, plan in wrong.items():
        with pytest.raises(UserInputError, match=message):
            list(bench.train(plan))
    assert bench.runs.list() == ()
    assert snapshot_of(bench.paths.data) == before


def test_posts_that_the_tokenizer_finds_empty_are_left_out_and_counted(bench: Workbench, tmp_path: Path) -> None:
    """The vocabulary's normaliser drops the replacement character, which cleaning leaves."""
    plan = models.training_plan(tmp_path)
    with plan.data[0].open("a", encoding="utf-8") as file:
        file.writelines(f"{number % 2},{chr(0xFFFD) * number}\n" for number in range(1, 41))
    events = list(bench.train(plan))
    started = next(event for event in events if isinstance(event, RunStarted))
    seen = sum(event.posts for event in events if isinstance(event, StepDone) and event.epoch == 1)
    assert sum(started.posts.values()) == 120
    assert 0 < seen < started.posts["train"]
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert finished.score is not None
    assert finished.score["n"] + finished.score["failed"] == started.posts["test"]
    assert finished.score["failed"] > 0


def test_overwritten_adapter_is_replaced_only_when_its_training_ends(bench: Workbench, tmp_path: Path) -> None:
    before = snapshot_of(bench.adapters.path("mood"))
    events = bench.train(models.training_plan(tmp_path, "mood", overwrite=True))
    models.until(events, Evaluated)
    assert snapshot_of(bench.adapters.path("mood")) == before
    list(events)
    after = snapshot_of(bench.adapters.path("mood"))
    assert after.keys() == before.keys()
    assert after != before


def test_events_of_training_leave_no_long_stretch_and_tell_of_its_parts(bench: Workbench, tmp_path: Path) -> None:
    events = list(bench.train(models.training_plan(tmp_path)))
    started = next(event for event in events if isinstance(event, RunStarted))
    assert (started.steps, started.base, started.dtype, started.threads) == (8, "small", "float32", 1)
    config = bench.bases.open("small").trunk.config
    assert started.trainable == 2 * (2 * 32 * 8 + 8 + 32) + 2 * 32
    assert started.frozen == sum(math.prod(shape) for _name, shape in config.tensors())
    stages = [event.stage for event in events if isinstance(event, Progress)]
    assert {"reading", "encoding", "validation", "calibration", "evaluating"} <= set(stages)
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    assert len(losses) == 8
    steps = [entry.event["event"] for entry in bench.runs.events(started.run)]
    assert (steps[0], steps[-1]) == ("RunStarted", "RunFinished")


def test_run_cut_off_after_its_adapter_was_kept_is_resumed_to_the_same(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: object) -> NoReturn:
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(ActiveRun, "finish", die)
        with pytest.raises(OSError, match="the power went"):
            deque(bench.train(models.training_plan(tmp_path)), maxlen=0)
    kept = (bench.adapters.path("trained") / "adapter.safetensors").read_bytes()
    (run,) = bench.runs.list()
    assert run.state == "failed"
    deque(bench.resume(run.id), maxlen=0)
    assert bench.runs.get(run.id).state == "finished"
    assert (bench.adapters.path("trained") / "adapter.safetensors").read_bytes() == kept


def test_base_of_a_run_cut_off_after_it_was_kept_stays_until_the_same_is_made_again(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: object) -> NoReturn:
        raise OSError("the power went")

    plan = pretraining_plan(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(ActiveRun, "finish", die)
        with pytest.raises(OSError, match="the power went"):
            deque(bench.pretrain(plan), maxlen=0)
    (run,) = bench.runs.list()
    kept = bench.bases.card("made")
    corpus = plan.corpus.read_bytes()
    plan.corpus.write_bytes(corpus + "又一条\n".encode())
    with pytest.raises(UserInputError, match="has changed"):
        deque(bench.resume(run.id), maxlen=0)
    assert bench.bases.card("made") == kept
    plan.corpus.write_bytes(corpus)
    deque(bench.resume(run.id), maxlen=0)
    assert bench.runs.get(run.id).state == "finished"
    assert bench.bases.card("made").sha256 == kept.sha256


def test_pretraining_stopped_and_resumed_equals_the_undisturbed_one(bench: Workbench, tmp_path: Path) -> None:
    whole = list(bench.pretrain(pretraining_plan(tmp_path, "whole")))
    stops = [lambda event: isinstance(event, CheckpointSaved), at_step(1), at_step(9), at_stage("validation")]
    run_with_stops(bench, bench.pretrain(pretraining_plan(tmp_path, "parted")), stops)
    for file in ("model.safetensors", "tokenizer.json", "config.json", "tokenizer_config.json"):
        assert (bench.bases.path("whole") / file).read_bytes() == (bench.bases.path("parted") / file).read_bytes(), file
    assert bench.bases.card("whole").fingerprint == bench.bases.card("parted").fingerprint
    runs = {run.name: run.id for run in bench.runs.list()}
    journals = [steps_in_journal(bench, runs[name]) for name in ("whole", "parted")]
    assert journals[0] == journals[1]
    assert [step["step"] for step in journals[0]] == list(range(1, 25))
    assert isinstance(whole[-1], RunFinished)


def test_resuming_a_pretraining_is_refused_where_the_corpus_changed(bench: Workbench, tmp_path: Path) -> None:
    plan = pretraining_plan(tmp_path)
    events = bench.pretrain(plan)
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)
    events.close()  # type: ignore[attr-defined]
    with plan.corpus.open("a", encoding="utf-8") as file:
        file.write("又一条\n")
    with pytest.raises(UserInputError, match=f"corpus .*corpus.txt has changed since run {run}"):
        list(bench.resume(run))
    assert bench.runs.get(run).state == "stopped"


# names of runs that go on


def test_name_of_a_running_training_is_reserved(bench: Workbench, tmp_path: Path) -> None:
    events = bench.train(models.training_plan(tmp_path, "twin"))
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)
    with Workbench.open() as other, pytest.raises(UserInputError, match=f"'twin' is reserved by run {run}"):
        next(other.train(models.training_plan(tmp_path, "twin", overwrite=True)))
    (only,) = bench.runs.list()
    deque(events, maxlen=0)
    assert bench.adapters.card("twin").run == only.id


def test_name_of_a_running_pretraining_is_reserved(bench: Workbench, tmp_path: Path) -> None:
    events = bench.pretrain(pretraining_plan(tmp_path))
    run = models.until(events, RunStarted).run
    with pytest.raises(UserInputError, match=f"'made' is reserved by run {run}"):
        next(bench.pretrain(pretraining_plan(tmp_path)))
    events.close()  # type: ignore[attr-defined]


def test_two_runs_of_one_name_that_prepare_at_once_are_not_both_begun(bench: Workbench, tmp_path: Path) -> None:
    late = bench.train(models.training_plan(tmp_path, "twin"))
    next(late)  # it found the name free, and prepares
    events = bench.train(models.training_plan(tmp_path, "twin"))
    run = models.until(events, RunStarted).run
    with pytest.raises(UserInputError, match=f"'twin' is reserved by run {run}"):
        deque(late, maxlen=0)
    deque(events, maxlen=0)
    assert bench.adapters.card("twin").run == run


@pytest.mark.parametrize("kind", ["train", "pretrain"])
def test_stopped_run_is_resumed_under_another_name(kind: str, bench: Workbench, tmp_path: Path) -> None:
    def begin(name: str) -> Iterator[object]:
        if kind == "train":
            return bench.train(models.training_plan(tmp_path, name))
        return bench.pretrain(pretraining_plan(tmp_path, name))

    events = begin("twin")
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)
    events.close()  # type: ignore[attr-defined]
    deque(begin("twin"), maxlen=0)  # a run that is stopped reserves nothing
    with pytest.raises(UserInputError, match="'twin' is there already"):
        deque(bench.resume(run), maxlen=0)
    with pytest.raises(UserInputError, match="'twin' is there already"):
        deque(bench.resume(run, "twin"), maxlen=0)
    events = bench.resume(run, "other")
    models.until(events, StepDone)
    events.close()  # type: ignore[attr-defined]
    deque(bench.resume(run), maxlen=0)  # the name stays
    assert (bench.runs.get(run).name, bench.runs.get(run).state) == ("other", "finished")
    shelf = bench.adapters if kind == "train" else bench.bases
    first, other = (next(shelf.path(name).glob("*.safetensors")).read_bytes() for name in ("twin", "other"))
    assert first == other


def test_resume_command_heeds_the_name(bench: Workbench, tmp_path: Path, command: Command) -> None:
    events = bench.train(models.training_plan(tmp_path, "first"))
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)
    events.close()  # type: ignore[attr-defined]
    done = command.ok("train", "--resume", run, "--name", "second")
    assert "Kept as 'second'" in done.err
    assert [card.name for card in bench.adapters.list()] == ["mood", "second"]


@pytest.mark.parametrize("kind", ["train", "pretrain"])
def test_finished_run_whose_name_was_taken_is_kept_as_the_next(kind: str, bench: Workbench, tmp_path: Path) -> None:
    if kind == "train":
        events = bench.train(models.training_plan(tmp_path, "twin"))
    else:
        events = bench.pretrain(pretraining_plan(tmp_path, "twin"))
    run = models.until(events, RunStarted).run
    if kind == "train":
        bench.rename_adapter("mood", "twin")
    else:
        bench.rename_base("small", "twin")
    finished = models.until(events, RunFinished)
    deque(events, maxlen=0)
    assert finished.name == "twin-2"
    shelf = bench.adapters if kind == "train" else bench.bases
    assert finished.path == str(shelf.path("twin-2"))
    assert bench.runs.get(run).state == "finished"


# a home that others work on


def test_training_goes_on_while_another_program_writes(bench: Workbench, tmp_path: Path) -> None:
    events = bench.train(models.training_plan(tmp_path))
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)
    with closing(sqlite3.connect(bench.paths.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        models.until(events, JournalDelayed)
        models.until(events, StepDone)
        other.execute("ROLLBACK")
    deque(events, maxlen=0)
    assert bench.runs.get(run).state == "finished"
    assert [step["step"] for step in steps_in_journal(bench, run)] == list(range(1, 9))
    assert [entry.event["event"] for entry in bench.runs.events(run)].count("JournalDelayed") == 1


def test_home_that_is_moved_ends_a_training_and_is_not_made_again(bench: Workbench, tmp_path: Path) -> None:
    events = bench.train(models.training_plan(tmp_path))
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)
    home, moved = bench.paths.data, tmp_path / "moved"
    home.rename(moved)
    with pytest.raises(WeiboTuiError, match=f"{run} is gone, so the run stops"):
        deque(events, maxlen=0)
    assert not home.exists()
    with Workbench.open(moved) as there:
        deque(there.resume(run), maxlen=0)
        assert there.runs.get(run).state == "finished"
    assert not home.exists()


def test_base_in_use_by_a_running_training_is_not_removed(bench: Workbench, tmp_path: Path) -> None:
    events = bench.train(models.training_plan(tmp_path))
    run = models.until(events, RunStarted).run
    with Workbench.open() as other, pytest.raises(UserInputError, match=f"'small' is in use by run {run}"):
        other.remove_base("small")
    events.close()  # type: ignore[attr-defined]
    bench.remove_base("small")
