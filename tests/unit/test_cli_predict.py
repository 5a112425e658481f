"""`predict`: texts, lines of stdin, and files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from commands import Command, json_lines, table

from weibo_tui import Workbench
from weibo_tui.text.cleaning import MAX_POST_LENGTH

ADDED = ["predicted", "confidence", "prob_negative", "prob_positive", "error"]


def test_predict_text_is_one_line(command: Command, furnished: Path) -> None:
    result = command.ok("predict", "今天的面真好吃[哈哈]\n真的")
    assert re.fullmatch(r"positive +\d+\.\d%  .*今天的面真好吃\[哈哈\] 真的\n", result.out)
    assert result.err == ""


def test_predict_json_has_promised_keys(command: Command, furnished: Path) -> None:
    posts = ["今天的面真好吃", "昨天的电影太差了[怒]", "好" * 200]
    results = json_lines(command.ok("predict", "--json", *posts).out)
    assert [row["text"] for row in results] == posts
    keys = ["text", "label", "confidence", "probabilities", "uncertain", "adapter", "truncated"]
    assert all(list(row) == keys for row in results)
    assert [row["label"] for row in results[:2]] == ["positive", "negative"]
    assert [row["truncated"] for row in results] == [False, False, True]
    for row in results:
        assert row["adapter"] == "mood"
        assert list(row["probabilities"]) == ["negative", "positive"]
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["confidence"] == max(row["probabilities"].values()) == row["probabilities"][row["label"]]
        assert row["uncertain"] == (row["confidence"] < 0.75)


def test_stdin_lines_are_predicted_like_arguments(command: Command, furnished: Path) -> None:
    posts = ["今天的面真好吃", "昨天的电影太差了[怒]"]
    lines = ("\ufeff" + "\r\n".join(posts) + "\r\n").encode()
    assert command.ok("predict", "--json", "-", stdin=lines).out == command.ok("predict", "--json", *posts).out


def test_stdin_blank_line_gives_error_row(command: Command, furnished: Path) -> None:
    lines = "今天的面真好吃\n\n \t\r\n太差了\n\n".encode()
    result = command.ok("predict", "-", "--json", stdin=lines)
    results = json_lines(result.out)
    assert [row["text"] for row in results] == ["今天的面真好吃", "", " \t", "太差了", ""]
    assert [row["label"] for row in results] == ["positive", None, None, "negative", None]
    assert ["error" in row for row in results] == [False, True, True, False, True]
    assert result.err == "weibo-tui: 3 of 5 posts failed.\n"
    shown = command.ok("predict", "-", stdin=lines).out.splitlines()
    assert [line.split()[0] for line in shown] == ["positive", "error", "error", "negative", "error"]


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_stdin_encoding_option_is_used(encoding: str, command: Command, furnished: Path) -> None:
    posts = ["今天的面真好吃", "太差了"]
    result = command.ok("predict", "-", "--json", "--encoding", encoding, stdin="\n".join(posts).encode(encoding))
    assert ([row["text"] for row in json_lines(result.out)], result.err) == (posts, "")


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig"])
def test_stdin_encoding_is_detected(encoding: str, command: Command, furnished: Path) -> None:
    posts = ["今天的面真好吃", "昨天的电影太差了[怒]"]
    result = command.ok("predict", "-", "--json", stdin="\n".join(posts).encode(encoding))
    assert ([row["text"] for row in json_lines(result.out)], result.err) == (posts, "")


def test_stdin_undecodable_line_is_named_once(command: Command, furnished: Path) -> None:
    lines = "今天的面真好吃\n".encode() + b"\xff\xff\n" * 2
    result = command("predict", "-", stdin=lines)
    assert "Line 2 is not utf-8. Name the encoding of the input with --encoding.\n" in result.err
    assert result.err.count("--encoding") == 1
    (prediction,) = json_lines(command.ok("predict", "--json", "-", stdin="今天的面真好吃".encode() + b"\xff\n").out)
    assert prediction["text"] == "今天的面真好吃\udcff"
    refused = command("predict", "-", "--encoding", "klingon", stdin=lines)
    assert (refused.code, "Unknown encoding: klingon" in refused.err) == (2, True)


@pytest.mark.parametrize(("first", "second"), [("utf-8", "gb18030"), ("gb18030", "utf-8")])
def test_stdin_lines_of_two_encodings_are_read(first: str, second: str, command: Command, furnished: Path) -> None:
    posts = ["今天的面真好吃", "今天的天气真好", "太差了再也不来", "今天的面真难吃"]
    data = "\n".join(posts[:2] * 300).encode(first) + ("\n" + "\n".join(posts[2:])).encode(second)
    result = command.ok("predict", "-", "--json", stdin=data)
    assert [row["text"] for row in json_lines(result.out)] == posts[:2] * 300 + posts[2:]
    assert result.err.count(f"Line 601 is {second}, not {first}. Lines like it are read as {second}.\n") == 1


def test_stdin_carriage_return_ends_no_line(command: Command, furnished: Path) -> None:
    results = json_lines(command.ok("predict", "-", "--json", stdin="今天\r真好\r\n太差了".encode()).out)
    assert [row["text"] for row in results] == ["今天\r真好", "太差了"]


def test_stdin_line_over_limit_is_cut(command: Command, furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.cli.predict.MAX_LINE", 300)
    lines = ["好" * 300, "好" * 301, "好" * 2000, "今天的面真好吃"]
    result = command.ok("predict", "-", "--json", stdin="\n".join(lines).encode())
    results = json_lines(result.out)
    assert [row["text"] for row in results] == [line[:300] for line in lines]
    assert [row["truncated"] for row in results] == [True, True, True, False]
    message = "Line {} is longer than 300 characters. The rest of it was ignored."
    assert result.err.splitlines() == [message.format(2), message.format(3)]


def test_giant_post_counts_characters_read(furnished: Path) -> None:
    with Workbench() as wb:
        unread, word, short = wb.iter_predict(["\u200b" * 20_000 + "好", "x" * 20_000, "好" * 5], record=False)
    assert (unread.error is not None, unread.characters, unread.characters_read) == (True, 20_001, 0)
    assert (word.truncated, word.characters, word.characters_read) == (True, 20_000, MAX_POST_LENGTH)
    assert (short.truncated, short.characters, short.characters_read) == (False, 5, 5)


def test_unreadable_post_among_others_is_a_row(command: Command, furnished: Path) -> None:
    for posts in (["", "今天的面真好吃", "http://t.cn/a"], ["今天的面真好吃", "\u200b", "@小林"]):
        result = command.ok("predict", "--json", *posts)
        results = json_lines(result.out)
        assert [row["text"] for row in results] == posts
        failed = [row for row in results if row["label"] is None]
        assert failed
        for row in failed:
            assert row["confidence"] is None
            assert row["probabilities"] == {}
            assert "no text" in row["error"]
        assert result.err == f"weibo-tui: {len(failed)} of 3 posts failed.\n"
        assert [line.split()[0] for line in command.ok("predict", *posts).out.splitlines()] == [
            row["label"] or "error" for row in results
        ]


def test_history_records_unless_no_history(command: Command, furnished: Path) -> None:
    command.ok("predict", "--no-history", "今天的面真好吃")
    assert command.ok("history", "list", "--json").out == ""
    command.ok("predict", "今天的面真好吃", "", "太差了")
    results = json_lines(command.ok("history", "list", "--json").out)
    assert [(row["kind"], row["text"], row["label"]) for row in results] == [
        ("analysis", "太差了", "negative"),
        ("analysis", "", ""),
        ("analysis", "今天的面真好吃", "positive"),
    ]
    shown = command.ok("history", "list", "--limit", "1").out.splitlines()
    assert len(shown) == 2
    assert "太差了" in shown[1]


@pytest.mark.parametrize(
    ("kind", "encoding", "delimiter", "end"),
    [
        ("csv", "utf-8", ",", "\n"),
        ("csv", "utf-8-sig", ",", "\r\n"),  # as Excel writes it
        ("csv", "gb18030", ",", "\r\n"),
        ("csv", "utf-16", ";", "\n"),
        ("tsv", "utf-8", "\t", "\n"),
    ],
)
def test_labeled_table_keeps_cells_and_encoding(
    kind: str, encoding: str, delimiter: str, end: str, command: Command, furnished: Path, tmp_path: Path
) -> None:
    rows = [
        ["id", "review", "备注"],
        ["001", "今天的面真好吃", ""],
        ["2", "太差了，真的", 'a "b"\r\nc'],
        ["3", "", "=1"],
    ]
    source, out = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    with source.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)
    before = source.read_bytes()
    (result,) = json_lines(command.ok("predict", "--file", source, "--out", out, "--json").out)
    assert source.read_bytes() == before
    assert list(result) == ["out", "rows", "failed", "counts", "continued", "posts_per_second", "uncertain"]
    assert result["counts"] == {"positive": 1, "negative": 1}
    with out.open(encoding=encoding, newline="") as file:
        header, *labeled = csv.reader(file, delimiter=delimiter)
    assert [header[:3], *(row[:3] for row in labeled)] == rows
    assert header[3:] == ADDED
    assert [row[3] for row in labeled] == ["positive", "negative", ""]
    assert [bool(row[7]) for row in labeled] == [False, False, True]
    assert out.read_bytes()[:2] == before[:2]  # the byte order mark, where there is one
    assert out.read_bytes().decode(encoding).count("\r\n") == before.decode(encoding).count("\r\n")


def test_labeled_jsonl_keeps_its_lines(command: Command, furnished: Path, tmp_path: Path) -> None:
    lines = ['{"id": 1.50, "text": "\\u597d\\u5403", "more": [1, {"a": null}]}', '{"text": "太差了", "x": "[b]"}']
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command.ok("predict", "--file", source, "--out", out)
    written = out.read_text("utf-8").splitlines()
    assert [line.startswith(given[:-1] + ", ") for line, given in zip(written, lines, strict=True)] == [True, True]
    assert [list(json.loads(line))[-5:] for line in written] == [ADDED, ADDED]


def test_labeled_parquet_keeps_its_schema(command: Command, furnished: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

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
    assert re.fullmatch(r"40 rows labeled: (negative \d+, positive \d+|positive \d+, negative \d+)\n", result.out)
    assert result.err.startswith("few.csv: CSV, UTF-8, posts in review, labels in label, 40 rows\n")
    assert re.fullmatch(r"Result written to .*out\.csv at [\d,]+ posts/s\.", result.err.splitlines()[1])
    (entry,) = json_lines(command.ok("history", "list", "--json").out)
    assert (entry["kind"], entry["rows"], entry["failed"]) == ("file", 40, 0)
    command.ok("predict", "--file", few, "--out", tmp_path / "out.csv", "--overwrite", "--no-history")
    assert len(json_lines(command.ok("history", "list", "--json").out)) == 1


def test_file_of_one_row_is_counted_in_singular(command: Command, furnished: Path, tmp_path: Path) -> None:
    posts = tmp_path / "one.csv"
    posts.write_text("review\n今天的面真好吃\n", encoding="utf-8")
    assert command.ok("predict", "--file", posts, "--out", tmp_path / "out.csv").out == "1 row labeled: positive 1\n"


def test_file_and_post_get_the_same_prediction(command: Command, furnished: Path, few: Path, tmp_path: Path) -> None:
    command.ok("predict", "--file", few, "--out", tmp_path / "out.csv", "--dtype", "float32")
    rows = table(tmp_path / "out.csv")
    alone = json_lines(command.ok("predict", "--json", "--dtype", "float32", rows[7]["review"]).out)[0]
    assert rows[7]["predicted"] == alone["label"]
    assert float(rows[7]["confidence"]) == pytest.approx(alone["confidence"], rel=1e-4)


def test_single_argument_that_is_a_file_is_labeled(command: Command, furnished: Path, tmp_path: Path) -> None:
    source = tmp_path / "zh.csv"
    source.write_text("用户名,博文,评论\n" + "甲,今天的面真好吃,7\n乙,昨天的电影太差了,0\n" * 3, encoding="utf-8")
    result = command.ok("predict", source)
    assert f"{source} is a file, which is labeled. For a post with this text, use stdin." in result.err
    assert "zh.csv: CSV, UTF-8, posts in 博文, 6 rows\n" in result.err
    first = table(tmp_path / "zh.labeled.csv")[0]
    assert list(first) == ["用户名", "博文", "评论", *ADDED]
    assert list(first.values())[:4] == ["甲", "今天的面真好吃", "7", "positive"]
    assert command("predict", source).code == 2  # the result exists
    for words, problem in [
        ((source, "好吃"), "is no post. Give a single file, or posts alone."),
        ((tmp_path,), "is no post. Give a single file, or posts alone."),
        (("nofile.csv",), "File not found: nofile.csv. Check the name. For a post with this text, use stdin."),
    ]:
        result = command("predict", *words)
        assert (result.code, result.out) == (2, "")
        assert problem in result.err


def test_result_of_any_format_is_written(command: Command, furnished: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "4473417000000000123", "text": "=今天的面真好吃", "tags": ["a", "b"]},
        {"id": "2", "text": None},
    ]
    source = tmp_path / "posts.json"
    source.write_text(json.dumps(rows * 2), encoding="utf-8")
    for ending, format_name in ((".csv", "CSV"), (".tsv", "TSV"), (".jsonl", "JSON Lines"), (".parquet", "Parquet")):
        out = tmp_path / f"out{ending}"
        command.ok("predict", "--file", source, "--out", out, "--prefix", "mood_")
        again = command.ok("predict", "--file", out, "--out", tmp_path / f"again{ending}", "--json")
        assert f"{out.name}: {format_name}" in again.err
        assert json_lines(again.out)[0]["failed"] == 2
    first, second, *_rest = table(tmp_path / "again.csv")
    assert list(first) == ["id", "text", "tags", *(f"mood_{name}" for name in ADDED), *ADDED]
    assert (first["id"], first["text"], first["tags"]) == (rows[0]["id"], rows[0]["text"], '["a", "b"]')
    assert (first["predicted"], first["mood_predicted"], second["mood_error"] != "") == ("positive", "positive", True)
    for name in ("out.docx", "out.json.gz", "out.txt"):
        refused = command("predict", "--file", tmp_path / "again.csv", "--out", tmp_path / name)
        assert (refused.code, "Give it the ending .csv, .tsv" in refused.err) == (2, True)
        assert not (tmp_path / name).exists()


def test_result_in_excel_has_texts_and_numbers(command: Command, furnished: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "posts.csv", tmp_path / "out.xlsx"
    source.write_text("id,text\n4473417000000000123,=今天的面真好吃\n" + "2,\n", encoding="utf-8")
    command.ok("predict", "--file", source, "--out", out)
    header, first, second = openpyxl.load_workbook(out)["posts"].iter_rows()
    assert [cell.value for cell in header] == ["id", "text", *ADDED]
    assert [cell.data_type for cell in first] == ["s", "s", "s", "n", "n", "n", "n"]
    assert [cell.value for cell in first[:3]] == ["4473417000000000123", "=今天的面真好吃", "positive"]
    assert (second[2].value, second[6].value is None) == (None, False)
    command.ok("predict", "--file", out, "--out", tmp_path / "back.xlsx", "--prefix", "second_")


def test_byte_order_mark_is_kept_or_chosen(command: Command, furnished: Path, tmp_path: Path) -> None:
    plain, marked, lines = tmp_path / "plain.csv", tmp_path / "marked.csv", tmp_path / "lines.jsonl"
    plain.write_text("text\n今天的面真好吃\n", encoding="utf-8")
    marked.write_text("text\n今天的面真好吃\n", encoding="utf-8-sig")
    lines.write_text('{"text": "今天的面真好吃"}\n', encoding="utf-8")
    cases: list[tuple[Path, list[str], bool]] = [
        *((plain, [], False), (marked, [], True), (lines, [], True)),
        *((plain, ["--bom"], True), (marked, ["--no-bom"], False), (lines, ["--no-bom"], False)),
    ]
    for number, (source, words, has_mark) in enumerate(cases):
        out = tmp_path / f"{number}.csv"
        command.ok("predict", "--file", source, "--out", out, *words)
        assert out.read_bytes().startswith(b"\xef\xbb\xbf") == has_mark


def test_bad_rows_are_listed_in_their_file(command: Command, furnished: Path, tmp_path: Path) -> None:
    source, bad, out = tmp_path / "posts.csv", tmp_path / "bad.csv", tmp_path / "out.csv"
    source.write_text("id,text\n" + "1,今天的面真好吃\n" * 30 + "1,=二,三\n" * 2, encoding="utf-8")
    refused = command("predict", "--file", source, "--out", out, "--bad-rows", bad)
    assert (refused.code, "2 rows that cannot be read: " in refused.err) == (2, True)
    assert "line 32: 3 cells, but the table has 2. 2 of 32 rows cannot be read. Correct them, or allow" in refused.err
    reason = "3 cells, but the table has 2"
    assert [list(row.values()) for row in table(bad)] == [[str(source), n, reason, "1,=二,三"] for n in ("32", "33")]
    assert command("predict", "--file", source, "--out", out, "--bad-rows", bad, "--max-bad-rows", "10%").code == 2
    result = command.ok("predict", "--file", source, "--out", out, "--max-bad-rows", "10%")
    assert "posts.csv: CSV, UTF-8, posts in text, 30 rows, 2 skipped\n" in result.err
    assert command("predict", "--file", source, "--max-bad-rows", "many").code == 2
    (tmp_path / "link.csv").symlink_to(out)
    for other in (out, tmp_path / "link.csv"):
        same = command("predict", "--file", source, "--out", out, "--bad-rows", other, "--overwrite")
        assert "--bad-rows and another output are the same file" in same.err
    for line in ("evaluate --out", "compare --out", "audit --label-errors"):
        name, option = line.split()
        same = command(name, source, option, bad, "--bad-rows", bad, "--overwrite")
        assert "--bad-rows and another output are the same file" in same.err
    for option in ("--validation-data", "--test-data"):
        same = command("train", source, option, out, "--bad-rows", out, "--overwrite")
        assert "Output and input are the same file" in same.err


def test_file_per_label_is_trained_and_evaluated(command: Command, furnished: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "labels" / "good", tmp_path / "labels" / "bad.txt"
    good.mkdir(parents=True)
    for number in range(2):
        (good / f"{number}.txt").write_text(f"今天的面真好吃\n这里的第{number}条真好\n", encoding="utf-8")
    bad.write_text("昨天的电影太差了[怒]\n真难吃\n", encoding="utf-8")
    words = ["--label-of", f"{good}=positive", "--label-of", f"{bad}=negative"]
    result = command.ok("evaluate", *words, "--json")
    assert json_lines(result.out)[0]["labels"] == ["negative", "positive"]
    assert "bad.txt: TXT, UTF-8, a post per line, all labeled negative, 2 rows" in result.err
    audit = json_lines(command.ok("audit", *words, "--json").out)[0]
    assert (len(audit["files"]), audit["labels"]) == (3, {"negative": 2, "positive": 4})
    for name in ("notes.md", ".DS_Store", "~$0.xlsx"):
        (good / name).write_text("好", encoding="utf-8")
    (good / "pictures").mkdir()
    by_name = command.ok("audit", "--label-of", good.parent, "--json")
    assert json_lines(by_name.out)[0]["labels"] == {"bad": 2, "good": 4}
    assert f"{good}: left out, because they are no tables: notes.md, pictures/.\n" in by_name.err
    twice = command("audit", *words, "--label-of", f"{good}=negative")
    assert "has two labels in --label-of. Give it once." in twice.err
    for wrong in (["evaluate"], ["evaluate", "--label-of", "good.txt"], ["audit", "--label-of", "=x"]):
        assert command(*wrong).code == 2
