from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import math
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import made_up
import models
import pytest

from weibo_tui.engine.events import CheckpointSaved, Evaluated, RunFinished, RunStarted, StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingRecipe
from weibo_tui.errors import BadInput, Damaged, WeiboTuiError
from weibo_tui.progress import Progress
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.registry.weights import load_snapshot
from weibo_tui.settings import Settings
from weibo_tui.storage.history import Analysis, LabelledFile
from weibo_tui.workbench import (
    Columns,
    EvaluationPlan,
    LabellingPlan,
    Machine,
    PretrainingPlan,
    TrainingPlan,
    Workbench,
)
from weibo_tui.workbench.evaluation import Scored
from weibo_tui.workbench.labelling import FileLabelled
from weibo_tui.workbench.runs import RunAtWork

HYPER = Hyperparameters(
    epochs=2,
    batch_size=8,
    accumulation=2,
    learning_rate=1e-2,
    bottleneck=8,
    max_length=32,
    dropout=0.2,
    emoticon_dropout=0.5,
)
RECIPE = PretrainingRecipe(tokens=3000, context=16, batch_size=8)


@pytest.fixture
def bench(home: Path, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench with the base `small` and, on it, the adapter `mood`, both of random weights."""
    with Workbench.open(home) as opened:
        models.add_base(opened, tmp_path / "from")
        models.add_adapter(opened, opened.bases.open("small"), "mood")
        opened.use_adapter("mood")
        yield opened


def training_plan(folder: Path, name: str = "trained", posts: int = 80, **changes: Any) -> TrainingPlan:
    data = folder / "posts.csv"
    if not data.exists():
        made_up.write_posts(data, posts)
    fields: dict[str, Any] = {"data": (data,), "hyper": HYPER, "machine": models.MACHINE, "base": "small"}
    return TrainingPlan(name=name, **(fields | changes))


def pretraining_plan(folder: Path, name: str = "made") -> PretrainingPlan:
    corpus = folder / "corpus.txt"
    if not corpus.exists():
        made_up.write_corpus(corpus, 300)
    return PretrainingPlan(
        corpus, name, layers=1, width=16, heads=2, positions=32, vocabulary=300, recipe=RECIPE, machine=models.MACHINE
    )


def snapshot_of(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, but for those of the database, whose pages move when it is only read."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "weibo-tui.db" not in path.name
    }


# plans


PLANS = [
    TrainingPlan((Path("a.csv"), Path("b.tsv")), "x", labels=("坏", "好"), columns=Columns("微博", encoding="gb18030")),
    TrainingPlan((Path("/a.csv"),), "y", hyper=HYPER, machine=Machine("cpu", "bfloat16", 3), overwrite=True, test=0.2),
    PretrainingPlan(Path("c.xz"), "z", recipe=RECIPE, emoticons=False, encoding="utf-16", layers=3),
]


@pytest.mark.parametrize("plan", PLANS)
def test_plan_is_the_same_when_read_back_from_json(plan: TrainingPlan | PretrainingPlan) -> None:
    read = type(plan).from_json(json.loads(json.dumps(plan.to_json(), allow_nan=False)))
    if isinstance(plan, TrainingPlan):
        assert read == dataclasses.replace(plan, data=tuple(path.absolute() for path in plan.data))
    else:
        assert read == dataclasses.replace(plan, corpus=plan.corpus.absolute())


def test_plan_names_everything_that_is_wrong_with_it_at_once() -> None:
    hyper = Hyperparameters(epochs=0, learning_rate=float("nan"), dropout=float("inf"), class_weights="heavy")
    with pytest.raises(BadInput) as refused:
        TrainingPlan((), "x", validation=0.5, test=float("nan"), hyper=hyper, machine=Machine("gpu", "int8", -1))
    said = str(refused.value)
    names = ["no file", "validation", "test", "epochs", "learning-rate", "dropout", "class-weights", "device", "dtype"]
    assert [name for name in [*names, "threads"] if name not in said] == []
    assert "\n" not in said

    with pytest.raises(BadInput) as refused:
        PretrainingPlan(
            Path("c.txt"), "x", vocabulary=5, positions=8, recipe=PretrainingRecipe(), machine=Machine(dtype="float16")
        )
    said = str(refused.value)
    assert [name for name in ["vocab-size", "context", "--minutes and --tokens", "dtype"] if name not in said] == []


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a/b", "模型", "x" * 65])
def test_name_that_could_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="cannot be used"):
        TrainingPlan((Path("a.csv"),), name)


# training


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
    whole = list(bench.train(training_plan(tmp_path, "whole")))
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
    last = run_with_stops(bench, bench.train(training_plan(tmp_path, "parted")), stops)
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


def test_training_goes_back_to_its_checkpoint_where_it_was_killed(bench: Workbench, tmp_path: Path) -> None:
    list(bench.train(training_plan(tmp_path, "whole")))
    events = bench.train(training_plan(tmp_path, "killed"))
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
    plan = training_plan(tmp_path)
    data = plan.data[0].read_bytes()
    events = bench.train(plan)
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)
    events.close()  # type: ignore[attr-defined]
    before = snapshot_of(bench.paths.data)

    plan.data[0].write_bytes(data + "1,又来了一条\n".encode())
    with pytest.raises(BadInput, match=f"data of run {run} has changed .*posts.csv"):
        list(bench.resume(run))
    plan.data[0].write_bytes(data)
    checkpoint = bench.runs.folder(run) / "checkpoint.safetensors"
    kept = checkpoint.read_bytes()
    checkpoint.write_bytes(kept[:-10])
    with pytest.raises(Damaged, match="checkpoint.safetensors is damaged"):
        list(bench.resume(run))
    checkpoint.write_bytes(kept)
    assert bench.runs.get(run).state == "stopped"
    assert snapshot_of(bench.paths.data) == before

    bench.remove_base("small")
    models.add_base(bench, tmp_path / "from", seed=5)
    with pytest.raises(BadInput, match=f"base 'small' is not the one that run {run} began with"):
        list(bench.resume(run))
    bench.remove_base("small")
    models.add_base(bench, tmp_path / "from", seed=0)
    list(bench.resume(run))
    with pytest.raises(BadInput, match=f"run {run} is finished"):
        list(bench.resume(run))


def test_failed_training_marks_its_run_failed_and_keeps_no_adapter(bench: Workbench, tmp_path: Path) -> None:
    broken = models.reference()
    broken.ln_f.bias.data.fill_(float("nan"))
    bench.add_base(models.write_folder(tmp_path / "broken", broken), "broken")
    with pytest.raises(WeiboTuiError, match="no longer a number at step 1: .*--learning-rate"):
        list(bench.train(training_plan(tmp_path, base="broken")))
    (run,) = bench.runs.list()
    assert run.state == "failed"
    assert run.summary is not None
    assert "no longer a number" in run.summary["error"]
    assert [card.name for card in bench.adapters.list()] == ["mood"]


def test_what_is_wrong_with_a_training_is_found_before_a_run_is_made(bench: Workbench, tmp_path: Path) -> None:
    before = snapshot_of(bench.paths.data)
    one_label = tmp_path / "one.csv"
    one_label.write_text("review,label\n" + "".join(f"第{n}条,1\n" for n in range(30)), encoding="utf-8")
    wrong = {
        "named 'mood' is there already": training_plan(tmp_path, "mood"),
        "There is no base 'none'": training_plan(tmp_path, base="none"),
        "reads 64 tokens at most": training_plan(tmp_path, hyper=dataclasses.replace(HYPER, max_length=65)),
        "blocks 'last9' are not": training_plan(tmp_path, hyper=dataclasses.replace(HYPER, blocks="last9")),
        "every post is labelled positive": training_plan(tmp_path, data=(one_label,)),
    }
    for message, plan in wrong.items():
        with pytest.raises(BadInput, match=message):
            list(bench.train(plan))
    assert bench.runs.list() == ()
    assert snapshot_of(bench.paths.data) == before


def test_posts_that_the_tokenizer_finds_empty_are_left_out_and_counted(bench: Workbench, tmp_path: Path) -> None:
    """The vocabulary's normaliser drops the replacement character, which cleaning leaves."""
    plan = training_plan(tmp_path)
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
    events = bench.train(training_plan(tmp_path, "mood", overwrite=True))
    models.until(events, Evaluated)
    assert snapshot_of(bench.adapters.path("mood")) == before
    list(events)
    after = snapshot_of(bench.adapters.path("mood"))
    assert after.keys() == before.keys()
    assert after != before


def test_events_of_training_leave_no_long_stretch_and_tell_of_its_parts(bench: Workbench, tmp_path: Path) -> None:
    events = list(bench.train(training_plan(tmp_path)))
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


# pretraining


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
    with pytest.raises(BadInput, match=f"corpus .*corpus.txt has changed since run {run}"):
        list(bench.resume(run))
    assert bench.runs.get(run).state == "stopped"


# what is chosen and kept in memory


def test_first_base_and_adapter_become_the_defaults_and_others_do_not(home: Path, tmp_path: Path) -> None:
    with Workbench.open(home) as bench:
        with pytest.raises(BadInput, match="no base yet"):
            bench.base_name()
        with pytest.raises(BadInput, match="no adapter yet"):
            bench.adapter_name()
        models.add_base(bench, tmp_path, "one")
        models.add_base(bench, tmp_path, "two", seed=1)
        assert bench.base_name() == "one"
        list(bench.train(training_plan(tmp_path, "first", base="two")))
        list(bench.train(training_plan(tmp_path, "second", base="two")))
        assert bench.adapter_name() == "first"
        assert bench.use_if_first(adapter="second") is False
        bench.use_adapter("second")
        with pytest.raises(BadInput, match="no adapter 'third': take one of first, second"):
            bench.use_adapter("third")
    with Workbench.open(home) as again:
        assert (again.base_name(), again.adapter_name()) == ("one", "second")
        again.remove_base("one")
        assert again.base_name() == "two"  # the only one there is
        models.add_adapter(again, again.bases.open("two"), "third")
        again.remove_adapter("second")
        with pytest.raises(BadInput, match=r"several adapters \(first, third\)"):
            again.adapter_name()
        assert again.adapter_name("third") == "third"


def confidences(bench: Workbench, adapter: str = "") -> list[float | None]:
    posts = ["今天的面真好吃", "[泪]再也不来了"]
    return [one.confidence for one in bench.predict(posts, adapter, machine=models.MACHINE, record=False)]


def test_classifier_is_kept_for_as_long_as_it_is_the_right_one(bench: Workbench, tmp_path: Path) -> None:
    first = bench.classifier("mood", models.MACHINE)
    assert bench.classifier("", models.MACHINE) is first
    mood = confidences(bench)

    base = bench.open_base("small", bench.compute(models.MACHINE))
    assert base.trunk is first.trunk
    models.add_adapter(bench, base, "warm", temperature=3.0)  # the same weights, and a card that says otherwise
    assert confidences(bench, "warm") != mood
    assert confidences(bench, "mood") == mood

    adapter = models.adapter_for(base.trunk.config, seed=8, labels=2)
    bench.adapters.save(adapter, models.card_for(adapter, base, "mood"), overwrite=True)
    assert confidences(bench) != mood

    bench.remove_base("small")
    with pytest.raises(BadInput, match="wants the base 'small'"):
        bench.classifier("mood", models.MACHINE)


@pytest.mark.parametrize(
    "changes",
    [{"width": 64}, {"blocks": (0, 5)}, {"max_length": 65}, {"max_length": 0}, {"max_length": 2}, {"bottleneck": 9}],
    ids=str,
)
def test_card_that_asks_for_what_its_base_has_not_is_refused(bench: Workbench, changes: dict[str, Any]) -> None:
    base = bench.bases.open("small")
    adapter = models.adapter_for(base.trunk.config, labels=2)
    bench.adapters.save(adapter, models.card_for(adapter, base, "odd", **changes))
    with pytest.raises(WeiboTuiError):
        list(bench.predict(["真好"], "odd", machine=models.MACHINE))


# history


def test_verdicts_are_kept_in_the_history_unless_told_not_to(bench: Workbench) -> None:
    posts = ["今天的面真好吃", "", "[SEP][哈哈] =1+1", "\ud83d坏\x00了"]
    found = list(bench.predict(posts, source="cli", machine=models.MACHINE, window=3))
    list(bench.predict(posts, record=False, machine=models.MACHINE))
    kept = [entry for entry in bench.history.page(10) if isinstance(entry, Analysis)]
    assert [entry.text for entry in reversed(kept)] == posts
    assert kept == list(reversed(found))
    assert {entry.source for entry in kept} == {"cli"}
    assert [entry.error is None for entry in reversed(kept)] == [True, False, True, True]
    assert [entry.id for entry in found] == sorted({entry.id for entry in found if entry.id is not None})

    Settings.save(bench.paths, history=False)
    with Workbench.open() as quiet:
        list(quiet.predict(posts, machine=models.MACHINE))
        assert quiet.history.count() == 4
        list(quiet.predict(posts, machine=models.MACHINE, record=True))
        assert quiet.history.count() == 8


def test_predict_pulls_posts_by_the_window_and_answers_each_at_once(bench: Workbench) -> None:
    pulled = []

    def posts() -> Iterator[str]:
        for number in itertools.count():
            pulled.append(number)
            yield f"第{number}条真好"

    analyses = bench.predict(posts(), machine=models.MACHINE, window=4, record=False)
    assert [next(analyses).text for _ in range(5)] == [f"第{n}条真好" for n in range(5)]
    assert pulled == list(range(8))


def test_verdict_says_how_far_it_read_and_whether_it_is_uncertain(bench: Workbench) -> None:
    Settings.save(bench.paths, uncertain_below=1.0)
    with Workbench.open() as strict:
        long, short = "真" * 100, "真好"
        cut, whole = strict.predict([long, short], machine=models.MACHINE, record=False)
    assert (cut.truncated, cut.characters, cut.characters_read) == (True, 100, 30)
    assert (whole.truncated, whole.characters, whole.characters_read) == (False, 2, 2)
    assert cut.uncertain
    assert whole.uncertain


# evaluation


def test_errors_file_holds_exactly_the_posts_judged_wrongly_surest_first(bench: Workbench, tmp_path: Path) -> None:
    files = []
    for number in range(2):
        files.append(made_up.write_posts(tmp_path / f"posts-{number}.csv", 40, seed=number))
        with files[-1].open("a", encoding="utf-8") as unread:
            unread.write("1,http://t.cn/abc\n")
    out = tmp_path / "wrong.csv"
    scored = models.until(bench.evaluate(EvaluationPlan(tuple(files), machine=models.MACHINE, errors=out)), Scored)
    assert scored.errors == str(out)
    assert (scored.score.n, scored.score.failed) == (80, 2)

    expected = {}
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))[:-1]
        verdicts = bench.predict([row["review"] for row in rows], machine=models.MACHINE, record=False)
        for number, (row, verdict) in enumerate(zip(rows, verdicts, strict=True), start=1):
            if verdict.label != ["negative", "positive"][int(row["label"])]:
                expected[str(file), number] = (row["review"], verdict.label, verdict.confidence)
    with out.open(encoding="utf-8-sig", newline="") as stream:
        wrong = list(csv.DictReader(stream))
    assert {(row["file"], int(row["row"])) for row in wrong} == expected.keys()
    for row in wrong:
        text, label, confidence = expected[row["file"], int(row["row"])]
        assert (row["text"].removeprefix("'"), row["predicted"]) == (text, label)
        assert row["label"] != row["predicted"]
        assert float(row["confidence"]) == pytest.approx(confidence, abs=1e-5)
        assert float(row[f"prob_{label}"]) == float(row["confidence"])
    sure = [float(row["confidence"]) for row in wrong]
    assert sure == sorted(sure, reverse=True)
    assert scored.score.accuracy == pytest.approx(1 - len(wrong) / 80)


# labelling


@pytest.fixture
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labelling that keeps its verdicts every 16 rows, so that a small file has several such stretches."""
    monkeypatch.setattr("weibo_tui.workbench.labelling.WINDOW", 16)


def labelled(bench: Workbench, source: Path, out: Path, **changes: Any) -> FileLabelled:
    fields: dict[str, Any] = {"adapter": "mood", "machine": models.MACHINE}
    plan = LabellingPlan(source, out, **(fields | changes))
    found: FileLabelled = models.until(bench.label_file(plan), FileLabelled)
    return found


def start_and_stop(bench: Workbench, source: Path, out: Path, rows: int) -> None:
    events = bench.label_file(LabellingPlan(source, out, "mood", machine=models.MACHINE))
    for event in events:
        if isinstance(event, Progress) and event.stage == "labelling" and event.done >= rows:
            break
    events.close()  # type: ignore[attr-defined]
    assert not out.exists()


def test_labelling_stopped_half_way_and_continued_gives_the_same_bytes(
    bench: Workbench, tmp_path: Path, short_windows: None
) -> None:
    source = made_up.write_posts(tmp_path / "posts.csv", 80)
    with source.open("a", encoding="utf-8") as file:
        file.write("1,\n")
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    assert labelled(bench, source, whole).continued == 0
    start_and_stop(bench, source, out, rows=40)
    partial = tmp_path / "out.csv.partial"
    with partial.open("a", encoding="utf-8") as file:
        file.write('{"predicted": "posi')  # a kill in the middle of a line
    done = labelled(bench, source, out)
    assert 16 <= done.continued <= 40
    assert out.read_bytes() == whole.read_bytes()
    assert not partial.exists()
    assert (done.rows, done.failed, sum(done.counts.values())) == (81, 1, 80)
    entries = [entry for entry in bench.history.page(9) if isinstance(entry, LabelledFile)]
    assert [(entry.out, entry.rows, entry.failed, entry.counts) for entry in entries] == [
        (path, 81, 1, done.counts) for path in (out, whole)
    ]


def test_labelling_begins_anew_where_the_source_or_the_adapter_changed(
    bench: Workbench, tmp_path: Path, short_windows: None
) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    start_and_stop(bench, source, out, rows=40)
    made_up.write_posts(source, 60, seed=7)
    assert labelled(bench, source, out).continued == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["review"] for row in rows] == [text for text, _label in made_up.posts(60, seed=7)]

    with pytest.raises(BadInput, match="out.csv is there already: .*--overwrite"):
        labelled(bench, source, out)
    other = tmp_path / "other.csv"
    start_and_stop(bench, source, other, rows=40)
    models.add_adapter(bench, bench.bases.open("small"), "second", seed=3)
    assert labelled(bench, source, other, adapter="second").continued == 0
    before = out.read_bytes()
    assert labelled(bench, source, out, adapter="second", overwrite=True).rows == 60
    assert out.read_bytes() == other.read_bytes() != before


def test_labelling_refuses_what_it_cannot_write_before_it_judges_a_post(bench: Workbench, tmp_path: Path) -> None:
    source = tmp_path / "posts.csv"
    source.write_text("review,predicted\n真好,x\n", encoding="utf-8")
    with pytest.raises(BadInput, match="columns named predicted"):
        labelled(bench, source, tmp_path / "out.csv")
    fine = made_up.write_posts(tmp_path / "fine.csv", 4)
    with pytest.raises(BadInput, match="would overwrite"):
        labelled(bench, fine, fine, overwrite=True)
    assert sorted(path.name for path in tmp_path.glob("*.partial")) == []


def test_run_cut_off_after_its_adapter_was_kept_is_resumed_to_the_same(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: object) -> NoReturn:
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(RunAtWork, "finish", die)
        with pytest.raises(OSError, match="the power went"):
            deque(bench.train(training_plan(tmp_path)), maxlen=0)
    kept = (bench.adapters.path("trained") / "adapter.safetensors").read_bytes()
    (run,) = bench.runs.list()
    assert run.state == "failed"
    deque(bench.resume(run.id), maxlen=0)
    assert bench.runs.get(run.id).state == "finished"
    assert (bench.adapters.path("trained") / "adapter.safetensors").read_bytes() == kept


def test_base_whose_tokenizer_was_tampered_with_is_refused(bench: Workbench) -> None:
    tokenizer = bench.bases.path("small") / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes() + b" ")
    with pytest.raises(Damaged, match="tokenizer.json"):
        bench.bases.open("small")
