"""The workbench takes the right base and adapter, keeps its verdicts, and measures an adapter."""

from __future__ import annotations

import csv
import dataclasses
import gc
import itertools
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_up
import models
import pytest
import torch

from weibo_tui.engine.device import DEFAULT_THREADS
from weibo_tui.engine.events import Evaluated, RunStarted, StepDone
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.registry import cards
from weibo_tui.settings import Settings
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench import Columns, ComputeOptions, EvaluationConfig, EvaluationResult, Workbench
from weibo_tui.workbench.home import CLASSIFIERS_KEPT

# what is chosen and kept in memory


def test_default_changes_only_when_it_is_chosen(home: Path, tmp_path: Path) -> None:
    with Workbench.open(home) as bench:
        with pytest.raises(UserInputError, match="no base yet"):
            bench.base_name()
        with pytest.raises(UserInputError, match="no adapter yet"):
            bench.adapter_name()
        models.add_base(bench, tmp_path, "one")
        assert bench.base_name() == "one"  # the only one there is
        models.add_base(bench, tmp_path, "two", seed=1)
        with pytest.raises(UserInputError, match=r"several bases \(one, two\)"):
            bench.base_name()
        list(bench.train(models.training_plan(tmp_path, "first", base="two")))
        assert bench.adapter_name() == "first"
        list(bench.train(models.training_plan(tmp_path, "second", base="two")))
        with pytest.raises(UserInputError, match=r"several adapters \(first, second\)"):
            bench.adapter_name()
        assert not bench.paths.settings_file.exists()
        bench.use_base("one")
        bench.use_adapter("second")
        with pytest.raises(UserInputError, match="no adapter 'third': take one of first, second"):
            bench.use_adapter("third")
    with Workbench.open(home) as again:
        assert (again.base_name(), again.adapter_name()) == ("one", "second")
        again.remove_base("one")
        assert again.base_name() == "two"  # the only one there is
        models.add_adapter(again, again.bases.open("two"), "third")
        again.remove_adapter("second")
        with pytest.raises(UserInputError, match=r"several adapters \(first, third\)"):
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
    assert base.backbone is first.backbone
    models.add_adapter(bench, base, "warm", temperature=3.0)  # the same weights, and a card that says otherwise
    assert confidences(bench, "warm") != mood
    assert confidences(bench, "mood") == mood

    adapter = models.adapter_for(base.backbone.config, seed=8, labels=2)
    bench.adapters.save(adapter, models.card_for(adapter, base, "mood"), overwrite=True)
    assert confidences(bench) != mood

    bench.remove_base("small")
    with pytest.raises(UserInputError, match="wants the base 'small'"):
        bench.classifier("mood", models.MACHINE)


def test_classifiers_of_replaced_adapters_are_released(bench: Workbench) -> None:
    base = bench.open_base("small", bench.compute(models.MACHINE))
    classifiers = []
    for seed in range(CLASSIFIERS_KEPT + 3):
        adapter = models.adapter_for(base.backbone.config, seed, labels=2)
        bench.adapters.save(adapter, models.card_for(adapter, base, "mood"), overwrite=True)
        classifiers.append(weakref.ref(bench.classifier("mood", models.MACHINE)))
    gc.collect()
    assert [classifier() is not None for classifier in classifiers] == [False] * 3 + [True] * CLASSIFIERS_KEPT


def test_classifier_used_last_is_released_last(bench: Workbench) -> None:
    base = bench.open_base("small", bench.compute(models.MACHINE))
    first = bench.classifier("mood", models.MACHINE)
    for seed in range(1, CLASSIFIERS_KEPT + 1):
        models.add_adapter(bench, base, f"other{seed}", seed)
        bench.classifier(f"other{seed}", models.MACHINE)
        assert bench.classifier("mood", models.MACHINE) is first


@pytest.fixture
def threads() -> Iterator[None]:
    """Torch's number of threads, restored after the test."""
    number = torch.get_num_threads()
    yield
    torch.set_num_threads(number)


def threads_used(bench: Workbench, number: int) -> int:
    list(bench.predict(["今天的面真好吃"], machine=ComputeOptions("cpu", "float32", number), record=False))
    return torch.get_num_threads()


def test_predict_uses_threads_of_each_call(bench: Workbench, threads: None) -> None:
    assert [threads_used(bench, number) for number in (2, 1, 2, 0)] == [2, 1, 2, DEFAULT_THREADS]
    Settings.save(bench.paths, threads=3)
    assert [threads_used(bench, number) for number in (0, 2)] == [3, 2]


def test_train_between_predictions_keeps_its_threads(bench: Workbench, tmp_path: Path, threads: None) -> None:
    events = bench.train(models.training_plan(tmp_path, machine=ComputeOptions("cpu", "float32", 2)))
    assert models.until(events, RunStarted).threads == 2
    for kind in (StepDone, StepDone, Evaluated):
        assert threads_used(bench, 1) == 1
        models.until(events, kind)
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    "changes",
    [{"width": 64}, {"blocks": (0, 5)}, {"max_length": 65}, {"max_length": 0}, {"max_length": 2}, {"bottleneck": 9}],
    ids=str,
)
def test_card_that_asks_for_what_its_base_has_not_is_refused(bench: Workbench, changes: dict[str, Any]) -> None:
    card = models.add_adapter(bench, bench.bases.open("small"), "odd")
    odd = cards.write(dataclasses.replace(card, **changes))
    (bench.adapters.path("odd") / cards.CARD).write_bytes(odd)
    with pytest.raises(WeiboTuiError):
        list(bench.predict(["真好"], "odd", machine=models.MACHINE))


def test_base_whose_tokenizer_was_tampered_with_is_refused(bench: Workbench) -> None:
    tokenizer = bench.bases.path("small") / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes() + b" ")
    with pytest.raises(CorruptFileError, match="tokenizer.json"):
        bench.bases.open("small")


def test_peek_looks_at_a_file_as_a_plan_would_read_it(bench: Workbench, few: Path) -> None:
    found = bench.peek(few, limit=2)
    with few.open(encoding="utf-8", newline="") as file:
        expected = [(row["review"], row["label"]) for row in itertools.islice(csv.DictReader(file), 2)]
    assert [(row.text, row.label) for row in found.rows] == expected
    assert bench.peek(few, Columns(text="label")).source.text_column == "label"
    with pytest.raises(UserInputError, match="no column 正文"):
        bench.peek(few, Columns(text="正文"))


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
    scored = models.until(
        bench.evaluate(EvaluationConfig(tuple(files), machine=models.MACHINE, errors=out)), EvaluationResult
    )
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


def test_cell_of_the_confusion_matrix_opens_its_posts_surest_first(bench: Workbench, tmp_path: Path) -> None:
    files = tuple(made_up.write_posts(tmp_path / f"posts-{number}.csv", 40, seed=number) for number in range(2))
    with files[0].open("a", encoding="utf-8") as unread:
        unread.write("1,http://t.cn/abc\n")
    out = tmp_path / "wrong.csv"
    plan = EvaluationConfig(files, machine=models.MACHINE, errors=out)
    scored = models.until(bench.evaluate(plan), EvaluationResult)
    labels = scored.score.labels
    tables = {}
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            tables[file] = list(csv.DictReader(stream))

    wrong = []
    for truth, verdict in itertools.product(labels, labels):
        posts = list(scored.posts(truth, verdict))
        assert len(posts) == scored.score.confusion[labels.index(truth)][labels.index(verdict)]
        assert [post.confidence for post in posts] == sorted((post.confidence for post in posts), reverse=True)
        for post in posts:
            row = tables[post.path][post.row - 1]
            assert (post.text, post.label, post.predicted) == (row["review"], truth, verdict)
            assert labels[int(row["label"])] == truth
            assert list(post.probabilities) == list(labels)
            assert post.confidence == max(post.probabilities.values()) == post.probabilities[verdict]
            assert sum(post.probabilities.values()) == pytest.approx(1)
        wrong += posts if truth != verdict else []
    assert len(wrong) > 2
    with out.open(encoding="utf-8-sig", newline="") as stream:
        written = {(row["file"], int(row["row"]), row["predicted"]) for row in csv.DictReader(stream)}
    assert written == {(str(post.path), post.row, post.predicted) for post in wrong}
    assert "posts" not in repr(scored)  # an event may be logged, and a log holds no texts
