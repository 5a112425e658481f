"""The Python API: one call for each job, typed results, DataFrames in and out, any thread."""

from __future__ import annotations

import csv
import doctest
import gc
import io
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import made_up
import models
import pandas as pd
import pytest

import weibo_tui
from weibo_tui import (
    Hyperparameters,
    LabelingResult,
    Prediction,
    Predictions,
    ScoreCard,
    StepDone,
    TrainingConfig,
    TrainingResult,
    UserInputError,
    WeiboTuiError,
    Workbench,
)
from weibo_tui.workbench.annotations import AnnotationMethods
from weibo_tui.workbench.core import WorkbenchCore
from weibo_tui.workbench.files import FileMethods
from weibo_tui.workbench.labeled_files import LabeledFileMethods

POSTS = [text for text, _label in made_up.posts(12, seed=3)]
MACHINE: dict[str, Any] = {"device": "cpu", "dtype": "float32", "threads": 1}
SHORT: dict[str, Any] = {
    "epochs": 1,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "bottleneck": 8,
    "max_length": 32,
} | MACHINE
UNKNOWN_OVERLAP = pytest.mark.filterwarnings("ignore:Overlap with the training data:UserWarning")


def frame_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)


# documentation


def test_docstring_examples_give_what_they_show(furnished: Path, few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(few.parent)
    few.rename("posts.csv")
    monkeypatch.setenv("WEIBO_TUI_DEVICE", "cpu")
    monkeypatch.setenv("WEIBO_TUI_DTYPE", "float32")
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner, output = doctest.DocTestRunner(optionflags=flags), io.StringIO()
    with Workbench() as wb:
        for kind in (WorkbenchCore, FileMethods, AnnotationMethods, LabeledFileMethods, Workbench):
            for test in doctest.DocTestFinder().find(kind, globs={"wb": wb, "Path": Path}):
                runner.run(test, out=output.write)
    assert runner.summarize(verbose=False).failed == 0, output.getvalue()
    assert runner.tries > 10


def test_every_public_name_can_be_imported() -> None:
    assert [name for name in weibo_tui.__all__ if getattr(weibo_tui, name, None) is None] == []
    assert set(weibo_tui._PLACES) < set(weibo_tui.__all__) == set(dir(weibo_tui))


# prediction


def test_predict_one_post_equals_many_and_iterator(wb: Workbench) -> None:
    many = wb.predict(iter(POSTS), batch_size=5, machine=models.MACHINE)
    analyses = list(wb.iter_predict(POSTS, machine=models.MACHINE))
    one = wb.predict(POSTS[3], machine=models.MACHINE)
    assert isinstance(one, Prediction)
    assert isinstance(many, Predictions)
    assert [prediction.text for prediction in many] == POSTS
    assert [prediction.label for prediction in many] == [analysis.label for analysis in analyses]
    assert (one.text, one.label, one.adapter, one.error) == (POSTS[3], many[3].label, "mood", None)
    assert one.confidence == max(one.probabilities.values()) == pytest.approx(many[3].confidence, abs=1e-5)
    assert many[1:3].items == (many[1], many[2])
    assert one.to_dict() == {
        "label": one.label,
        "confidence": one.confidence,
        "probabilities": one.probabilities,
        "text": one.text,
        "adapter": "mood",
        "uncertain": one.uncertain,
        "truncated": False,
        "error": None,
    }


def test_predict_records_only_when_asked(wb: Workbench) -> None:
    wb.predict(POSTS[0], machine=models.MACHINE)
    wb.predict(POSTS, machine=models.MACHINE)
    list(wb.iter_predict(POSTS, machine=models.MACHINE))
    assert wb.history.count() == 0
    wb.predict(POSTS[0], record=True, machine=models.MACHINE)
    wb.predict(POSTS[:2], record=True, machine=models.MACHINE)
    assert wb.history.count() == 3


def test_predictions_of_series_keep_its_index(wb: Workbench) -> None:
    texts = pd.Series([POSTS[0], None, POSTS[1]], index=["a", "b", "c"])
    table = wb.predict(texts, machine=models.MACHINE).to_pandas()
    assert list(table) == ["text", "predicted", "confidence", "prob_negative", "prob_positive", "error"]
    assert list(table.index) == ["a", "b", "c"]
    assert list(table["error"].isna()) == [True, False, True]
    assert list(table["predicted"].isna()) == list(table["confidence"].isna()) == [False, True, False]
    plain = wb.predict(list(texts[["a", "c"]]), machine=models.MACHINE)
    assert list(table["predicted"].dropna()) == [prediction.label for prediction in plain]
    assert list(plain.to_pandas().index) == [0, 1]
    assert list(wb.predict([], machine=models.MACHINE).to_pandas()) == list(table)


# training


def test_train_accepts_files_and_frames_alike(wb: Workbench, few: Path, tmp_path: Path) -> None:
    frame = frame_of(few)
    other = made_up.write_posts(tmp_path / "other.csv", 20, seed=9)
    results = [
        wb.train(str(few), "file", **SHORT),
        wb.train(frame, "frame", **SHORT),
        wb.train(
            frame.rename(columns={"review": "a", "label": "b"}), "named", text_column="a", label_column="b", **SHORT
        ),
        wb.train([few, other], "files", **SHORT),
    ]
    assert all(isinstance(result, TrainingResult) for result in results)
    assert [result.adapter for result in results] == ["file", "frame", "named", "files"]
    first, *same, longer = (wb.adapters.card(result.adapter) for result in results)
    assert {card.weights_sha256 for card in same} == {first.weights_sha256} != {longer.weights_sha256}
    assert results[0].score == results[1].score == ScoreCard.from_dict(first.score)
    assert (longer.data["files"], same[0].data["files"]) == (["few.csv", "other.csv"], ["DataFrame.jsonl"])
    assert [wb.runs.get(result.run_id).state for result in results] == ["finished"] * 4
    assert results[0].to_dict() == {"adapter": "file", "score": results[0].score.to_dict(), "run_id": results[0].run_id}
    assert wb.adapter_name() == wb.predict(POSTS[0], machine=models.MACHINE).adapter == "mood"


def test_train_options_reach_every_part_of_config(wb: Workbench, few: Path) -> None:
    hyper = Hyperparameters(epochs=1, batch_size=16, bottleneck=4)
    result = wb.train(
        few, "mine", hyper=hyper, learning_rate=1, test=0.2, labels=["坏", "好"], max_length=32, **MACHINE
    )
    card = wb.adapters.card("mine")
    assert (card.labels, card.bottleneck, card.max_length, result.score.n) == (("坏", "好"), 4, 32, 8)
    assert card.hyperparameters["learning_rate"] == 1.0
    assert wb.runs.get(result.run_id).plan["plan"]["machine"] == MACHINE


@UNKNOWN_OVERLAP
def test_map_reads_other_labels(wb: Workbench, few: Path) -> None:
    frame = frame_of(few)
    frame["label"] = frame["label"].map({0: 1, 1: 5})
    wb.train(frame, "stars", map=["1=差", "5=好"], **SHORT)
    assert wb.adapters.card("stars").labels == ("好", "差")
    rules = {1: "negative", 5: "positive"}
    card = wb.evaluate(frame, map=rules, machine=models.MACHINE)
    assert card == wb.evaluate(few, machine=models.MACHINE)
    assert wb.audit(frame, map=rules).labels == {"negative": 20, "positive": 20}
    with pytest.raises(UserInputError, match="is no rule"):
        wb.audit(frame, map="1")


def interrupting(iter_train: Callable[..., Any]) -> Callable[..., Iterator[object]]:
    """Let a training send Ctrl-C to this process at its second step."""

    def iterate(wb: Workbench, config: TrainingConfig) -> Iterator[object]:
        with closing(iter_train(wb, config)) as events:
            for event in events:
                if isinstance(event, StepDone) and event.step == 2:
                    os.kill(os.getpid(), signal.SIGINT)
                yield event

    return iterate


def test_ctrl_c_stops_training_that_resume_finishes(
    wb: Workbench, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = frame_of(made_up.write_posts(tmp_path / "own.csv", 20, seed=9))
    monkeypatch.setattr(Workbench, "iter_train", interrupting(Workbench.iter_train))
    with pytest.raises(KeyboardInterrupt, match=r"resume\('[\d-]+\w+'\)"):
        wb.train(frame_of(few), "long", validation_data=own, **SHORT | {"epochs": 2})
    (run,) = wb.runs.list()
    assert run.state == "stopped"
    for part in ("data", "validation_data"):
        assert [path.parent for path in map(Path, run.plan["plan"][part])] == [wb.runs.folder(run.id)]
    result = wb.resume(run.id)
    assert isinstance(result, TrainingResult)
    assert (result.adapter, result.run_id) == ("long", run.id)


def test_pretrain_returns_base_and_loss(home: Path, tmp_path: Path) -> None:
    corpus = made_up.write_corpus(tmp_path / "corpus.txt", 300)
    sizes: dict[str, Any] = {"layers": 1, "width": 16, "heads": 2, "positions": 32, "vocabulary": 300}
    recipe: dict[str, Any] = {"context": 16, "batch_size": 8, "tokens": 3000}
    with Workbench(str(home)) as wb:
        result = wb.pretrain(str(corpus), "own", **sizes, **recipe, **MACHINE)
        assert (result.base, wb.base_name()) == ("own", "own")
    assert result.tokens >= 3000
    assert result.validation_loss is None or result.validation_loss > 0


# evaluation


@UNKNOWN_OVERLAP
def test_evaluate_accepts_files_frames_and_texts(wb: Workbench, few: Path, tmp_path: Path) -> None:
    frame, errors = frame_of(few), tmp_path / "wrong.csv"
    card = wb.evaluate(few, machine=models.MACHINE, errors=errors)
    assert isinstance(card, ScoreCard)
    assert card == wb.evaluate(frame, machine=models.MACHINE)
    assert card == wb.evaluate(texts=frame["review"], labels=frame["label"], machine=models.MACHINE)
    names = frame["label"].map({0: "negative", 1: "positive"})
    assert card == wb.evaluate(texts=list(frame["review"]), labels=list(names), machine=models.MACHINE)
    assert card == ScoreCard.from_dict(card.to_dict())
    hits = [
        item.label == name
        for item, name in zip(wb.predict(frame["review"], machine=models.MACHINE), names, strict=True)
    ]
    assert card.n == 40
    assert card.accuracy == pytest.approx(sum(hits) / 40)
    with errors.open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 40 - sum(hits)


def test_evaluate_on_training_data_warns(wb: Workbench, few: Path) -> None:
    wb.train(few, "own", **SHORT)
    with pytest.warns(UserWarning, match="36 of 40 posts are in the adapter's training data"):
        wb.evaluate(few, adapter="own", machine=models.MACHINE)


# labeling


def test_label_file_and_frame_have_equal_columns(wb: Workbench, few: Path, tmp_path: Path) -> None:
    with few.open("a", encoding="utf-8") as file:
        file.write("1,\n")
    out = tmp_path / "out.csv"
    result = wb.label_file(str(few), str(out), machine=models.MACHINE)
    assert isinstance(result, LabelingResult)
    assert (result.path, result.rows, result.failed, sum(result.counts.values())) == (out, 41, 1, 40)
    assert result.to_dict()["counts"] == result.counts
    frame = frame_of(few).set_index(pd.Index(range(100, 141)))
    before = frame.copy()
    second = wb.label_file(frame, prefix="second_", machine=models.MACHINE)
    assert "second_predicted" in second.columns
    labeled = wb.label_file(frame, machine=models.MACHINE)
    assert frame.equals(before)
    assert list(labeled.index) == list(range(100, 141))
    written = pd.read_csv(out)
    assert (
        list(labeled)
        == list(written)
        == [*before, "predicted", "confidence", "prob_negative", "prob_positive", "error"]
    )
    for name in ("review", "label", "predicted", "error"):
        assert labeled[name].isna().tolist() == written[name].isna().tolist()
        assert labeled[name].dropna().tolist() == written[name].dropna().tolist()
    assert labeled["confidence"].tolist() == pytest.approx(written["confidence"].tolist(), abs=1e-5, nan_ok=True)
    assert wb.history.count() == 0
    wb.label_file(few, tmp_path / "again.csv", record=True, machine=models.MACHINE)
    assert wb.history.count() == 1


# errors


FRAME = pd.DataFrame({"text": POSTS[:2], "label": [0, 1]})
REFUSALS: dict[str, Callable[[Any, Any], object]] = {
    "no text": lambda wb, _few: wb.predict(" "),
    "Not posts: int": lambda wb, _few: wb.predict(3),
    "Not posts: DataFrame": lambda wb, _few: wb.predict(FRAME),
    "Post 2 is of type int": lambda wb, _few: wb.predict(["好", 3]),
    "batch-size is 0": lambda wb, _few: wb.predict(POSTS, batch_size=0),
    "Adapter not found: 'gone'": lambda wb, _few: wb.predict("好", adapter="gone"),
    r"Unknown option: epoch \(did you mean epochs\?\)": lambda wb, few: wb.train(few, "x", epoch=1),
    "epochs is '2' and must be of type int": lambda wb, few: wb.train(few, "x", epochs="2"),
    "epochs is 0": lambda wb, few: wb.train(few, "x", epochs=0),
    "Not a file name: int": lambda wb, _few: wb.train(42, "x"),
    "Not a file name: DataFrame": lambda wb, _few: wb.train([FRAME], "x"),
    "two columns named 'text'": lambda wb, _few: wb.train(FRAME[["text", "text", "label"]], "x"),
    "DataFrame.jsonl has no column": lambda wb, _few: wb.train(FRAME, "x", text_column="gone"),
    "gone.csv": lambda wb, _few: wb.train("gone.csv", "x"),
    "Nothing to evaluate on": lambda wb, _few: wb.evaluate(texts=POSTS),
    "2 texts and 1 labels": lambda wb, _few: wb.evaluate(texts=POSTS[:2], labels=[0]),
    "No output file": lambda wb, few: wb.label_file(few),
    "returned, not written": lambda wb, _few: wb.label_file(FRAME, "out.csv"),
    "columns named error already": lambda wb, _few: wb.label_file(FRAME.assign(error="")),
    "Run not found: '20": lambda wb, _few: wb.resume("20260101-000000-0000"),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_invalid_arguments_raise_user_input_error(message: str, wb: Workbench, few: Path) -> None:
    with pytest.raises(UserInputError, match=message) as caught:
        REFUSALS[message](wb, few)
    assert "\n" not in str(caught.value)


def test_system_error_is_own_error(wb: Workbench, few: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(WeiboTuiError):
        wb.label_file(few, folder / "out.csv", machine=models.MACHINE)


# notebooks


HOSTILE = "<script>alert('[哈哈]')</script>\u202e\x1b[31m\ud83d"


def test_html_escapes_all_text() -> None:
    prediction = Prediction(HOSTILE, 0.9, {HOSTILE: 0.9}, HOSTILE, HOSTILE, error=HOSTILE)
    row = {"precision": 0.5, "recall": None, "f1": 0.5, "support": 3}
    card = ScoreCard(n=1, failed=2, per_label={HOSTILE: row}, labels=(HOSTILE,), confusion=((1,),), accuracy=0.5)
    shown: list[Any] = [prediction, Predictions((prediction,), (HOSTILE,)), card, TrainingResult(HOSTILE, card, "run")]
    for result in shown:
        page = result._repr_html_()
        tags = set(re.findall(r"<(/?\w+)", page))
        assert {tag.strip("/") for tag in tags} <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
        assert "&lt;script&gt;" in page
        assert not set("\u202e\x1b") & set(page)
        page.encode("utf-8")


def test_score_card_html_uses_words_of_score_card() -> None:
    row = {"precision": 0.5, "recall": 1.0, "f1": 0.66, "support": 1234}
    card = ScoreCard(
        n=1234,
        failed=1,
        accuracy=0.975,
        accuracy_ci=(0.95, 0.98),
        per_label={"负": row},
        labels=("负",),
        confusion=((1,),),
    )
    page = card._repr_html_()
    for text in ("Accuracy", "97.5% (95.0% – 98.0%)", "without emoticons", "1,234", "precision", "66.0%", "负"):
        assert text in page


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_bar_is_shown_in_terminal_only(
    wb: Workbench, few: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wb.train(few, "quiet", **SHORT)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    wb.train(few, "silent", progress=False, **SHORT)
    assert terminal.getvalue() == ""
    wb.train(few, "shown", **SHORT)
    assert "training" in terminal.getvalue()
    assert "loss" in terminal.getvalue()
    wb.predict(POSTS, batch_size=4, machine=models.MACHINE)
    assert f"4/{len(POSTS)}" in terminal.getvalue()
    monkeypatch.undo()
    assert capsys.readouterr() == ("", "")


# threads and lifetime


def test_threads_predict_and_train_at_once(wb: Workbench, few: Path) -> None:
    models.add_adapter(wb, wb.bases.open("small"), "second", seed=4)
    names = ["mood", "second"] * 4
    expected = {name: wb.predict(POSTS, name, machine=models.MACHINE) for name in names}
    start = threading.Barrier(len(names) + 1)

    def predict(name: str) -> Predictions:
        start.wait(60)
        return wb.predict(POSTS, name, record=True, machine=models.MACHINE)

    def train() -> TrainingResult:
        start.wait(60)
        return wb.train(few, "threaded", **SHORT)

    with ThreadPoolExecutor(len(names) + 1) as pool:
        training = pool.submit(train)
        results = [(name, result) for name, result in zip(names, pool.map(predict, names), strict=True)]
        trained = training.result(120)
    for name, result in results:
        assert result == expected[name]
    assert wb.history.count() == len(names) * len(POSTS)
    assert (
        wb.adapters.card(trained.adapter).weights_sha256
        == wb.adapters.card(wb.train(few, "alone", **SHORT).adapter).weights_sha256
    )


def test_iterator_keeps_its_workbench_open(small_home: Path, wb: Workbench, tmp_path: Path) -> None:
    events = Workbench(wb.paths.data).iter_train(models.training_plan(tmp_path))
    models.until(events, StepDone)
    gc.collect()
    assert [run.state for run in wb.runs.list()] == ["running"]
    events.close()
    assert [run.state for run in wb.runs.list()] == ["stopped"]


def test_workbench_closes_itself_and_opens_again(wb: Workbench) -> None:
    wb.predict(POSTS[0], record=True, machine=models.MACHINE)
    second = Workbench(wb.paths.data)
    assert second.history.count() == 1
    second.close()
    second.close()
    assert second.history.count() == 1
    database = second._database
    del second
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


def test_workbench_left_open_ends_without_warning(wb: Workbench) -> None:
    wb.predict(POSTS[0], record=True, machine=models.MACHINE)
    script = "from weibo_tui import Workbench; wb = Workbench(); print(wb.history.count())"
    words = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)


def test_repr_names_home_device_and_adapter(wb: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIBO_TUI_DEVICE", "cpu")
    assert repr(wb) == f"Workbench(home={str(wb.paths.data)!r}, device='cpu', adapter='mood')"
    wb.remove_adapter("mood")
    assert "no adapter" in repr(wb)
