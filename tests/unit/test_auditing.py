"""What an audit says of a data set."""

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
    found = drain(audit(paths, **options))
    json.dumps(found.to_json(), allow_nan=False)
    return found


def test_the_figures_of_a_file(tmp_path: Path) -> None:
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
    found = audited(path)
    assert (found.rows, found.empty, found.unlabelled) == (7, 1, 1)
    assert found.labels == {"negative": 2, "positive": 3}
    assert (found.duplicates, found.contradictions) == (2, 1)
    assert found.reposts == pytest.approx(1 / 6)
    assert found.length.max == 200
    assert found.length.over_126 == pytest.approx(1 / 6)
    assert found.length.median == 8.5
    assert found.emoticons.share_with == 0.5
    file = found.to_json()["files"][0]
    assert file["columns"] == ("label", "review")
    assert (file["encoding"], file["format"], file["rows"]) == ("utf-8", "csv", 7)


def test_emoticons_that_made_the_labels_are_found_out(tmp_path: Path) -> None:
    lines = [f"{n % 2},第{numeral(n)}条[{'哈哈' if n % 2 else '泪'}]" for n in range(400)]
    found = audited(write(tmp_path / "posts.csv", *lines)).emoticons
    assert (found.share_with, found.linear_accuracy) == (1.0, 1.0)
    assert found.majority == pytest.approx(0.5, abs=0.02)


def test_emoticons_that_say_nothing_are_no_better_than_the_majority(tmp_path: Path) -> None:
    lines = [f"{int(n % 4 == 0)},第{numeral(n)}条" for n in range(400)]
    found = audited(write(tmp_path / "posts.csv", *lines)).emoticons
    assert found.share_with == 0
    assert found.linear_accuracy == found.majority == pytest.approx(0.75, abs=0.02)


def test_audit_counts_posts_equal_but_for_marks_and_near_ones(tmp_path: Path) -> None:
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
    found = audited(path)
    assert (found.duplicates, found.contradictions) == (1, 0)
    assert (found.word_duplicates, found.word_contradictions) == (2, 1)
    assert found.near_duplicates == 1


def test_files_without_labels_or_with_one_have_no_accuracy(tmp_path: Path) -> None:
    found = audited(write(tmp_path / "posts.csv", "好[哈哈]", "差", header="text"))
    assert (found.labels, found.unlabelled) == ({}, 2)
    assert (found.emoticons.linear_accuracy, found.emoticons.majority) == (None, None)
    assert audited(write(tmp_path / "posts.csv", "1,好", "1,妙")).emoticons.linear_accuracy is None
    assert audited(write(tmp_path / "posts.csv", "1,好", "0,差")).emoticons.linear_accuracy is None


def test_a_file_of_empty_posts_has_no_figures_and_no_warnings(tmp_path: Path) -> None:
    found = audited(write(tmp_path / "posts.csv", "1, ", "0,http://t.cn/abc"))
    assert (found.rows, found.empty, found.labels) == (2, 2, {})
    assert found.length.mean is found.reposts is found.emoticons.share_with is None


def test_several_files_are_one_set(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", "sad,唉", "happy,好")
    two = write(tmp_path / "two.csv", "sad,唉", "angry,哼")
    found = audited(one, two)
    assert found.labels == {"angry": 1, "happy": 1, "sad": 2}
    assert found.duplicates == 1
    assert [file.rows for file in found.files] == [2, 2]
    assert audited(one, labels=["sad", "happy"]).labels == {"sad": 1, "happy": 1}


def test_a_column_of_posts_is_not_taken_for_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", *(f"第{n}条,好" for n in range(1001)))
    with pytest.raises(UserInputError, match="label holds more than 1000 different labels"):
        audited(path)
