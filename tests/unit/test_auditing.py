"""The figures of an audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_up import numeral

from weibo_tui.datasets.auditing import Audit, audit
from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain


def write(path: Path, *lines: str, header: str = "label,review") -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def audited(*paths: Path, **options: Any) -> Audit:
    result = drain(audit(paths, **options))
    json.dumps(result.to_json(), allow_nan=False)
    return result


def test_audit_of_one_file_has_all_figures(tmp_path: Path) -> None:
    path = write(
        tmp_path / "posts.csv",
        "1,今天真好[哈哈]",
        "0,今天 真好[哈哈] http://t.cn/abc",
        "1,今天真好[哈哈]",
        "0,唉//@小王: 堵车",
        "0,http://t.cn/abc",
        ",没有标签",
        f"1,{'好' * 200}",
    )
    result = audited(path)
    assert (result.rows, result.empty, result.unlabelled) == (7, 1, 1)
    assert result.labels == {"negative": 2, "positive": 3}
    assert (result.duplicates, result.contradictions) == (2, 1)
    assert result.reposts == pytest.approx(1 / 6)
    assert result.length.max == 200
    assert result.length.over_126 == pytest.approx(1 / 6)
    assert result.length.median == 8.5
    assert result.emoticons.share_with == 0.5
    file = result.to_json()["files"][0]
    assert file["columns"] == ("label", "review")
    assert (file["encoding"], file["format"], file["rows"]) == ("utf-8", "csv", 7)


def test_audit_emoticons_that_made_labels_have_high_accuracy(tmp_path: Path) -> None:
    lines = [f"{n % 2},第{numeral(n)}条[{'哈哈' if n % 2 else '泪'}]" for n in range(400)]
    result = audited(write(tmp_path / "posts.csv", *lines)).emoticons
    assert (result.share_with, result.linear_accuracy) == (1.0, 1.0)
    assert result.majority == pytest.approx(0.5, abs=0.02)


def test_audit_uninformative_emoticons_equal_majority(tmp_path: Path) -> None:
    lines = [f"{int(n % 4 == 0)},第{numeral(n)}条" for n in range(400)]
    result = audited(write(tmp_path / "posts.csv", *lines)).emoticons
    assert result.share_with == 0
    assert result.linear_accuracy == result.majority == pytest.approx(0.75, abs=0.02)


def test_audit_in_small_steps_has_the_same_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{n % 2},今天[泪]{'好坏' * (n % 5)}#第{n % 7}天#" for n in range(40)]
    path = write(tmp_path / "posts.csv", *lines)
    whole = audited(path)
    monkeypatch.setattr("weibo_tui.datasets.auditing.STEP", 3)
    assert audited(path) == whole
    assert (whole.duplicates, whole.word_duplicates, whole.word_contradictions) == (5, 30, 5)


def test_audit_counts_word_and_near_duplicates(tmp_path: Path) -> None:
    path = write(
        tmp_path / "posts.csv",
        "1,今天的面真好吃[哈哈]",
        "1,今天的面真好吃[哈哈]",
        "0,今天的面真好吃[泪]",
        "0,今天的面2真好吃！",
        "1,#早饭#难吃",
        "1,下班路上又堵了一个小时真想把车扔在高架桥上走回家去",
        "1,下班路上又堵了一个小时真想把车扔在高架桥上跑回家去",
    )
    result = audited(path)
    assert (result.duplicates, result.contradictions) == (1, 0)
    assert (result.word_duplicates, result.word_contradictions) == (2, 1)
    assert result.near_duplicates == 1


def test_audit_with_fewer_than_two_labels_has_no_accuracy(tmp_path: Path) -> None:
    result = audited(write(tmp_path / "posts.csv", "好[哈哈]", "差", header="text"))
    assert (result.labels, result.unlabelled) == ({}, 2)
    assert (result.emoticons.linear_accuracy, result.emoticons.majority) == (None, None)
    assert audited(write(tmp_path / "posts.csv", "1,好", "1,妙")).emoticons.linear_accuracy is None
    assert audited(write(tmp_path / "posts.csv", "1,好", "0,差")).emoticons.linear_accuracy is None


def test_audit_of_empty_posts_has_no_figures(tmp_path: Path) -> None:
    result = audited(write(tmp_path / "posts.csv", "1, ", "0,\u200b"))
    assert (result.rows, result.empty, result.labels) == (2, 2, {})
    assert result.length.mean is result.reposts is result.emoticons.share_with is None


def test_audit_of_several_files_adds_them(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", "sad,唉", "happy,好")
    two = write(tmp_path / "two.csv", "sad,唉", "angry,哼")
    result = audited(one, two)
    assert result.labels == {"angry": 1, "happy": 1, "sad": 2}
    assert result.duplicates == 1
    assert [file.rows for file in result.files] == [2, 2]
    assert audited(one, labels=["sad", "happy"]).labels == {"sad": 1, "happy": 1}


def test_label_column_with_too_many_labels_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", *(f"第{n}条,好" for n in range(1001)))
    with pytest.raises(UserInputError, match="label has more than 1000 different labels"):
        audited(path)
