"""Cleaning, emoticons, and text made safe for a terminal."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from weibo_tui.text.cleaning import (
    clean,
    has_content,
    normalize,
    normalize_all,
    repost_segments,
    words_only,
    words_only_all,
)
from weibo_tui.text.emoticons import find_emoticons, only_emoticons, without_emoticons
from weibo_tui.text.simplified import simplified, simplified_all
from weibo_tui.text.terminal import sanitize, truncate_cells, wrap_cells

# Free text, surrogates included, thick with what the module looks for.
PIECES = st.sampled_from(
    [
        *("[哈哈]", "[doge]", "[SEP]", "//@", "回复@", "@", "：", ":", "http://t.cn/zX9", "https://", "t.cn/"),
        *("www.a.cn/b", "😀", "👍🏽", "👩‍👧", "🇨🇳", "1️⃣", "❤️", "©", "[", "]", ".", " ", "\u3000", "\n"),
        *("\u200b", "\u202e", "\x1b", "\ufeff", "\ud83d"),
    ]
)
POSTS = st.lists(PIECES | st.text(st.characters(exclude_categories=[]), max_size=4), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("post", "cleaned"),
    [
        ("今天真好 http://t.cn/zQMb727 [哈哈]", "今天真好 [哈哈]"),
        ("看这里http://t.cn/abc很好", "看这里很好"),
        ("（见 https://example.com/a?b=1&c=2。）", "（见 。）"),
        ("好 http://t.cn/abc//@小王: 嗯", "好 //@用户: 嗯"),
        ("见 http://a.cn/b//@小王: 嗯", "见 //@用户: 嗯"),
        ("see www.example.com/page.", "see ."),
        ("转 t.cn/abc 吧，content.cn/x 不动", "转 吧，content.cn/x 不动"),
        ("回复@小王_2-号·:好", "回复@用户:好"),
        ("//@小?王\u200b:好//@老李 :赞", "//@用户:好//@用户 :赞"),
        ("@小王http://t.cn/abc", "@用户"),
        ("@用户你好", "@用户你好"),
        ("@用户12345 你好", "@用户 你好"),
        ("一 @ 二", "一 @ 二"),
        ("\ufeff  一\u3000\t\r\n二\u200b \x00三\x1b[0m ", "一 二 三[0m"),
        ("一 http://t.cn/a \u200b 二", "一 二"),
        ("半个\ud83d表情", "半个表情"),
        ("a[SEP]b [PAD][CLS]", "a[SEP]b [PAD][CLS]"),
        ("[哈哈]😀👍🏽", "[哈哈]😀👍🏽"),
        ("❤️", "❤"),
        ("http://t.cn/abc", ""),
        (" \u200b\n", ""),
        ("", ""),
    ],
)
def test_clean_version_1(post: str, cleaned: str) -> None:
    assert clean(post, 1).text == cleaned


def test_clean_version_0_removes_only_lone_surrogates() -> None:
    post = " @小王 \ud83d http://t.cn/a \u200b"
    cleaned = clean(post, 0)
    assert cleaned.text == " @小王  http://t.cn/a \u200b"
    assert cleaned.raw_position(5) == 6


def test_clean_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 4"):
        clean("好", 4)


def test_raw_positions_point_into_raw_post() -> None:
    post = "  看 http://t.cn/abc 这个 @小王八 好"
    cleaned = clean(post)
    assert cleaned.text == "看 这个 @用户 好"
    assert [post[cleaned.raw_position(i)] for i in (0, 2, 3, 5, 9)] == ["看", "这", "个", "@", "好"]
    assert cleaned.raw_position(8) == post.index(" 好")
    assert cleaned.raw_position(10) == len(post)


def test_raw_positions_of_short_name_stay_inside() -> None:
    cleaned = clean("@a 好")
    assert [cleaned.raw_position(i) for i in range(6)] == [0, 1, 2, 2, 3, 4]


@given(POSTS, st.sampled_from([0, 1, 2, 3]))
def test_raw_positions_are_monotonic_and_reach_the_end(post: str, version: int) -> None:
    cleaned = clean(post, version)
    positions = [cleaned.raw_position(i) for i in range(len(cleaned.text) + 2)]
    assert positions == sorted(positions)
    assert positions[-2:] == [len(post), len(post)]
    assert all(0 <= position <= len(post) for position in positions)


@given(POSTS)
def test_raw_positions_point_at_equal_characters(post: str) -> None:
    cleaned = clean(post, 1)
    changed = re.compile(r"\s|@|用|户")
    for index, character in enumerate(cleaned.text):
        if not changed.match(character):
            assert post[cleaned.raw_position(index)] == character


@given(POSTS)
def test_cleaned_text_is_visible_and_encodable(post: str) -> None:
    text = clean(post).text
    text.encode("utf-8")
    assert text == text.strip()
    assert not re.search(r"\s\s|[^\S ]|\u200b|\u202e|\ufeff|\x1b", text)


@pytest.mark.parametrize(
    ("post", "result"),
    [
        ("[哈哈]好[doge][ok][哆啦A梦吃惊]", ["[哈哈]", "[doge]", "[ok]", "[哆啦A梦吃惊]"]),
        ("[/哭笑][可?]", ["[/哭笑]", "[可?]"]),
        ("[一二三四五六七八九] [a b] 【哈哈】 [] ［哈哈］", []),
        ("😀😀", ["😀", "😀"]),
        ("👍🏽👩‍👧‍👦🏳️‍🌈", ["👍🏽", "👩‍👧‍👦", "🏳️‍🌈"]),
        ("🇨🇳🇯🇵", ["🇨🇳", "🇯🇵"]),
        ("1️⃣和#⃣，1 # *", ["1️⃣", "#⃣"]),
        ("❤️☺❤", ["❤️", "☺", "❤"]),
        ("©2020 ™ ©️", ["©️"]),
        ("🏴\U000e0067\U000e0062\U000e007f好", ["🏴\U000e0067\U000e0062\U000e007f"]),
        ("\ue415 老手机", ["\ue415"]),
        ("★♪ :) ^_^ （笑）", []),
    ],
)
def test_find_emoticons_in_order(post: str, result: list[str]) -> None:
    assert find_emoticons(post) == result
    assert only_emoticons(post) == "".join(result)


def test_without_emoticons_keeps_the_rest() -> None:
    assert without_emoticons("[哈哈]今天 😀好👍🏽！[a b]") == "今天 好！[a b]"


@given(POSTS)
def test_emoticons_and_rest_make_up_post(post: str) -> None:
    assert "".join(find_emoticons(post)) == only_emoticons(post)
    assert len(only_emoticons(post)) + len(without_emoticons(post)) == len(post)


@pytest.mark.parametrize(
    "piece",
    [*("@", "//", "// ", " ", "http://", "www.", "[", "[哈", "哈]", "回复 ", "t.cn/", "//@a ", "👩\u200d", "1\ufe0f")],
)
def test_hostile_post_takes_linear_time(piece: str) -> None:
    post = piece * 10_000  # anything quadratic would take minutes
    assert len(clean(post).text) <= len(post) * 3
    assert len(without_emoticons(post)) <= len(post)
    assert len(normalize(post)) <= len(post)
    assert len(repost_segments(post)) <= len(post)
    assert len(sanitize(post)) <= len(post) * 8
    assert cell_len(truncate_cells(post, 80)) <= 80


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("今天 真好！", "今天真好!"),
        ("ＡＢＣ１２", "abc12"),
        ("好 http://t.cn/abc", "好"),
        ("@小王 好", "@老李 好"),
        ("好\u200b\n", "好"),
    ],
)
def test_normalize_unifies_equal_posts(one: str, other: str) -> None:
    assert normalize(one) == normalize(other)


@pytest.mark.parametrize(("one", "other"), [("好", "好！"), ("好[哈哈]", "好[泪]"), ("好😀", "好")])
def test_normalize_distinguishes_other_posts(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


@pytest.mark.parametrize(
    ("post", "segments"),
    [
        ("赞//@小王: 有意思 //@老李：[哈哈]", ["赞", "有意思", "[哈哈]"]),
        ("回复@小王:谢谢 // @老 李 :", ["谢谢", "李:"]),
        ("//@小?王\u200b :好//@老李//@阿三:", ["好"]),
        ("RT @abc: 你好", ["你好"]),
        ("今天 真好", ["今天真好"]),
        ("@小王", []),
    ],
)
def test_repost_segments(post: str, segments: list[str]) -> None:
    assert repost_segments(post) == segments


@given(
    st.lists(st.text(st.sampled_from("天麼乾\n\v \x1f\u200b@/:#[]a1Éﾞ\u0301⿰\ud800")), max_size=8), st.integers(0, 3)
)
def test_posts_together_are_normalized_as_each_alone(posts: list[str], version: int) -> None:
    texts = normalize_all(posts, version)
    assert texts == [normalize(post, version) for post in posts]
    assert words_only_all(texts) == [words_only(text) for text in texts]
    assert simplified_all(posts) == [simplified(post).text for post in posts]


@given(POSTS, st.integers(0, 3))
def test_post_has_content_where_cleaning_leaves_some(post: str, version: int) -> None:
    assert has_content(post, version) == bool(clean(post, version).text.strip())


@pytest.mark.parametrize("post", ["回复@小王：", "[组图共3张]", "转发微博", "\u200b \n", "分享图片"])
def test_post_without_words_has_no_content(post: str) -> None:
    assert not has_content(post)
    assert has_content(f"#{post}")


def test_words_have_no_emoticons_signs_digits_or_topics() -> None:
    assert words_only_all(["[哈哈]1今天,a_b", "#话题#天", "#话题#", "[泪]2!"]) == ["今天ab", "天", "话题", ""]


def test_sanitize_shows_control_characters() -> None:
    assert sanitize("\x1b[31m红\x07") == "␛[31m红␇"
    assert sanitize("\x9b2J\x85") == "\\x9b2J\\x85"
    assert sanitize("a\u202eb\u200f\ud83d") == "a<U+202E>b<U+200F><U+D83D>"
    assert sanitize("一\r二\u2028三\x0b") == "一␍二<U+2028>三␋"
    assert sanitize("好\t好\n") == "好\t好\n"
    assert sanitize("👩‍👧❤️1️⃣[doge][/哈哈]") == "👩‍👧❤️1️⃣[doge][/哈哈]"


def test_sanitize_leaves_zero_width_characters_out() -> None:
    assert sanitize("\ufeff好\u200b\u2060吃\xad\u200c\u3164[哈哈]\ufe0f\u200b") == "好吃[哈哈]"
    assert sanitize("好\u200b\u202e\u200b") == "好<U+202E>"  # what turns a line around is still seen
    assert sanitize("\u200b❤\ufe0f\u200d🔥\u200d") == "❤\ufe0f\u200d🔥"
    assert sanitize("🏴\U000e0067\U000e007f") == "🏴"


@given(POSTS)
def test_sanitized_text_is_harmless(post: str) -> None:
    shown = sanitize(post)
    shown.encode("utf-8")
    assert shown.splitlines() == shown.split("\n")[: len(shown.splitlines())]
    assert {unicodedata.category(c) for c in shown} & {"Cc", "Cs"} == ({"Cc"} if set(shown) & {"\n", "\t"} else set())
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u200b\ufeff")
    assert sanitize(shown) == shown


@pytest.mark.parametrize(
    ("width", "cut"),
    [(9, "今天好abc"), (8, "今天好a…"), (7, "今天好…"), (6, "今天…"), (2, "…"), (1, "…"), (0, "")],
)
def test_truncate_cells_to_width(width: int, cut: str) -> None:
    assert truncate_cells("今天好abc", width) == cut


def test_truncate_cells_keeps_emoji_together() -> None:
    assert truncate_cells("👩‍👧‍👦👩‍👧‍👦", 3) == "👩‍👧‍👦…"


@given(POSTS, st.integers(0, 30))
def test_truncated_text_fits(post: str, width: int) -> None:
    cut = truncate_cells(post, width)
    assert cell_len(cut) <= width
    assert cut in (post, "") or cut.endswith("…")
    if cell_len(post) <= width:
        assert cut == post


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("今天 真好看", ["今天", "真好看"]),
        ("今天真，好看", ["今天", "真，好", "看"]),
        ("今天（好）看", ["今天", "（好）", "看"]),
        ("今[哈哈]看", ["今", "[哈哈]", "看"]),
        ("[允悲悲]看", ["[允悲", "悲]看"]),
        ("abc de fg", ["abc de", "fg"]),
        ("abcdefgh ij", ["abcdefg", "h ij"]),
        ("a\n\nb", ["a", "", "b"]),
        ("", [""]),
    ],
)
def test_wrap_cells_breaks_chinese_and_words(text: str, lines: list[str]) -> None:
    assert list(wrap_cells(text, 7 if text.isascii() else 6)) == lines


@given(POSTS, st.integers(2, 30))
def test_wrapped_lines_fit_and_keep_text(post: str, width: int) -> None:
    lines = list(wrap_cells(post, width))
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == post.replace(" ", "").replace("\n", "")


@pytest.mark.parametrize("joiner", ["\ufe0f\u200d", "\ufe0f\ufe0f", "\u200d\u200d", "\u200d\ufe0f"])
def test_sanitize_leaves_stray_joiners_out(joiner: str) -> None:
    assert sanitize("a" + joiner + "👩") == "a👩"
    assert sanitize(sanitize("❤" + joiner + "a")) == sanitize("❤" + joiner + "a")
