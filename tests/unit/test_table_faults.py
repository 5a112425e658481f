"""Tables with faults: nothing in them is read wrongly without a word."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tables import POSTS, check, read, write

from weibo_tui.datasets.reading import find_bad_rows
from weibo_tui.errors import UserInputError


def write_rows(path: Path, header: str, row: str, number: int = 40) -> list[str]:
    """Write rows with `{n}` and `{post}` filled in by the csv module, and return the posts."""
    posts = [f"{POSTS[n % 6]}{n}" for n in range(number)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        for n, post in enumerate(posts):
            values = {"n": f"{n:02}", "post": f"{post}\n第二行，好\n\n结尾" if n % 7 == 0 else post}
            writer.writerow(cell.format(**values) for cell in row.split(","))
    return [f"{post}\n第二行，好\n\n结尾" if n % 7 == 0 else post for n, post in enumerate(posts)]


SHAPES = {
    "time,text": "2026-01-{n} 10:{n},{post}",
    "text,time": "{post},2026年1月{n}日",
    "url,text": "https://weibo.com/{n},{post}",
    "bid,text": "Lm{n}xY,{post}",
    "text,user": "{post},甲乙",
    "text": "{post}",
}


@pytest.mark.parametrize("header", SHAPES)
def test_quote_that_swallows_lines_is_found_or_said(tmp_path: Path, header: str) -> None:
    path = tmp_path / "f.csv"
    posts = write_rows(path, header, SHAPES[header])
    check(path, "40 rows", posts=posts, labels=None)
    text = path.read_text("utf-8")
    assert ("6 rows of up to 4 lines" in read(path)[0].summary(read(path)[2])) == (header in ("text", "text,user"))
    # A quote opens in row 15 and is closed by another at the end of a later post.
    for last in (16, 19):
        broken = text.replace(posts[15], '"' + posts[15]).replace(posts[last], posts[last] + '"')
        source, rows, report = read(write(path, broken))
        if header in ("text", "text,user"):
            assert f"7 rows of up to {max(4, last - 14)} lines" in source.summary(report)
        else:
            assert (len(rows), report.num_bad) == (39, 1)
            assert posts[15] in find_bad_rows(path)[0].content


def test_quote_that_swallows_many_rows_is_found(tmp_path: Path) -> None:
    lines = [f"{POSTS[n % 6]}{n},甲乙" for n in range(40)]
    lines[1], lines[2], lines[35] = '"今天,好",甲乙', '"今天,\n好",甲乙', '"昨天,好",甲乙'
    lines[5], lines[30] = '"' + lines[5], '外卖还好",甲乙'
    _source, rows, report = read(write(tmp_path / "f.csv", "\n".join(["text,user", *lines])))
    assert (len(rows), report.num_bad) == (39, 1)


NOTES = ("数据来源：微博", "共 120 条", "注：本表仅供参考", "Source: Weibo")


@pytest.mark.parametrize("header", ["正文,时间,点赞", "text,time", "label,review", "review,label"])
def test_notes_below_a_table_are_skipped_and_listed(tmp_path: Path, header: str) -> None:
    path, width = tmp_path / "f.csv", header.count(",") + 1
    cells = {"label": "{at}", "time": "2026-01-0{at}", "时间": "2026-01-0{at}", "点赞": "{at}", "review,label": ""}
    row = ",".join(cells.get(name, "{post}") for name in header.split(",")) + "\n"
    rows = [row.format(at=at % 2, post=post) for at, post in enumerate(POSTS)]
    for end in ("\n", "," * (width - 1) + "\n"):
        text = "".join([header + "\n", *rows, "\n", *(note + end for note in NOTES)])
        check(write(path, text), "6 rows, 4 skipped", labels=None, max_bad_rows=0.5)
        assert [bad.content.rstrip(",") for bad in find_bad_rows(path)] == list(NOTES)
    with pytest.raises(UserInputError, match="4 of 10 rows cannot be read"):
        read(path)


def test_posts_that_look_like_notes_are_kept(tmp_path: Path) -> None:
    posts = [*POSTS, "来源不明的消息", "注意安全", "共有三个人", "说明书写得真差"]
    for header, end in (("text,time,likes", ",,"), ("text,label", ",")):
        # Posts without the other cells stand among and below the others.
        lines = [f"{post}{end if at % 2 else end.replace(',', ',1')}\n" for at, post in enumerate(posts)]
        check(write(tmp_path / "f.csv", header + "\n" + "".join(lines)), "10 rows", posts=posts, labels=None)
    posts = ["好的呀", "坏的呀", "没有标签"]
    check(write(tmp_path / "f.csv", "text,label\n好的呀,1\n坏的呀,0\n没有标签,\n"), "3 rows", posts=posts, labels=None)
