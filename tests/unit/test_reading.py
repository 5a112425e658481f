"""Tables of posts in every format and encoding, and the errors of those that are refused."""

from __future__ import annotations

import csv
import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.datasets import encodings
from weibo_tui.datasets.containers import DataFile
from weibo_tui.datasets.reading import PostTable, TableRow, count_rows, open_table, preview_table, read_rows
from weibo_tui.datasets.tables import Columns, Report
from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain

POSTS = ["今天的天气真好，[哈哈]", "堵车了，\n烦！", '他说"好"', " =1+1 ", "[泪]"]
TABLE = 'label,review\n1,"今天的天气真好，[哈哈]"\n0,"堵车了，\n烦！"\n1,"他说""好"""\n0, =1+1 \n0.0,[泪]\n'


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def refusal(path: Path, need_label: bool = False, **columns: Any) -> str:
    """Return the error of opening or reading `path`."""
    with pytest.raises(UserInputError) as error:
        list(read_rows(open_table(path, Columns(**columns), need_label=need_label)))
    assert "\n" not in str(error.value)
    return str(error.value)


def read(path: Path, **columns: Any) -> tuple[PostTable, list[TableRow]]:
    source = open_table(path, Columns(**columns))
    result = list(read_rows(source))
    assert [row.number for row in result] == list(range(1, len(result) + 1))
    assert drain(count_rows(source)) == len(result)
    return source, result


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_encoding_is_detected_or_named(tmp_path: Path, codec: str) -> None:
    path = write(tmp_path / "posts.csv", TABLE, codec)
    for options in ({}, {"encoding": codec}):
        source, result = read(path, **options)
        assert source.encoding == codec
        assert (source.text_column, source.label_column) == ("review", "label")
        assert [row.text for row in result] == POSTS
        assert [row.label for row in result] == ["1", "0", "1", "0", "0"]
        assert result[4].cells == {"label": "0.0", "review": "[泪]"}


def test_big_endian_utf_16_with_mark_is_read(tmp_path: Path) -> None:
    source, result = read(write(tmp_path / "posts.csv", "\ufeff" + TABLE, "utf-16-be"))
    assert source.encoding == "utf-16"
    assert [row.text for row in result] == POSTS


@pytest.mark.parametrize("alias", ["GBK", "gb2312", "GB18030"])
def test_gbk_and_gb2312_are_read_as_gb18030(tmp_path: Path, alias: str) -> None:
    path = write(tmp_path / "posts.csv", TABLE.replace("泪", "镕😀"), "gb18030")
    source, result = read(path, encoding=alias)
    assert source.encoding == "gb18030"
    assert result[-1].text == "[镕😀]"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_any_line_end_is_read(tmp_path: Path, end: str, last: bool) -> None:
    text = "text,label\n一,1\n\n二,0\n".replace("\n", end)
    _source, result = read(write(tmp_path / "posts.csv", text if last else text.removesuffix(end)))
    assert [(row.text, row.label) for row in result] == [("一", "1"), ("二", "0")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("posts.tsv", "text\tlabel\n一, 二\t1\n"),
        ("posts.csv", "text;label\n一, 二;1\n"),
        ("posts.csv", "text\tlabel\n一, 二\t1\n"),
        ("posts.csv", 'text,label\n"一, 二",1\n'),
        ("posts.data", 'text,label\n"一, 二",1\n'),
        ("posts.data", '{"text": "一, 二", "label": 1}\n'),
    ],
)
def test_delimiters_and_formats_are_found(tmp_path: Path, name: str, text: str) -> None:
    _source, result = read(write(tmp_path / name, text))
    assert [(row.text, row.label) for row in result] == [("一, 二", "1")]


def test_jsonl_is_read(tmp_path: Path) -> None:
    records = [
        {"id": 1, "content": "好的\u2028", "sentiment": 1},
        {"id": 2, "content": None, "sentiment": False, "extra": [1]},
        {"content": 12.5, "sentiment": "积极"},
        {"content": "半\ud83d", "sentiment": 1.0},
        {"id": 5, "content": ""},
    ]
    path = write(tmp_path / "posts.jsonl", "\n\n".join(map(json.dumps, records)))
    source, result = read(path)
    assert source.columns == ("id", "content", "sentiment", "extra")
    assert [row.text for row in result] == ["好的\u2028", "", "12.5", "半\ud83d", ""]
    assert [row.label for row in result] == ["1", "0", "积极", "1", ""]
    assert result[1].cells == records[1]


def test_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    table = pa.table({"标签": [1.0, None, 0.0], "微博": ["好", None, "差"], "n": [1, 2, 3]})
    pq.write_table(table, path, row_group_size=2)
    source, result = read(path)
    assert source.format == "parquet"
    assert [(row.text, row.label) for row in result] == [("好", "1"), ("", ""), ("差", "0")]
    assert result[2].cells == {"标签": 0.0, "微博": "差", "n": 3}


def test_single_column_is_the_post(tmp_path: Path) -> None:
    source, result = read(write(tmp_path / "posts.csv", "whatever\n好\n\n差\n"))
    assert source.text_column == "whatever"
    assert [(row.text, row.label) for row in result] == [("好", None), ("差", None)]


def test_columns_are_found_by_name_or_usual_names(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", "id, Content ,TEXT,class\n7,一,二,a\n")
    assert read(path)[1][0].text == "二"
    assert read(path, text="content")[1][0].text == "一"
    assert read(path, text=" Content ", label="id")[1][0].label == "7"
    assert "no column body" in refusal(path, text="body")
    assert "id,  Content , TEXT, class" in refusal(path, text="body")
    assert "--label-column" in refusal(path, label="body")
    assert "both text and label" in refusal(path, text="id", label="id")


def test_unknown_columns_are_refused_and_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", "甲,乙\n一,二\n")
    assert "甲, 乙" in refusal(path)
    assert "--column" in refusal(path)
    assert "--label-column" in refusal(path, need_label=True, text="甲")
    assert open_table(path, Columns("甲")).label_column is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "no rows"),
        (b"\n\n", "no rows"),
        (b"text,label\n", "no rows"),
        (b"text,text\na,b\n", "two columns named 'text'"),
        (
            b"text,label\na,1\nb\n",
            "line 3: 1 cells, but the post or its label is in cell 2. 1 of 2 rows cannot be read",
        ),
        (b'text,label\n"a\nb",1\nb,1,2\n', "line 4: 3 cells"),
        (b'text,label\na,1\n"b,b",0\n"c,0\nd,1\n', "line 4: a quote opens here"),
        (b"text,label\na,1\n\xff\xfe,0\n", "line 3"),
    ],
)
def test_broken_csv_is_refused_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(content)
    assert message in refusal(path)
    assert str(path) in refusal(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a"}\n{"text": \n', "line 2: the JSON ends too early"),
        ('{"text": "a"}\n{"text"; "b"}\n', 'line 2: not JSON at ; "b"}.'),
        ('{"text": "a"}\n[1]\n', "line 2: not a JSON object"),
        ('{"text": ["a", 1]}\n', "row 1: column text contains no text"),
        ("{}\n", "no rows"),
        ("[" * 100_000 + "\n", "not JSON"),
    ],
)
def test_broken_jsonl_is_refused_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(write(tmp_path / "posts.jsonl", content))


def test_broken_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    path.write_bytes(b"PAR1 and no more")
    assert "Parquet" in refusal(path)
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    assert "no rows" in refusal(path)


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    assert "File not found" in refusal(tmp_path / "missing.csv")
    assert "folder" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "regular file" in refusal(tmp_path / "pipe")


def test_too_large_cell_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", "text,label\na,1\n" + "好" * 10_000_001 + ",0\n")
    assert "line 3" in refusal(path)


def test_zero_bytes_are_read(tmp_path: Path) -> None:
    assert read(write(tmp_path / "posts.csv", "text,label\n一\0二,1\n"))[1][0].text == "一\0二"


@pytest.mark.parametrize(
    "content",
    [
        "text,label\n這部電影的確好看，我們都喜歡，謝謝大家,1\n".encode("big5"),
        "text,label\nDéjà vu à la carte, 1\nnaïve café,0\n".encode("latin-1"),
        "text,label\nきょうはいいてんきですね,1\n".encode("shift-jis"),
        bytes(range(128, 256)) * 8,
    ],
)
def test_uncertain_encoding_is_refused_with_the_fix(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(content)
    assert "--encoding" in refusal(path)


def test_any_encoding_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", "text,label\n這部電影,1\n", "big5")
    assert read(path, encoding="Big5")[1][0].text == "這部電影"
    assert "Unknown encoding: klingon" in refusal(path, encoding="klingon")
    assert "Unknown encoding: base64" in refusal(path, encoding="base64")
    assert "line 2: not utf-8" in refusal(path, encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    ["好", "的", "text\n哈哈", "text,label\n朱镕基说的,1\n", "text,label\n" + "謝謝你，我們都好。,1\n" * 3],
)
def test_short_and_traditional_gb18030_is_detected(tmp_path: Path, text: str) -> None:
    assert encodings.detect_encoding(DataFile(write(tmp_path / "posts.csv", text, "gb18030"))).name == "gb18030"


def test_large_file_encoding_is_detected_from_its_middle(tmp_path: Path) -> None:
    plain = "text,label\n" + "plain words only,1\n" * 480_000
    assert len(plain) > encodings.MAX_WHOLE
    chinese = "今天的天气真好,0\n" * 50_000
    for codec in ("utf-8", "gb18030"):
        path = write(tmp_path / "posts.csv", plain + chinese, codec)
        assert encodings.detect_encoding(DataFile(path)).codec == codec


def test_line_of_another_encoding_is_skipped(tmp_path: Path) -> None:
    line = b"plain words only " * 10 + b",1\n"  # each line takes time, so they are long
    odd = "今天真好,0\n".encode("gb18030")
    path = tmp_path / "posts.csv"
    path.write_bytes(b"text,label\n" + line * 2_000 + odd + line * 100_000)  # between two windows
    assert open_table(path).encoding == "utf-8"
    report = Report()
    drain(count_rows(open_table(path), report))
    assert [(row.line, row.reason) for row in report.bad] == [(2_002, "not utf-8")]
    assert "line 2002: not utf-8. 1 of 102,001 rows cannot be read" in refusal(path, max_bad_rows=0.0)
    assert next(islice(read_rows(open_table(path, Columns(encoding="gbk"))), 2_000, None)).text == "今天真好"


def test_preview_has_columns_and_first_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", TABLE, "utf-16")
    result = preview_table(path, limit=3)
    assert result.source == open_table(path)
    assert (result.source.text_column, result.source.label_column) == ("review", "label")
    assert [(row.number, row.text, row.label) for row in result.rows] == [
        (1, POSTS[0], "1"),
        (2, POSTS[1], "0"),
        (3, POSTS[2], "1"),
    ]
    assert len(preview_table(path).rows) == 5
    assert [row.text for row in preview_table(path, Columns("label", "review"), limit=1).rows] == ["1"]


def test_preview_reads_no_further_than_it_shows(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", TABLE + "1,二\n1,一,多\n")
    preview = preview_table(path)
    assert (len(preview.rows), preview.report) == (5, None)
    with pytest.raises(UserInputError, match="line 9: 3 cells, but the table has 2"):
        preview_table(path, limit=6)
    with pytest.raises(UserInputError, match="no column text"):
        preview_table(path, Columns("text"))


def test_impossible_path_is_refused(tmp_path: Path) -> None:
    for name, message in [
        ("x" * 300, f"Cannot read {tmp_path / ('x' * 300)} (File name too long)"),
        ("posts.csv/more", "File not found"),
        ("nul\0l", "File not found"),
        ("", "is a folder"),
    ]:
        write(tmp_path / "posts.csv", TABLE)
        assert message in refusal(tmp_path / name)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))), min_size=1))
def test_csv_cells_are_read_unchanged(tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "other"), *table])
    assert [tuple(row.cells.values()) for row in read(path, text="text", header=True, encoding="utf-8")[1]] == table
