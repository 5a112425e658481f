"""Rules for labels, and datasets that are read with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from weibo_tui import TrainingConfig
from weibo_tui.datasets.auditing import audit
from weibo_tui.datasets.dataset import Dataset, load_dataset
from weibo_tui.datasets.label_map import Rules, parse_rules, rule_list, score_hint
from weibo_tui.datasets.labels import Labels
from weibo_tui.errors import UserInputError
from weibo_tui.presentation.labels import label_notes
from weibo_tui.progress import drain

BINARY = Labels(("negative", "positive"), ("0", "1"))


def write(path: Path, *labels: str) -> Path:
    rows = (f'"{label}",第{number}条好' for number, label in enumerate(labels))
    path.write_text("label,review\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def loaded(path: Path, rules: Rules = (), labels: Labels | list[str] | None = None) -> Dataset:
    return drain(load_dataset([path], labels=labels, label_map=parse_rules(rules)))


@pytest.mark.parametrize(
    ("rules", "results"),
    [
        (["1,2=negative", "4，5=positive", "3="], {"1": "negative", "5": "positive", "3": None, "6": "6"}),
        ("1、2＝negative；3=", {"2": "negative", "3": None}),
        ("<3=negative;>=3=positive", {"2.9": "negative", "3": "positive", "10": "positive", "好": "好"}),
        (["≤-0.5 = 差", "＞0=好"], {"-0.5": "差", "0": "0", "1": "好"}),
        ({"负": "negative", 3: None}, {"负": "negative", "3": None}),
        ("HAPPY=positive", {"happy": "positive", "Happy": "positive"}),
        ("1=2;2=3", {"1": "2", "2": "3"}),
        ((), {"1": "1"}),
    ],
)
def test_rules_give_label_or_leave_it_out(rules: Rules, results: dict[str, str | None]) -> None:
    label_map = parse_rules(rules)
    assert {label: label_map.apply(label) for label in results} == results
    assert parse_rules(rule_list(rules)) == label_map


@pytest.mark.parametrize(
    "rule", ["1", "=negative", "1,=negative", ">3", ">=3", "<x=negative", ";=;", "1,2=bad,4,5=good"]
)
def test_invalid_rule_is_refused(rule: str) -> None:
    with pytest.raises(UserInputError, match="is no rule"):
        TrainingConfig((Path("a.csv"),), "x", map=rule)


def test_rule_that_matches_nothing_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "stars.csv", "1", "2", "4", "5")
    label_map = parse_rules("<3,7=negative; >3,好=positive")
    for events in (load_dataset([path], label_map=label_map), audit([path], label_map=label_map)):
        notes = [event.note for event in events]
        assert "Parts of --map match no label: 7, 好. The data has the labels 1, 2, 4, 5." in notes
    for rules in ("1=negative;1=positive", "1,+1=negative", {"a": "x", "A": "y"}):
        with pytest.raises(UserInputError, match="--map has two rules for [1a]. Remove one of them."):
            parse_rules(rules)


def test_dataset_is_read_with_rules(tmp_path: Path) -> None:
    path = write(tmp_path / "stars.csv", "1", "2", "3", "4", "5", "3")
    dataset = loaded(path, ["1,2=negative", "4,5=positive", "3="])
    assert dataset.counts() == {"negative": 2, "positive": 2}
    assert dataset.left_out == {"dropped": 2}
    assert dataset.labels_read_as == {"1": "negative", "2": "negative", "4": "positive", "5": "positive"}
    assert list(label_notes(dataset.labels_read_as, dataset.left_out)) == [
        "Labels: 1 / 2 = negative, 4 / 5 = positive",
        "2 rows skipped by --map.",
    ]
    assert loaded(path).names == ("1", "2", "3", "4", "5")
    assert loaded(path, "1,2=差;3,4,5=好", ["差", "好"]).counts() == {"差": 2, "好": 4}
    with pytest.raises(UserInputError, match=r"row 2: the label 0 \(neutral\) is not in .*, or leave .* --map '0='"):
        loaded(write(tmp_path / "three.csv", "1", "0", "-1"), labels=BINARY)
    assert loaded(path, "<3=0; >3=1; 3=", BINARY).labels == [0, 0, 1, 1]
    with pytest.raises(UserInputError, match=r"No label matches --map\. The data has the labels 1, 2, 3, 4, 5\."):
        loaded(path, "6=positive")
    with pytest.raises(UserInputError, match="no row has both"):
        loaded(path, ">0=")


def test_scores_are_refused_with_thresholds(tmp_path: Path) -> None:
    path = write(tmp_path / "scores.csv", "1", "1.5", "4.5", "5.0")
    hint = r"scores\.csv: the labels are 4 different numbers from 1 to 5\. .*--map '<3=negative; >=3=positive'"
    for labels in (None, BINARY):
        with pytest.raises(UserInputError, match=hint):
            loaded(path, labels=labels)
        assert loaded(path, "<3=negative; >=3=positive", labels).labels == [0, 0, 1, 1]
    many = write(tmp_path / "many.csv", *(f"{number / 1000}" for number in range(1, 2001)))
    with pytest.raises(UserInputError, match=r"1,001 different numbers from 0\.001 to 1\.001"):
        loaded(many)
    assert loaded(many, "<1=negative; >=1=positive").counts() == {"negative": 999, "positive": 1001}
    assert score_hint(list("12345")) == score_hint(["a"] * 20) == score_hint([]) == ""


def test_cells_of_several_labels_are_left_out(tmp_path: Path) -> None:
    labels = ["正面", "负面", "正面,中性", "正面|负面", "[1, 0]", "正面、负面", "-", "好,坏"]
    dataset = loaded(write(tmp_path / "posts.csv", *labels))
    assert dataset.names == ("好,坏", "正面", "负面")
    assert dataset.left_out == {"several labels": 4, "unlabeled": 1}
    stars = write(tmp_path / "stars.csv", "1", "5", "1|5")
    assert loaded(stars, "1,2=negative;5=positive").left_out == {"several labels": 1}
    lines = tmp_path / "posts.jsonl"
    lines.write_text('{"text": "一", "label": ["正面"]}\n{"text": "二", "label": ["正面", "负面"]}\n', encoding="utf-8")
    assert loaded(lines).left_out == {"several labels": 1}
    assert "Warning: 1 row skipped, because it has several labels." in label_notes({}, {"several labels": 1})


def test_audit_names_and_counts_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", "-1", "1", "1", "", "3", "1|-1")
    result = drain(audit([path], label_map=parse_rules("3=")))
    assert (result.labels, result.labels_read_as) == (
        {"negative": 1, "positive": 2},
        {"-1": "negative", "1": "positive"},
    )
    assert (result.rows, result.unlabelled, result.several_labels, result.dropped) == (6, 1, 1, 1)
    scores = drain(audit([write(tmp_path / "scores.csv", "1", "2.5")]))
    assert scores.labels == {"1": 1, "2.5": 1}


def test_earlier_run_reads_labels_as_before(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", "-1", "1", "-", "1|-1")
    dataset = drain(load_dataset([path], label_map=None))
    assert dataset.names == ("-", "-1", "1", "1|-1")
    values = TrainingConfig((path,), "x", map={"1": "positive"}).to_json()
    assert values["map"] == ["1=positive"]
    assert TrainingConfig.from_json(values).map == ("1=positive",)
    del values["map"]
    assert TrainingConfig.from_json(values).map is None
