"""Tables as crawlers, spreadsheets and published data sets write them: each is read whole, and it is said how."""

from __future__ import annotations

import csv
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tables import EXAMPLES, LABELS, POSTS, check, read, write, zipped

from weibo_tui.datasets.containers import expand
from weibo_tui.datasets.reading import find_bad_rows, open_table
from weibo_tui.datasets.tables import Columns
from weibo_tui.errors import UserInputError


def table(header: str, delimiter: str = ",", newline: str = "\n") -> str:
    lines = [delimiter.join((label, post)) for label, post in zip(LABELS, POSTS, strict=True)]
    return newline.join([header, *lines]) + newline


DIALECTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "semicolons": ("f.csv", table("label;review", ";"), ("CSV", "posts in review", "labels in label", "6 rows")),
    "bars": ("f.txt", table("label|review", "|"), ("CSV",)),
    "tabs in a text file": ("f.txt", table("label\treview", "\t"), ("TSV",)),
    "a line sep=": ("f.csv", "sep=;\r\n" + table("label;review", ";", "\r\n"), ("1 line above the header",)),
    "no header": (
        "f.csv",
        table("0,一开始就是帖子").partition("\n")[2],
        ("no header", "posts in column 2", "labels in column 1"),
    ),
    "no header, tabs": ("f.txt", table("", "\t").lstrip("\n"), ("no header", "TSV")),
    "a title": ("f.csv", "某某事件数据导出,\n" + table("情感倾向,微博正文"), ("1 line above", "posts in 微博正文")),
    "a title alone": ("f.csv", "某某事件数据导出\n\n" + table("情感倾向,微博正文"), ("1 line above",)),
    "a header without row numbers": (
        "f.csv",
        "label,review\n" + "".join(f"{n},{x},{y}\n" for n, (x, y) in enumerate(zip(LABELS, POSTS, strict=True))),
        ("labels in label",),
    ),
    "empty columns at the end": ("f.csv", table("label,review").replace("\n", ",,,\n"), ("posts in review",)),
    "repeated headers": (
        "f.csv",
        "\ufeff" + table("label,review").replace("0,外卖", "\ufefflabel,review\n0,外卖") + "label,review\n",
        ("2 repeated headers",),
    ),
    "short rows": (
        "f.csv",
        table("label,review,retweet,likes").replace("看\n", "看,,5\n"),
        ("5 short rows filled up",),
    ),
    "fastText": (
        "f.txt",
        "".join(f"__label__{label} {post}\n" for label, post in zip(LABELS, POSTS, strict=True)),
        ("fastText",),
    ),
    "columns of counts": (
        "f.csv",
        "评论,情感,转发,博文,发布时间\n"
        + "".join(f"{n * 7},{x},{n},{y},2026-01-0{n}\n" for n, (x, y) in enumerate(zip(LABELS, POSTS, strict=True), 1)),
        ("posts in 博文", "labels in 情感"),
    ),
    "unknown names": (
        "f.csv",
        "编码,那句话,来处\n" + "".join(f"{n},{y},http://t.cn/{n}\n" for n, y in zip(LABELS, POSTS, strict=True)),
        ("posts in 那句话",),
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_table_of_any_dialect_is_read_whole(tmp_path: Path, name: str) -> None:
    file, text, parts = DIALECTS[name]
    check(write(tmp_path / file, text), *parts, labels=None if name == "unknown names" else LABELS)


def test_words_of_buttons_are_no_posts(tmp_path: Path) -> None:
    lines = [f"{word},{post},{n}" for n, (word, post) in enumerate(zip(["评论", "12", "评论"] * 2, POSTS, strict=True))]
    text = "\n".join(["评论,博文,点赞", *lines])
    check(write(tmp_path / "f.csv", text), "posts in 博文", labels=None)
    check(write(tmp_path / "f.csv", "评论,点赞\n好,1\n差,2\n"), "posts in 评论", posts=["好", "差"], labels=None)


def test_header_with_a_repeated_name_is_recognized(tmp_path: Path) -> None:
    lines = [f"{n},{post},{n}" for n, post in enumerate(POSTS)]
    check(write(tmp_path / "f.csv", "\n".join(["热度,那句话,热度", *lines])), "posts in 那句话", labels=None)


def test_first_row_with_a_label_of_others_is_no_header(tmp_path: Path) -> None:
    text = "愤怒\t我吐了\n开心\t今天真好\n愤怒\t又是这样\n悲伤\t他今天很难过\n"
    posts = ["我吐了", "今天真好", "又是这样", "他今天很难过"]
    check(write(tmp_path / "f.txt", text), "no header", posts=posts, labels=None)


def test_dates_without_header_are_no_labels(tmp_path: Path) -> None:
    text = "".join(f"2026-01-0{n % 2 + 1} 10:00\t{post}{n}\n" for n in range(5) for post in POSTS)
    _source, rows, _report = read(write(tmp_path / "f.txt", text))
    assert {row.label for row in rows} == {None}
    text = "".join(f"{'+-'[n % 2]}\t{post}{n}\n" for n in range(5) for post in POSTS)
    _source, rows, _report = read(write(tmp_path / "f.txt", text))
    assert {row.label for row in rows} == {"+", "-"}


def test_lines_of_text_are_posts_with_their_commas(tmp_path: Path) -> None:
    posts = [post.replace("，", ",") for post in POSTS]
    check(write(tmp_path / "f.txt", "\n".join(posts)), "TXT", "a post per line", "6 rows", posts=posts, labels=None)
    check(write(tmp_path / "f.txt", "\n".join(["微博正文", *posts])), "posts in 微博正文", posts=posts, labels=None)
    check(write(tmp_path / "f.csv", "\n".join(["text", *posts])), "posts in text", posts=posts, labels=None)


def test_posts_that_begin_with_a_brace_are_text(tmp_path: Path) -> None:
    posts = [f"{{%#话题#%}} {post}" for post in POSTS]
    check(write(tmp_path / "f.txt", "\n".join(posts)), "TXT", posts=posts, labels=None)
    lines = "".join(f"{post}\t{label}\n" for post, label in zip(posts, LABELS, strict=True))
    check(write(tmp_path / "f.tsv", lines), "TSV", "no header", posts=posts)


def test_numbered_header_of_pandas_is_no_post(tmp_path: Path) -> None:
    lines = "".join(f"{at},{label},{post}\n" for at, (post, label) in enumerate(zip(POSTS, LABELS, strict=True)))
    check(write(tmp_path / "f.csv", ",0,1\n" + lines), "posts in 1", label="0")


def test_row_of_totals_is_skipped(tmp_path: Path) -> None:
    text = table("label,review") + "合计,6\n"
    check(write(tmp_path / "f.csv", text), "6 rows", "1 skipped", max_bad_rows=0.2)
    with pytest.raises(UserInputError, match="line 8: a row of totals"):
        read(write(tmp_path / "f.csv", text))
    check(write(tmp_path / "f.csv", "review,label\n合计,好\n"), "1 row", posts=["合计"], labels=["好"])


def test_second_header_in_another_order_is_refused(tmp_path: Path) -> None:
    check(write(tmp_path / "f.csv", table("label,review") + "Label , Review\n"), "1 repeated header")
    path = write(tmp_path / "f.csv", table("label,review") + "review,label\n好,1\n")
    with pytest.raises(UserInputError, match="line 8: a second header with the columns in another order"):
        read(path)


def test_utf_32_is_read(tmp_path: Path) -> None:
    check(write(tmp_path / "f.csv", table("label,review"), "utf-32"), "UTF-32", "posts in review")


def test_plain_tsv_keeps_its_quotes(tmp_path: Path) -> None:
    for at, ending in ((0, ""), (2, '"好'), (3, '"')):
        posts = list(POSTS)
        posts[at] = f'"{posts[at]}'
        posts[at + 2] += ending
        lines = "".join(f"{post}\t{label}\n" for post, label in zip(posts, LABELS, strict=True))
        check(write(tmp_path / "f.tsv", "review\tlabel\n" + lines), "without quoting", posts=posts)


def test_plain_tsv_with_late_quotes_keeps_them(tmp_path: Path) -> None:
    posts = [
        *(f"第{number}条今天的天气真好" for number in range(20_000)),
        '他说"好"，真好',
        '"开头有引号',
        '"两头都有"',
    ]
    lines = "".join(f"{post}\t{number % 2}\n" for number, post in enumerate(posts))
    path = write(tmp_path / "f.tsv", "review\tlabel\n" + lines)
    source, rows, _report = read(path)
    assert "without quoting" in source.summary()
    assert [row.text for row in rows] == posts


def test_backslash_quotes_are_read(tmp_path: Path) -> None:
    posts = [f'他说"好", {post}\\' for post in POSTS]
    with (tmp_path / "f.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, doublequote=False, escapechar="\\")
        writer.writerows([("label", "review"), *zip(LABELS, posts, strict=True)])
    check(tmp_path / "f.csv", "CSV", posts=posts)


def test_quote_that_swallows_rows_costs_its_row_only(tmp_path: Path) -> None:
    lines = [f'{n % 2},"第{n}条,今天的天气\n真好"' for n in range(200)]
    for stray in ('1,"没有关上的引号', '1,"没有,关上'):
        text = "\n".join(["label,review", *lines[:100], stray, *lines[100:]])
        path = write(tmp_path / "f.csv", text + "\n")
        _source, rows, report = read(path)
        assert (len(rows), report.num_bad) == (200, 1)
        assert [(row.line, row.content) for row in find_bad_rows(path)] == [(202, stray)]


def test_bad_rows_stop_the_work_above_their_share(tmp_path: Path) -> None:
    text = table("label,review") + "1,一,二\n"
    path = write(tmp_path / "f.csv", text)
    with pytest.raises(UserInputError, match=r"line 8: 3 cells, but the table has 2. 1 of 7 rows cannot be read"):
        read(path)
    check(path, "6 rows, 1 skipped", max_bad_rows=0.2)
    lines = write(tmp_path / "f.jsonl", '{"text": "好的呀"}\n' * 30 + "{no\n[1]\n")
    with pytest.raises(UserInputError, match="line 31: not JSON"):
        read(lines)
    assert [row.line for row in find_bad_rows(lines)] == [31, 32]


def test_header_can_be_given_or_denied(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", table("1,好的").replace("1,好的\n", "标题,一二三\n", 1))
    assert read(path)[0].columns == ("标题", "一二三")
    source, rows, _report = read(path, header=False)
    assert (source.columns, len(rows), rows[0].text) == (("1", "2"), 7, "一二三")
    path = write(tmp_path / "f.csv", table("0,那么长的一个标题，真长"))
    assert len(read(path)[1]) == 7
    assert read(path, header=True)[0].columns == ("0", "那么长的一个标题，真长")


def test_column_is_chosen_by_number(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", "甲,乙\n" + "".join(f"{a},{b}\n" for a, b in zip(POSTS, POSTS[::-1], strict=True)))
    with pytest.raises(UserInputError, match="text column not detected. .* Columns: 甲, 乙"):
        open_table(path)
    assert read(path, text="2")[0].text_column == "乙"
    path = write(tmp_path / "g.csv", "".join(f"{a},{b}\n" for a, b in zip(POSTS, POSTS[::-1], strict=True)))
    with pytest.raises(UserInputError, match=r"Columns: 1 \(今天吃到.*\), 2 \(客服"):
        open_table(path)


def test_numbers_ids_urls_and_dates_are_no_posts(tmp_path: Path) -> None:
    for cells in (["12", "7"], ["4473417000000000\t", "x1"], ["http://t.cn/a", "https://b.cn"], ["2026-01-01 10:00"]):
        path = write(tmp_path / "f.csv", "text,n\n" + "".join(f"{cell},1\n" for cell in cells))
        with pytest.raises(UserInputError, match="text column not detected"):
            open_table(path)
        assert open_table(path, Columns("text")).text_column == "text"


PACKED: dict[str, Callable[[bytes], bytes]] = {".csv.gz": gzip.compress, ".csv.xz": lzma.compress}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_packed_table_is_read(tmp_path: Path, encoding: str) -> None:
    data = table("label,review").encode(encoding)
    for name, pack in PACKED.items():
        (tmp_path / f"f{name}").write_bytes(pack(data))
        check(tmp_path / f"f{name}", "CSV", encoding.upper())
    (tmp_path / "f.zip").write_bytes(zipped({"a/f.csv": data, "__MACOSX/._f.csv": b"x"}))
    check(tmp_path / "f.zip", "CSV", encoding.upper())


def test_damaged_or_ambiguous_archive_is_refused(tmp_path: Path) -> None:
    for name, data, message in (
        ("f.gz", gzip.compress(table("label,review").encode())[:-12], "Cannot read .*f.gz"),
        ("f.xz", lzma.compress(table("label,review").encode())[:-30], "Cannot read .*f.xz"),
        ("f.zip", zipped({"a.csv": b"text\n", "b.csv": b"text\n"}), "contains 2 files: a.csv, b.csv. Unpack it"),
        ("f.zip", zipped({"a.csv": b"text\n"})[:-30], "Cannot read .*f.zip"),
        ("f.zip", zipped({}), "empty"),
        ("f.docx", zipped({"word/document.xml": b"<a/>"}), "is a Word document. Export its table"),
        ("f.xlsb", zipped({"xl/workbook.bin": b"x"}), r"is a binary workbook \(.xlsb\). Export its table"),
        ("f.numbers", zipped({"Index/Document.iwa": b"x"}), "is a Numbers spreadsheet. Export its table"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserInputError, match=message):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.7\n", "is a PDF document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Office file"),
        (b"<?xml version='1.0'?><a/>", "is an XML file"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "is a web page"),
        (b"<table><tr><td>text</td></tr></table>", "is a web page"),
        (b"\x89PNG\r\n\x1a\n", "is a picture"),
        (b"x" * 257 + b"ustar", "is a tar archive"),
    ],
)
def test_file_of_another_kind_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(data)
    with pytest.raises(UserInputError, match=message):
        open_table(path)


def test_folders_and_patterns_are_expanded(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "note.md", ".c.csv"):
        (tmp_path / name).touch()
    both = [tmp_path / "a.csv", tmp_path / "b.csv"]
    assert expand([tmp_path]) == expand([tmp_path / "[ab].csv"]) == expand([*both, both[0]]) == both
    assert expand([both[0], tmp_path / ".." / tmp_path.name / "a.csv"]) == both[:1]
    (tmp_path / "x[1].csv").touch()
    assert expand([tmp_path / "x[1].csv"]) == [tmp_path / "x[1].csv"]
    (tmp_path / "none").mkdir()
    for path, message in ((tmp_path / "none", "contains no tables"), (tmp_path / "*.tsv", "No file matches")):
        with pytest.raises(UserInputError, match=message):
            expand([path])


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=12)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    rows=st.lists(st.tuples(CELL, CELL, st.integers(0, 9)), min_size=1, max_size=30),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)),
    newline=st.sampled_from(("\n", "\r\n")),
)
def test_table_of_csv_module_comes_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, int]],
    delimiter: str,
    quoting: Any,
    newline: str,
) -> None:
    path = tmp_path_factory.getbasetemp() / ("kinds.tsv" if delimiter == "\t" else "kinds.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=newline)
        writer.writerows([("text", "other", "label"), *rows])
    _source, result, _report = read(path, text="text", encoding="utf-8")
    assert [tuple(row.cells.values()) for row in result] == [(a, b, str(n)) for a, b, n in rows]


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=20), kind=st.sampled_from(("csv", "tsv", "escape")))
def test_table_of_pandas_comes_back_equal(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], kind: str
) -> None:
    import pandas as pd

    assume(kind != "escape" or any('"' in post for post, _other in rows))
    path = tmp_path_factory.getbasetemp() / "pandas.csv"
    options: dict[str, Any] = {"sep": "\t"} if kind == "tsv" else {}
    if kind == "escape":
        options = {"doublequote": False, "escapechar": "\\", "quoting": csv.QUOTE_ALL}
    pd.DataFrame(rows, columns=["text", "other"]).to_csv(path, encoding="utf-8", **options)
    _source, result, _report = read(path, text="text", encoding="utf-8")
    assert [(row.cells["text"], row.cells["other"]) for row in result] == rows
