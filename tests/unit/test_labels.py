"""Labels as in files and as shown to users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weibo_tui.datasets.dataset import Dataset, check_trainable, load_dataset
from weibo_tui.datasets.labels import Labels, labels_from_names, normalize_label, resolve_labels
from weibo_tui.errors import UserInputError
from weibo_tui.progress import Progress, drain


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        *[(" 1 ", "1"), ("1.0", "1"), ("-1.00", "-1"), ("1.5", "1.5"), ("v1.0", "v1.0"), ("01", "01")],
        *[(1, "1"), (1.0, "1"), (True, "1"), (False, "0"), (None, ""), (float("nan"), "")],
        (" 高兴\u3000", "高兴"),
        *[("１", "1"), ("－１", "-1"), ("\u22121", "-1"), ("+1", "1"), ("+", "+"), ("１．０", "1"), ("4.5", "4.5")],
        *[("NA", ""), ("N/A", ""), ("null", ""), ("NaN", ""), ("None", ""), ("none", "none"), ("-", "-")],
        *[(["正面"], "正面"), ([], ""), (["正面", "中性"], "正面\x1f中性"), ('["正面"]', "正面"), ("[1, 0]", "1\x1f0")],
        *[("[哈哈]", "[哈哈]"), ("[" * 900 + "]" * 100, "[" * 900 + "]" * 100)],
    ],
)
def test_normalize_label_strips_and_unifies_numbers(cell: Any, label: str) -> None:
    assert normalize_label(cell) == label


@pytest.mark.parametrize(
    ("result", "named", "labels"),
    [
        ({"0", "1"}, None, Labels(("negative", "positive"), ("0", "1"))),
        ({"positive", "negative"}, None, Labels(("negative", "positive"), ("0", "1"))),
        ({"0", "1"}, ["差", "好"], Labels(("差", "好"), ("0", "1"))),
        ({"差", "好"}, ["差", "好"], Labels(("差", "好"), ("差", "好"))),
        ({"-1", "1"}, None, Labels(("negative", "positive"), ("-1", "1"))),
        ({"-1", "0", "1"}, None, Labels(("negative", "neutral", "positive"), ("-1", "0", "1"))),
        ({"0", "4"}, None, Labels(("negative", "positive"), ("0", "4"))),
        ({"+", "-"}, None, Labels(("negative", "positive"), ("-", "+"))),
        ({"正面", "负面"}, None, Labels(("negative", "positive"), ("负面", "正面"))),
        ({"积极", "消极", "中性"}, None, Labels(("negative", "neutral", "positive"), ("消极", "中性", "积极"))),
        ({"pos", "neg", "neutral"}, None, Labels(("negative", "neutral", "positive"), ("neg", "neutral", "pos"))),
        ({"Positive", "ＮＥＧ"}, None, Labels(("negative", "positive"), ("ＮＥＧ", "Positive"))),
        ({"正面", "负面"}, ["负面", "正面"], Labels(("负面", "正面"), ("负面", "正面"))),
        ({"0", "1", "2"}, None, Labels(("0", "1", "2"), ("0", "1", "2"))),
        ({"0", "2"}, None, Labels(("0", "2"), ("0", "2"))),
        ({"10", "9", "-1"}, None, Labels(("-1", "9", "10"), ("-1", "9", "10"))),
        ({"10", "9", "-1"}, ["差", "中", "好"], Labels(("差", "中", "好"), ("-1", "9", "10"))),
        ({"1", "2"}, ["差", "好"], Labels(("差", "好"), ("1", "2"))),
        ({"0", "2"}, ["差", "中", "好"], Labels(("差", "中", "好"), ("0", "1", "2"))),
        ({"sad", "happy"}, None, Labels(("happy", "sad"), ("happy", "sad"))),
        ({"sad", "happy"}, ["sad", "happy"], Labels(("sad", "happy"), ("sad", "happy"))),
    ],
)
def test_labels_are_ordered_and_named(result: set[str], named: list[str] | None, labels: Labels) -> None:
    assert resolve_labels(result, named) == labels


@pytest.mark.parametrize("named", [["a"], ["a", "a"], ["a", ""], ["a", "b", "c"]])
def test_label_names_that_do_not_fit_are_refused(named: list[str]) -> None:
    with pytest.raises(UserInputError, match="--labels"):
        resolve_labels({"sad", "happy"}, named)


def test_adapter_labels_match_by_name_and_number() -> None:
    labels = labels_from_names(["negative", "positive"])
    assert [labels.index(label) for label in ("0", "1", "negative", "Positive", "2", "neutral")] == [
        *(0, 1, 0, 1, None, None)
    ]
    numbered = labels_from_names(["1", "2"])
    assert [numbered.index(label) for label in ("0", "1", "2")] == [None, 0, 1]


def test_adapter_with_word_labels_rejects_numbers() -> None:
    emotions = resolve_labels({"neutral", "angry", "happy"}, ["neutral", "angry", "happy"])
    assert [emotions.index(label) for label in ("0", "1", "angry")] == [None, None, 1]


def test_0_and_1_match_negative_and_positive_in_any_order() -> None:
    labels = resolve_labels({"negative", "positive", "mixed"}, ["positive", "mixed", "negative"])
    assert [labels.index(label) for label in ("0", "1", "2")] == [2, 0, None]


@pytest.mark.parametrize(
    ("names", "raw", "present", "matched"),
    [
        (["negative", "positive"], ["0", "1"], ["正面", "neg", "中性"], {"正面": 1, "neg": 0}),
        (["negative", "positive"], ["0", "1"], ["-1", "1"], {"-1": 0, "1": 1}),
        (["negative", "positive"], ["0", "1"], ["-1", "0", "1"], {"-1": 0, "1": 1}),  # 0 is neutral
        (["negative", "positive"], ["0", "1"], ["0", "4"], {"0": 0, "4": 1}),
        (["正面", "负面"], ["正面", "负面"], ["0", "1"], {"0": 1, "1": 0}),  # by name, not by order
        (["positive", "neutral", "negative"], ["positive", "neutral", "negative"], ["-1", "0"], {"-1": 2, "0": 1}),
        (["-1", "1"], ["-1", "1"], ["negative", "Positive"], {"negative": 0, "Positive": 1}),
        (["差", "好"], ["0", "1"], ["0", "1", "好"], {"0": 0, "1": 1, "好": 1}),
        (["差", "好"], ["0", "1"], ["-1", "正面"], {}),
        (["1", "2", "3"], ["1", "2", "3"], ["1", "3", "5"], {"1": 0, "3": 2}),
    ],
)
def test_labels_of_data_match_adapter_by_meaning(
    names: list[str], raw: list[str], present: list[str], matched: dict[str, int]
) -> None:
    assert Labels(tuple(names), tuple(raw)).match(present) == matched


def write(path: Path, *lines: str) -> Path:
    path.write_text("label,review\n" + "".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def loaded(*paths: Path, **options: Any) -> Dataset:
    return drain(load_dataset(paths, **options))


def test_dataset_joins_files_and_keeps_raw_posts(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", "1,今天真好 http://t.cn/abc", "0, ", "0,@小王 唉")
    two = write(tmp_path / "two.csv", ",http://t.cn/abc", "positive,谢谢", "1,转发微博")
    dataset = loaded(one, two)
    assert dataset.posts == ["今天真好 http://t.cn/abc", "@小王 唉", "谢谢"]
    assert dataset.labels == [1, 0, 1]
    assert dataset.names == ("negative", "positive")
    assert dataset.places == [(0, 1), (0, 3), (1, 2)]
    assert dataset.skipped == [(0, 2), (1, 1), (1, 3)]
    assert dataset.counts() == {"negative": 1, "positive": 2}
    assert [source.path for source in dataset.sources] == [one, two]
    check_trainable(dataset)


def test_dataset_digest_depends_on_posts_and_labels(tmp_path: Path) -> None:
    posts = ["1,一", "0,二"]
    digest = loaded(write(tmp_path / "a.csv", *posts)).digest
    assert digest == loaded(write(tmp_path / "b.csv", "positive,一", "negative,二")).digest
    assert digest == loaded(write(tmp_path / "c.csv", posts[0]), write(tmp_path / "d.csv", posts[1])).digest
    assert digest != loaded(write(tmp_path / "e.csv", *reversed(posts))).digest
    assert digest != loaded(write(tmp_path / "f.csv", "0,一", "1,二")).digest
    assert digest != loaded(write(tmp_path / "a.csv", *posts), labels=["差", "好"]).digest


def test_dataset_unknown_label_is_refused_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", "1,一", "0,二", "2,三", "2,四")
    with pytest.raises(
        UserInputError, match=r"posts\.csv, row 3: the label 2 is not in the set \(negative, positive\)"
    ):
        loaded(path, labels=labels_from_names(["negative", "positive"]))


def test_dataset_rows_without_label_are_left_out(tmp_path: Path) -> None:
    dataset = loaded(write(tmp_path / "posts.csv", "1,一", " ,二", "NaN,三", "None,四", "none,五", "0,六"))
    assert dataset.posts == ["一", "五", "六"]
    assert (dataset.left_out, dataset.unlabeled) == ({"unlabeled": 3}, 3)
    with pytest.raises(UserInputError, match=r"posts\.csv: no row has both a post and a label"):
        loaded(write(tmp_path / "posts.csv", " ,一", "NA,二"))


def test_label_column_with_too_many_labels_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", *(f"第{n}条,好" for n in range(1001)))
    with pytest.raises(UserInputError, match="more than 1000 different labels"):
        loaded(path)


def test_one_label_is_refused_for_training_only(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", "1,一", "1,二")
    dataset = loaded(path, labels=labels_from_names(["negative", "positive"]))
    assert dataset.counts() == {"negative": 0, "positive": 2}
    with pytest.raises(UserInputError, match=r"posts\.csv: all posts have the label positive"):
        check_trainable(dataset)
    with pytest.raises(UserInputError, match="no row has both a post"):
        check_trainable(loaded(write(tmp_path / "posts.csv", "1, ", "0,\u200b")))
    path = write(tmp_path / "posts.csv", "0,一", "1,二")
    with pytest.raises(UserInputError, match="no post for training has the label good"):
        check_trainable(loaded(path, labels=["bad", "fair", "good"]))


def test_loading_reports_progress_every_two_thousand_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", *(f"{n % 2},第{n}条" for n in range(5000)))
    steps = [step.done for step in load_dataset([path]) if step.stage == "reading"]
    assert max(b - a for a, b in zip([0, *steps], steps, strict=False)) <= 2000
    assert Progress("reading", 5000, 5000) in list(load_dataset([path]))
