"""Labels of the model in an exported history are not used for training or evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from commands import Command, json_lines
from histories import ANALYSIS
from made_up import numeral

from weibo_tui.datasets.auditing import audit
from weibo_tui.datasets.dataset import load_dataset
from weibo_tui.datasets.tables import Columns
from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain
from weibo_tui.storage.database import connect
from weibo_tui.storage.history import History


def post(number: int) -> str:
    return f"{numeral(number) * 3}去江边走走"


def export(folder: Path, corrections: list[str | None]) -> Path:
    """Export a history in which the model predicted `positive` for every post."""
    database = connect(folder / "exported.db")
    history = History(database)
    ids = history.add([replace(ANALYSIS, text=post(number)) for number in range(len(corrections))])
    for identity, label in zip(ids, corrections, strict=True):
        history.correct(identity, label)
    drain(history.export(folder / "history.csv"))
    database.close()
    return folder / "history.csv"


def test_load_leaves_out_labels_of_the_model(tmp_path: Path) -> None:
    path = export(tmp_path, [None, "negative", None, "positive"])
    dataset = drain(load_dataset([path]))
    assert [dataset.names[label] for label in dataset.labels] == ["negative", "positive"]
    assert dataset.posts == [post(1), post(3)]
    assert (dataset.unlabeled, dataset.skipped) == (2, [])


def test_load_without_labels_of_a_person_is_refused(tmp_path: Path) -> None:
    path = export(tmp_path, [None, None])
    with pytest.raises(UserInputError, match="No human labels: .*history.csv. Correct labels in the history"):
        drain(load_dataset([path]))


def test_load_takes_the_model_label_from_a_named_column(tmp_path: Path) -> None:
    path = export(tmp_path, [None, "negative"])
    dataset = drain(load_dataset([path], Columns(label="predicted")))
    assert [dataset.names[label] for label in dataset.labels] == ["positive", "positive"]


def test_audit_counts_labels_of_the_model_as_unlabeled(tmp_path: Path) -> None:
    result = drain(audit([export(tmp_path, [None, "negative", None])]))
    assert (result.rows, result.unlabelled, result.labels) == (3, 2, {"negative": 1, "positive": 0})


def test_evaluation_on_exported_history_says_what_it_skips(command: Command, furnished: Path, tmp_path: Path) -> None:
    path = export(tmp_path, [None, "negative", None, "positive"])
    done = command.ok("evaluate", path)
    assert "2 rows skipped, because their labels are the model's." in done.err
    (score,) = json_lines(command.ok("evaluate", path, "--json").out)
    assert (score["n"], score["unlabeled"]) == (2, 2)


def test_training_on_exported_history_says_what_it_skips(command: Command, furnished: Path, tmp_path: Path) -> None:
    path = export(tmp_path, [None, None, *["negative", "positive"] * 10])
    done = command.ok("train", path, "--name", "own", "--epochs", "1", "--json")
    posts = json_lines(done.out)[0]["posts"]
    assert posts["unlabeled"] == 2
    assert sum(posts.values()) == 22


@pytest.mark.parametrize(
    ("header", "source"),
    [
        *(("label,label_source", "Model"), ("label,label_source", " MODEL "), ("Label,Label_Source", "model")),
        (" label,label_source ", "model"),
    ],
)
def test_label_source_matches_in_any_case(tmp_path: Path, header: str, source: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(f"text,{header}\n今天走走,positive,{source}\n明天走走,negative,human\n", encoding="utf-8-sig")
    dataset = drain(load_dataset([path]))
    assert (dataset.posts, dataset.unlabeled) == (["明天走走"], 1)


def test_exported_posts_and_labels_are_read_unescaped(tmp_path: Path) -> None:
    database = connect(tmp_path / "exported.db")
    history = History(database)
    texts = ["-1 分", "'引号", "好;=1+1"]
    for identity in history.add([replace(ANALYSIS, text=text) for text in texts]):
        history.correct(identity, "-1")
    for name, guard in {"guarded.csv": True, "plain.csv": False}.items():
        drain(history.export(tmp_path / name, escape_formulas=guard))
        dataset = drain(load_dataset([tmp_path / name]))
        assert (dataset.posts, dataset.labels_read_as) == (texts, {"-1": "negative"})
    database.close()
