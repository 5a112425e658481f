"""The workbench resolves and caches models, records predictions, and evaluates adapters."""

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

from weibo_tui import Columns, ComputeOptions, EvaluationConfig, EvaluationResult, Workbench
from weibo_tui.engine.device import DEFAULT_THREADS
from weibo_tui.engine.events import Evaluated, RunStarted, StepDone
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.registry import cards
from weibo_tui.settings import Settings
from weibo_tui.storage.history import Analysis

# models


def test_default_models_change_only_by_choice(home: Path, tmp_path: Path) -> None:
    with Workbench(home) as wb:
        with pytest.raises(UserInputError, match="no base yet"):
            wb.base_name()
        with pytest.raises(UserInputError, match="no adapter yet"):
            wb.adapter_name()
        models.add_base(wb, tmp_path, "one")
        assert wb.base_name() == "one"  # the only one
        models.add_base(wb, tmp_path, "two", seed=1)
        with pytest.raises(UserInputError, match=r"several bases \(one, two\)"):
            wb.base_name()
        list(wb.iter_train(models.training_plan(tmp_path, "first", base="two")))
        assert wb.adapter_name() == "first"
        models.add_adapter(wb, wb.bases.open("two"), "second")
        with pytest.raises(UserInputError, match=r"several adapters \(first, second\)"):
            wb.adapter_name()
        assert not wb.paths.settings_file.exists()
        wb.set_default_base("one")
        wb.set_default_adapter("second")
        with pytest.raises(UserInputError, match=r"Adapter not found: 'third'\. Choose one of first, second"):
            wb.set_default_adapter("third")
    with Workbench(home) as again:
        assert (again.base_name(), again.adapter_name()) == ("one", "second")
        again.remove_base("one")
        assert again.base_name() == "two"  # the only one
        models.add_adapter(again, again.bases.open("two"), "third")
        again.remove_adapter("second")
        with pytest.raises(UserInputError, match=r"several adapters \(first, third\)"):
            again.adapter_name()
        assert again.adapter_name("third") == "third"


def confidences(wb: Workbench, adapter: str = "") -> list[float | None]:
    posts = ["今天的面真好吃", "[泪]再也不来了"]
    return [analysis.confidence for analysis in wb.iter_predict(posts, adapter, machine=models.MACHINE, record=False)]


def test_classifier_is_cached_until_its_models_change(wb: Workbench, tmp_path: Path) -> None:
    first = wb.classifier("mood", models.MACHINE)
    assert wb.classifier("", models.MACHINE) is first
    mood = confidences(wb)

    base = wb.open_base("small", wb.compute(models.MACHINE))
    assert base.backbone is first.backbone
    models.add_adapter(wb, base, "warm", temperature=3.0)  # the same weights, and a card that says otherwise
    assert confidences(wb, "warm") != mood
    assert confidences(wb, "mood") == mood

    adapter = models.adapter_for(base.backbone.config, seed=8, labels=2)
    wb.adapters.save(adapter, models.card_for(adapter, base, "mood"), overwrite=True)
    assert confidences(wb) != mood

    wb.remove_base("small")
    with pytest.raises(UserInputError, match="needs base 'small'"):
        wb.classifier("mood", models.MACHINE)


def test_least_recently_used_classifier_is_released(wb: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.workbench.models.MAX_CLASSIFIERS", 3)
    base = wb.open_base("small", wb.compute(models.MACHINE))
    first = wb.classifier("mood", models.MACHINE)
    classifiers = []
    for seed in range(5):
        adapter = models.adapter_for(base.backbone.config, seed, labels=2)
        wb.adapters.save(adapter, models.card_for(adapter, base, "other"), overwrite=True)
        classifiers.append(weakref.ref(wb.classifier("other", models.MACHINE)))
        assert wb.classifier("mood", models.MACHINE) is first
    gc.collect()
    assert [classifier() is not None for classifier in classifiers] == [False] * 3 + [True] * 2


@pytest.fixture
def threads() -> Iterator[None]:
    """Restore torch's number of threads after the test."""
    number = torch.get_num_threads()
    yield
    torch.set_num_threads(number)


def threads_used(wb: Workbench, number: int) -> int:
    list(wb.iter_predict(["今天的面真好吃"], machine=ComputeOptions("cpu", "float32", number), record=False))
    return torch.get_num_threads()


def test_predict_uses_threads_of_each_call(wb: Workbench, threads: None) -> None:
    assert [threads_used(wb, number) for number in (2, 1, 2, 0)] == [2, 1, 2, DEFAULT_THREADS]
    Settings.save(wb.paths, threads=3)
    assert [threads_used(wb, number) for number in (0, 2)] == [3, 2]


def test_training_between_predictions_keeps_its_threads(wb: Workbench, tmp_path: Path, threads: None) -> None:
    events = wb.iter_train(models.training_plan(tmp_path, machine=ComputeOptions("cpu", "float32", 2)))
    assert models.until(events, RunStarted).threads == 2
    for kind in (StepDone, StepDone, Evaluated):
        assert threads_used(wb, 1) == 1
        models.until(events, kind)
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    "changes",
    [{"width": 64}, {"blocks": (0, 5)}, {"max_length": 65}, {"max_length": 0}, {"max_length": 2}, {"bottleneck": 9}],
    ids=str,
)
def test_card_that_does_not_fit_its_base_is_refused(wb: Workbench, changes: dict[str, Any]) -> None:
    card = models.add_adapter(wb, wb.bases.open("small"), "odd")
    odd = cards.write(dataclasses.replace(card, **changes))
    (wb.adapters.path("odd") / cards.CARD).write_bytes(odd)
    with pytest.raises(WeiboTuiError):
        list(wb.iter_predict(["真好"], "odd", machine=models.MACHINE))


def test_base_with_changed_tokenizer_is_refused(wb: Workbench) -> None:
    tokenizer = wb.bases.path("small") / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes() + b" ")
    with pytest.raises(CorruptFileError, match="tokenizer.json"):
        wb.bases.open("small")


def test_peek_returns_first_rows_and_columns(wb: Workbench, few: Path) -> None:
    preview = wb.peek(few, limit=2)
    with few.open(encoding="utf-8", newline="") as file:
        expected = [(row["review"], row["label"]) for row in itertools.islice(csv.DictReader(file), 2)]
    assert [(row.text, row.label) for row in preview.rows] == expected
    assert wb.peek(few, Columns(text="label")).source.text_column == "label"
    with pytest.raises(UserInputError, match="no column 正文"):
        wb.peek(few, Columns(text="正文"))


# history


def test_predictions_are_recorded_as_requested(wb: Workbench) -> None:
    posts = ["今天的面真好吃", "", "[SEP][哈哈] =1+1", "\ud83d坏\x00了"]
    analyses = list(wb.iter_predict(posts, record=None, source="cli", machine=models.MACHINE, window=3))
    list(wb.iter_predict(posts, machine=models.MACHINE))
    entries = [entry for entry in wb.history.page(10) if isinstance(entry, Analysis)][::-1]
    assert [entry.text for entry in entries] == posts
    assert entries == analyses
    assert {entry.source for entry in entries} == {"cli"}
    assert [entry.error is None for entry in entries] == [True, False, True, True]
    assert [entry.id for entry in analyses] == sorted({entry.id for entry in analyses if entry.id is not None})

    Settings.save(wb.paths, history=False)
    with Workbench() as quiet:
        list(quiet.iter_predict(posts, record=None, machine=models.MACHINE))
        assert quiet.history.count() == 4
        list(quiet.iter_predict(posts, machine=models.MACHINE, record=True))
        assert quiet.history.count() == 8


def test_predict_reads_posts_window_by_window(wb: Workbench) -> None:
    pulled = []

    def posts() -> Iterator[str]:
        for number in itertools.count():
            pulled.append(number)
            yield f"第{number}条真好"

    analyses = wb.iter_predict(posts(), machine=models.MACHINE, window=4, record=False)
    assert [next(analyses).text for _ in range(5)] == [f"第{n}条真好" for n in range(5)]
    assert pulled == list(range(8))


def test_prediction_reports_truncation_and_uncertainty(wb: Workbench) -> None:
    Settings.save(wb.paths, uncertain_below=1.0)
    with Workbench() as strict:
        long, short = "真" * 100, "真好"
        cut, whole = strict.iter_predict([long, short], machine=models.MACHINE, record=False)
    assert (cut.truncated, cut.characters, cut.characters_read) == (True, 100, 30)
    assert (whole.truncated, whole.characters, whole.characters_read) == (False, 2, 2)
    assert cut.uncertain
    assert whole.uncertain


# evaluation


def test_evaluation_counts_predictions_of_labels_without_posts(wb: Workbench, tmp_path: Path) -> None:
    rows = [(label, text) for text, label in made_up.posts(40, seed=3)]
    for labels, said in (({"0", "1"}, False), ({"1"}, True)):
        file = tmp_path / "posts.csv"
        lines = [f"{label if str(label) in labels else 1},{text}" for label, text in rows]
        file.write_text("\n".join(("label,review", *lines)), encoding="utf-8")
        result = models.until(wb.iter_evaluate(EvaluationConfig((file,), machine=models.MACHINE)), EvaluationResult)
        negative = sum(row[0] for row in result.score.confusion)
        assert negative > 0
        sentence = f"No post is labeled negative, but {negative} of 40 predictions are"
        assert (sentence in result.warning) == said


def test_evaluation_lists_posts_of_each_cell_and_errors(wb: Workbench, tmp_path: Path) -> None:
    files = tuple(made_up.write_posts(tmp_path / f"posts-{number}.csv", 40, seed=number) for number in range(2))
    for file in files:
        with file.open("a", encoding="utf-8") as stream:
            stream.write("1,http://t.cn/abc\n")  # unreadable
    out = tmp_path / "wrong.csv"
    config = EvaluationConfig(files, machine=models.MACHINE, errors=out)
    result = models.until(wb.iter_evaluate(config), EvaluationResult)
    assert result.errors == str(out)
    assert (result.score.n, result.score.failed) == (80, 2)
    assert "dataset" not in repr(result)  # an event may be logged, and the log contains no texts

    labels, wrong = result.score.labels, []
    tables = {}
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))[:-1]
        analyses = wb.iter_predict([row["review"] for row in rows], machine=models.MACHINE, record=False)
        tables[file] = list(zip(rows, analyses, strict=True))
    for actual, predicted in itertools.product(labels, labels):
        posts = list(result.posts(actual, predicted))
        assert len(posts) == result.score.confusion[labels.index(actual)][labels.index(predicted)]
        assert [post.confidence for post in posts] == sorted((post.confidence for post in posts), reverse=True)
        for post in posts:
            row, analysis = tables[post.path][post.row - 1]
            assert (post.text, post.label, post.predicted) == (row["review"], actual, predicted)
            assert (labels[int(row["label"])], analysis.label) == (actual, predicted)
            assert list(post.probabilities) == list(labels)
            assert post.confidence == max(post.probabilities.values()) == post.probabilities[predicted]
            assert post.confidence == pytest.approx(analysis.confidence, abs=1e-5)
            assert sum(post.probabilities.values()) == pytest.approx(1)
        wrong += posts if actual != predicted else []
    assert len(wrong) > 2
    assert result.score.accuracy == pytest.approx(1 - len(wrong) / 80)

    with out.open(encoding="utf-8-sig", newline="") as stream:
        written = list(csv.DictReader(stream))
    expected = {(str(post.path), post.row): post for post in wrong}
    assert {(row["file"], int(row["row"])) for row in written} == expected.keys()
    for row in written:
        post = expected[row["file"], int(row["row"])]
        assert (row["text"].removeprefix("'"), row["label"], row["predicted"]) == (
            post.text,
            post.label,
            post.predicted,
        )
        assert float(row["confidence"]) == pytest.approx(post.confidence, abs=1e-5)
        assert row[f"prob_{post.predicted}"] == row["confidence"]
    confidences_written = [float(row["confidence"]) for row in written]
    assert confidences_written == sorted(confidences_written, reverse=True)
