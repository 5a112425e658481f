"""`predict`: texts, lines of stdin, and files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Command, json_lines, table

from weibo_tui.text.cleaning import MAX_POST_LENGTH
from weibo_tui.workbench import Workbench

ADDED = ["predicted", "confidence", "prob_negative", "prob_positive", "error"]


def test_predict_text_is_one_line(command: Command, furnished: Path) -> None:
    result = command.ok("predict", "今天的面真好吃[哈哈]\n真的")
    assert re.fullmatch(r"positive +\d+\.\d %  .*今天的面真好吃\[哈哈\] 真的\n", result.out)
    assert result.err == ""


def test_predict_json_has_promised_keys(command: Command, furnished: Path) -> None:
    posts = ["今天的面真好吃", "昨天的电影太差了[怒]", "好" * 200]
    found = json_lines(command.ok("predict", "--json", *posts).out)
    assert [one["text"] for one in found] == posts
    keys = ["text", "label", "confidence", "probabilities", "uncertain", "adapter", "truncated"]
    assert all(list(one) == keys for one in found)
    assert [one["label"] for one in found[:2]] == ["positive", "negative"]
    assert [one["truncated"] for one in found] == [False, False, True]
    for one in found:
        assert one["adapter"] == "mood"
        assert list(one["probabilities"]) == ["negative", "positive"]
        assert sum(one["probabilities"].values()) == pytest.approx(1)
        assert one["confidence"] == max(one["probabilities"].values()) == one["probabilities"][one["label"]]
        assert one["uncertain"] == (one["confidence"] < 0.75)


def test_stdin_lines_are_predicted_like_arguments(command: Command, furnished: Path) -> None:
    posts = ["今天的面真好吃", "昨天的电影太差了[怒]"]
    lines = ("\ufeff" + "\r\n".join(posts) + "\r\n").encode()
    assert command.ok("predict", "--json", "-", stdin=lines).out == command.ok("predict", "--json", *posts).out


def test_stdin_blank_line_gives_error_row(command: Command, furnished: Path) -> None:
    lines = "今天的面真好吃\n\n \t\r\n太差了\n\n".encode()
    result = command.ok("predict", "-", "--json", stdin=lines)
    found = json_lines(result.out)
    assert [one["text"] for one in found] == ["今天的面真好吃", "", " \t", "太差了", ""]
    assert [one["label"] for one in found] == ["positive", None, None, "negative", None]
    assert ["error" in one for one in found] == [False, True, True, False, True]
    assert result.err == "weibo-tui: 3 of 5 posts could not be read.\n"
    shown = command.ok("predict", "-", stdin=lines).out.splitlines()
    assert [line.split()[0] for line in shown] == ["positive", "error", "error", "negative", "error"]


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_stdin_encoding_option_is_used(encoding: str, command: Command, furnished: Path) -> None:
    posts = ["今天的面真好吃", "太差了"]
    result = command.ok("predict", "-", "--json", "--encoding", encoding, stdin="\n".join(posts).encode(encoding))
    assert ([one["text"] for one in json_lines(result.out)], result.err) == (posts, "")


def test_stdin_undecodable_line_is_named_once(command: Command, furnished: Path) -> None:
    lines = "今天的面真好吃\n".encode() + "太差了\n太差了\n".encode("gbk")
    result = command("predict", "-", stdin=lines)
    assert "Line 2 is not utf-8. Name the encoding of the input with --encoding.\n" in result.err
    assert result.err.count("--encoding") == 1
    (prediction,) = json_lines(command.ok("predict", "--json", "-", stdin="今天的面真好吃".encode() + b"\xff\n").out)
    assert prediction["text"] == "今天的面真好吃\udcff"
    refused = command("predict", "-", "--encoding", "klingon", stdin=lines)
    assert (refused.code, "There is no encoding klingon" in refused.err) == (2, True)


def test_stdin_carriage_return_ends_no_line(command: Command, furnished: Path) -> None:
    found = json_lines(command.ok("predict", "-", "--json", stdin="今天\r真好\r\n太差了".encode()).out)
    assert [one["text"] for one in found] == ["今天\r真好", "太差了"]


def test_stdin_line_over_limit_is_cut(command: Command, furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.cli.predict.MAX_LINE", 300)
    lines = ["好" * 300, "好" * 301, "好" * 2000, "今天的面真好吃"]
    result = command.ok("predict", "-", "--json", stdin="\n".join(lines).encode())
    found = json_lines(result.out)
    assert [one["text"] for one in found] == [line[:300] for line in lines]
    assert [one["truncated"] for one in found] == [True, True, True, False]
    said = "Line {} is longer than 300 characters: the rest of it was not read."
    assert result.err.splitlines() == [said.format(2), said.format(3)]


def test_giant_post_counts_characters_read(furnished: Path) -> None:
    with Workbench() as wb:
        unread, word, short = wb.iter_predict(["\u200b" * 20_000 + "好", "x" * 20_000, "好" * 5], record=False)
    assert (unread.error is not None, unread.characters, unread.characters_read) == (True, 20_001, 0)
    assert (word.truncated, word.characters, word.characters_read) == (True, 20_000, MAX_POST_LENGTH)
    assert (short.truncated, short.characters, short.characters_read) == (False, 5, 5)


def test_unreadable_post_among_others_is_a_row(command: Command, furnished: Path) -> None:
    for posts in (["", "今天的面真好吃", "http://t.cn/a"], ["今天的面真好吃", "\u200b", "@小林"]):
        result = command.ok("predict", "--json", *posts)
        found = json_lines(result.out)
        assert [one["text"] for one in found] == posts
        failed = [one for one in found if one["label"] is None]
        assert failed
        for one in failed:
            assert one["confidence"] is None
            assert one["probabilities"] == {}
            assert "nothing to read" in one["error"]
        assert result.err == f"weibo-tui: {len(failed)} of 3 posts could not be read.\n"
        assert [line.split()[0] for line in command.ok("predict", *posts).out.splitlines()] == [
            one["label"] or "error" for one in found
        ]


def test_history_records_unless_no_history(command: Command, furnished: Path) -> None:
    command.ok("predict", "--no-history", "今天的面真好吃")
    assert command.ok("history", "list", "--json").out == ""
    command.ok("predict", "今天的面真好吃", "", "太差了")
    found = json_lines(command.ok("history", "list", "--json").out)
    assert [(one["kind"], one["text"], one["label"]) for one in found] == [
        ("analysis", "太差了", "negative"),
        ("analysis", "", ""),
        ("analysis", "今天的面真好吃", "positive"),
    ]
    shown = command.ok("history", "list", "--limit", "1").out.splitlines()
    assert len(shown) == 2
    assert "太差了" in shown[1]


def write_csv(path: Path, encoding: str, delimiter: str, end: str) -> None:
    rows = [
        ["id", "review", "备注"],
        ["001", "今天的面真好吃", ""],
        ["2", "太差了，真的", 'a "b"\r\nc'],
        ["3", "", "=1"],
    ]
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "csv": ("utf-8", lambda path: write_csv(path, "utf-8", ",", "\n")),
    "excel.csv": ("utf-8-sig", lambda path: write_csv(path, "utf-8-sig", ",", "\r\n")),
    "chinese.csv": ("gb18030", lambda path: write_csv(path, "gb18030", ",", "\r\n")),
    "wide.csv": ("utf-16", lambda path: write_csv(path, "utf-16", ";", "\n")),
    "tsv": ("utf-8", lambda path: write_csv(path, "utf-8", "\t", "\n")),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_labeled_table_keeps_cells_and_encoding(kind: str, command: Command, furnished: Path, tmp_path: Path) -> None:
    encoding, write = WRITERS[kind]
    source, out = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    write(source)
    before = source.read_bytes()
    result = command.ok("predict", "--file", source, "--out", out, "--json")
    assert source.read_bytes() == before
    assert list(json_lines(result.out)[0]) == ["out", "rows", "failed", "counts", "continued", "posts_per_second"]
    assert json_lines(result.out)[0]["counts"] == {"positive": 1, "negative": 1}
    delimiter = "\t" if kind == "tsv" else ";" if kind == "wide.csv" else ","
    with source.open(encoding=encoding, newline="") as given, out.open(encoding=encoding, newline="") as written:
        was, now = list(csv.reader(given, delimiter=delimiter)), list(csv.reader(written, delimiter=delimiter))
    assert [row[:3] for row in now] == was
    assert now[0][3:] == ADDED
    assert [row[3] for row in now[1:]] == ["positive", "negative", ""]
    assert [bool(row[7]) for row in now[1:]] == [False, False, True]
    assert out.read_bytes()[:2] == before[:2]  # the byte order mark, where there is one
    ends = [path.read_text(encoding).count("\r\n") for path in (source, out)]
    assert ends[0] == ends[1]


def test_labeled_jsonl_keeps_its_lines(command: Command, furnished: Path, tmp_path: Path) -> None:
    lines = ['{"id": 1.50, "text": "\\u597d\\u5403", "more": [1, {"a": null}]}', '{"text": "太差了", "x": "[b]"}']
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command.ok("predict", "--file", source, "--out", out)
    written = out.read_text("utf-8").splitlines()
    assert [line.startswith(given[:-1] + ", ") for line, given in zip(written, lines, strict=True)] == [True, True]
    assert [list(json.loads(line))[-5:] for line in written] == [ADDED, ADDED]


def test_labeled_parquet_keeps_its_schema(command: Command, furnished: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    given = pa.table(
        {
            "n": pa.array([1, None, 3], pa.int16()),
            "review": ["今天的面真好吃", "太差了", None],
            "tags": pa.array([["a"], [], None]),
        }
    )
    pq.write_table(given, source)
    command.ok("predict", "--file", source, "--out", out)
    written = pq.read_table(out)
    assert written.column_names == [*given.column_names, *ADDED]
    assert written.select(given.column_names).equals(given)
    assert written["predicted"].to_pylist() == ["positive", "negative", None]


def test_labeled_file_is_one_history_entry(command: Command, furnished: Path, few: Path, tmp_path: Path) -> None:
    result = command.ok("predict", "--file", few, "--out", tmp_path / "out.csv")
    assert re.fullmatch(r"40 rows labelled: (negative \d+, positive \d+|positive \d+, negative \d+)\n", result.out)
    assert re.fullmatch(r"Written to .*out\.csv at [\d,]+ posts/s\.\n", result.err)
    (entry,) = json_lines(command.ok("history", "list", "--json").out)
    assert (entry["kind"], entry["rows"], entry["failed"]) == ("file", 40, 0)
    command.ok("predict", "--file", few, "--out", tmp_path / "out.csv", "--overwrite", "--no-history")
    assert len(json_lines(command.ok("history", "list", "--json").out)) == 1


def test_file_and_post_get_the_same_prediction(command: Command, furnished: Path, few: Path, tmp_path: Path) -> None:
    command.ok("predict", "--file", few, "--out", tmp_path / "out.csv", "--dtype", "float32")
    rows = table(tmp_path / "out.csv")
    alone = json_lines(command.ok("predict", "--json", "--dtype", "float32", rows[7]["review"]).out)[0]
    assert rows[7]["predicted"] == alone["label"]
    assert float(rows[7]["confidence"]) == pytest.approx(alone["confidence"], rel=1e-4)
