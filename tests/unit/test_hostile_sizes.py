"""Texts far larger than a post: whatever they are made of, work on them grows as they do, and no faster."""

from __future__ import annotations

import csv
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from commands import Command, objects, table
from histories import ANALYSIS
from hostile import spoken

from weibo_tui.app.history.rows import RowLayout, search_pattern
from weibo_tui.app.predict.card import FOLDED_LINES, MAX_CHARACTERS, PostCard
from weibo_tui.datasets.splitting import group_steps
from weibo_tui.progress import finish
from weibo_tui.storage.history import HistoryFilter
from weibo_tui.text import (
    cell_width,
    clean,
    guard,
    normalise,
    repost_segments,
    truncate_cells,
    unguard,
    visible,
    without_emoticons,
    wrap_cells,
)
from weibo_tui.workbench import Workbench

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


def test_marks_without_end_are_normalised_in_good_time() -> None:
    for piece in ("\u0301\u0323", "\u0301\uff9e", "\u0f73\u0f71\u0323"):
        marks = megabyte(piece)[: MEGABYTE // 4]  # which take minutes where they are sorted one by one
        assert len(normalise("a" + marks)) < 3 * len(marks)
        assert repost_segments("好//@a:" + marks)[0] == "好"


def test_what_is_the_same_stays_the_same_beside_piles() -> None:
    for text in ("e\u0301", "ﾊﾟ", "한글", "ＡＢＣ", "！" * 99, "z\u0301\u0323" * 5, "⊂\u0338", "😀" * 99):
        plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        assert normalise(text) == plain
        assert normalise(unicodedata.normalize("NFD", text)) == plain


def test_a_pile_of_marks_is_seen_for_what_it_is() -> None:
    assert visible("a" + "\u0301" * 12 + "b") == "a" + "\u0301" * 10 + "<U+0301><U+0301>b"
    for text in ("。" * 99, "สวัสดีครับ", "שָׁלוֹם", "❤\ufe0f" * 20, "z\u0301\u0323b" * 20):
        assert visible(text) == text
    assert visible("👩\u200d" * 13) == "👩\u200d" * 10 + "👩<U+200D>" * 3
    assert truncate_cells(visible("👩\u200d" * 9999), 60).count("👩") < 99
    shown = visible("\u0301" * 50_000)
    assert visible(shown) == shown
    assert len(truncate_cells(shown, 60)) < 100


@pytest.mark.slow
@pytest.mark.parametrize("name", PIECES)
def test_no_part_of_text_takes_long(name: str) -> None:
    post = megabyte(PIECES[name])
    shown = visible(post)
    assert "".join(wrap_cells(shown, 80)).replace(" ", "") == shown.replace(" ", "").replace("\n", "")
    assert cell_width(truncate_cells(shown, MEGABYTE // 2)) <= MEGABYTE // 2
    assert clean(post).raw_position(MEGABYTE * 9) == MEGABYTE
    assert len(without_emoticons(post)) <= MEGABYTE
    assert unguard(guard(post)) == post
    assert len(finish(group_steps([post, post + "a", normalise(post)]))) <= 3


@pytest.mark.parametrize("name", PIECES)
def test_a_card_and_a_row_show_the_beginning_and_say_how_much_there_is_more(name: str) -> None:
    post = megabyte(PIECES[name])
    lines = PostCard(post, "mood")._post_lines(80)
    assert len(lines) <= FOLDED_LINES
    assert "more character" in lines[-1].plain
    assert int("".join(filter(str.isdigit, lines[-1].plain))) >= MEGABYTE - MAX_CHARACTERS
    entry = replace(ANALYSIS, text=post)
    columns = RowLayout.fit(80, [entry])
    for found in (None, search_pattern(post[:50]), search_pattern("不在")):
        assert columns.row(entry, found).cell_length in (79, 80)  # where a wide one is cut


def test_a_megabyte_is_judged_listed_and_exported_whole(command: Command, furnished: Path, tmp_path: Path) -> None:
    check_posts(command, tmp_path, [megabyte("字")[: MEGABYTE // 4], "😀" * 10_000])


@pytest.mark.slow
def test_megabytes_of_all_kinds_are_judged_listed_and_exported_whole(
    command: Command, furnished: Path, tmp_path: Path
) -> None:
    pieces = [piece for name, piece in PIECES.items() if name != "blank"]
    check_posts(command, tmp_path, [megabyte(piece).replace("\n", " ") for piece in pieces])


def check_posts(command: Command, folder: Path, posts: list[str]) -> None:
    posts = [*posts, "今天的面真好吃"]
    data = "".join(post + "\n" for post in posts).encode()
    told = command("predict", "-", "--json", stdin=data)
    spoken(told)
    assert [one["text"] for one in objects(told.out)] == posts
    for words in (["history", "list"], ["history", "list", "--json"], ["history", "export", folder / "history.csv"]):
        done = command.well(*words)
        spoken(done)
        assert "--json" in words or len(done.out) < 300 * (len(posts) + 1)
    csv_rows = table(folder / "history.csv")
    assert [unguard(row["text"]) for row in csv_rows] == posts
    with Workbench.open() as bench:
        for post in posts:
            assert bench.history.count(HistoryFilter(text=post[:20])) >= 1
