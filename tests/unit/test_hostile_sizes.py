"""Texts far larger than a post: work on them grows linearly for all contents."""

from __future__ import annotations

import csv
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from commands import Command, json_lines, table
from histories import ANALYSIS
from hostile import spoken
from rich.cells import cell_len

from weibo_tui import Workbench
from weibo_tui.app.history.rows import COLUMNS
from weibo_tui.app.predict.card import FOLDED_LINES, MAX_CHARACTERS, PostCard
from weibo_tui.app.widgets.columns import RowLayout, search_pattern
from weibo_tui.datasets.splitting import group_posts
from weibo_tui.progress import drain
from weibo_tui.storage.history import HistoryFilter
from weibo_tui.text.cleaning import clean, normalize, repost_segments
from weibo_tui.text.emoticons import without_emoticons
from weibo_tui.text.spreadsheet import escape_formula, unescape_formula
from weibo_tui.text.terminal import sanitize, truncate_cells, wrap_cells

csv.field_size_limit(sys.maxsize)
MEGABYTE = 1_000_000
PIECES = {
    "letter": "x",
    "bracket": "[",
    "at": "@",
    "link": "http://",
    "zero": "\u200b",
    "emoji": "😀",
    "joined": "👩\u200d",
    "marks": "\u0301",
    "pile": "\u0301\u0323",
    "tail": "\u0301\uff9e",
    "mark and face": "a\u0301\u0315\u0323😀",
    "word": "字",
    "repost": "//@a:好",
    "nul": "\0好",
    "escape": "\x1b[31m",
    "bidi": "\u202e",
    "long": "ﷺ",
    "flag": "🇨",
    "words": "hello ",
    "face": "[哈哈]",
    "lines": "好\n",
    "blank": " ",
    "quote": '"',
    "formula": "=1+1,",
}


def megabyte(piece: str) -> str:
    return (piece * (MEGABYTE // len(piece) + 1))[:MEGABYTE]


def test_normalize_endless_marks_is_fast() -> None:
    for piece in ("\u0301\u0323", "\u0301\uff9e", "\u0f73\u0f71\u0323"):
        marks = megabyte(piece)[: MEGABYTE // 8]  # which take minutes where they are sorted one by one
        assert len(normalize("a" + marks)) < 3 * len(marks)
        assert repost_segments("好//@a:" + marks)[0] == "好"


def test_normalize_equals_nfkc() -> None:
    for text in ("e\u0301", "ﾊﾟ", "한글", "ＡＢＣ", "！" * 99, "z\u0301\u0323" * 5, "⊂\u0338", "😀" * 99):
        plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        assert normalize(text) == plain
        assert normalize(unicodedata.normalize("NFD", text)) == plain


def test_sanitize_limits_combining_marks() -> None:
    assert sanitize("a" + "\u0301" * 12 + "b") == "a" + "\u0301" * 10 + "<U+0301><U+0301>b"
    for text in ("。" * 99, "สวัสดีครับ", "שָׁלוֹם", "❤\ufe0f" * 20, "z\u0301\u0323b" * 20):
        assert sanitize(text) == text
    assert sanitize("👩\u200d" * 13) == "👩\u200d" * 10 + "👩" * 3
    assert truncate_cells(sanitize("👩\u200d" * 9999), 60).count("👩") < 99
    shown = sanitize("\u0301" * 50_000)
    assert sanitize(shown) == shown
    assert len(truncate_cells(shown, 60)) < 100


@pytest.mark.slow
@pytest.mark.parametrize("name", PIECES)
def test_megabyte_text_is_processed_in_linear_time(name: str) -> None:
    post = megabyte(PIECES[name])
    shown = sanitize(post)
    assert "".join(wrap_cells(shown, 80)).replace(" ", "") == shown.replace(" ", "").replace("\n", "")
    assert cell_len(truncate_cells(shown, MEGABYTE // 2)) <= MEGABYTE // 2
    assert clean(post).raw_position(MEGABYTE * 9) == MEGABYTE
    assert len(without_emoticons(post)) <= MEGABYTE
    assert unescape_formula(escape_formula(post)) == post
    assert len(drain(group_posts([post, post + "a", normalize(post)]))) <= 3


@pytest.mark.parametrize("name", PIECES)
def test_card_and_row_show_beginning_of_megabyte_text(name: str) -> None:
    post = megabyte(PIECES[name])
    lines = PostCard(post, "mood")._post_lines(80)
    assert len(lines) <= FOLDED_LINES
    assert "more character" in lines[-1].plain
    assert int("".join(filter(str.isdigit, lines[-1].plain))) >= MEGABYTE - MAX_CHARACTERS
    entry = replace(ANALYSIS, text=post)
    columns = RowLayout.fit(COLUMNS, 80, [entry])
    for result in (None, search_pattern(post[:50]), search_pattern("不在")):
        assert columns.row(entry, result).cell_length in (79, 80)  # where a wide one is cut


SOME = [megabyte("字")[: MEGABYTE // 4], "😀" * 10_000]
ALL = [megabyte(piece).replace("\n", " ") for name, piece in PIECES.items() if name != "blank"]


@pytest.mark.parametrize("posts", [SOME, pytest.param(ALL, marks=pytest.mark.slow)], ids=["some", "all"])
def test_long_posts_are_predicted_listed_and_exported(
    posts: list[str], command: Command, furnished: Path, tmp_path: Path
) -> None:
    posts = [*posts, "今天的面真好吃"]
    data = "".join(post + "\n" for post in posts).encode()
    output = command("predict", "-", "--json", stdin=data)
    spoken(output)
    assert [one["text"] for one in json_lines(output.out)] == posts
    for words in (["history", "list"], ["history", "list", "--json"], ["history", "export", tmp_path / "history.csv"]):
        done = command.ok(*words)
        spoken(done)
        assert "--json" in words or len(done.out) < 300 * (len(posts) + 1)
    csv_rows = table(tmp_path / "history.csv")
    assert [unescape_formula(row["text"]) for row in csv_rows] == posts
    with Workbench() as wb:
        for post in posts:
            assert wb.history.count(HistoryFilter(text=post[:20])) >= 1
