"""HTML and the words of websites and crawlers: cut in version 2 of the cleaning, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weibo_tui.datasets.splitting import group_posts, hash_texts
from weibo_tui.progress import drain
from weibo_tui.text.boilerplate import split_forwarded
from weibo_tui.text.cleaning import clean, normalize, repost_segments

LINK = '<a data-url="http://t.cn/a" href="https://example.com/?a=1&b=>" class="">'
# What stands after the words of a post, by the page or crawler that writes it.
TAILS = [
    *(
        " [组图共9张]",
        " [组图共9张] 原图",
        " 原图 赞[0] 转发[1] 评论[2] 收藏",
        "\xa0赞[12]\xa0转发[1]\xa0评论[2]\xa0收藏",
    ),
    *(
        " [组图共2张] 赞[3] 转发[4] 评论[5] 收藏 10月02日 12:00 来自iPhone 13",
        " 来自iPhone客户端",
        " 5分钟前 来自 微博 weibo.com",
    ),
    *(
        "O网页链接",
        " L某某的微博视频",
        " O抽奖详情 \u200b",
        "...展开全文c",
        "展开c",
        " 展开全文",
        "...全文",
        " 收起全文d",
        "收起d",
    ),
    *("{%网页链接%}", " {%某某的秒拍视频%} \u200b\u200b", "\ue627", "<br />", "&nbsp;", "</p>", f"{LINK}网页链接</a>"),
    "<a href='https://x' ><img src='x'><span class=\"surl-text\">某某的微博视频</span></a>",
    *('<i class="wbicon">O</i>网页链接', "<img alt='图片' src=x />", '<span class="url-icon"></span>'),
]
# What people write, although it looks like some of it.
WRITTEN = [
    *(
        "来自星星的你",
        "Lily的微博视频",
        "全文在这里",
        "请转发微博",
        "网页链接里有",
        "收起雨伞",
        "展开讨论",
        "赞[1]",
        "[组图]",
        "原图",
    ),
    *(
        "今天",
        "12:00",
        "Repost一下",
        "分享图片给你",
        "。",
        "！",
        "...",
        " ",
        "哈哈",
        "[doge]",
        "😀",
        "\ue415",
        "%}",
        "O",
        "L",
    ),
]
POSTS = st.lists(st.sampled_from(WRITTEN) | st.text("今天真好 ab1[]#.，", max_size=4), min_size=1, max_size=8).map(
    "".join
)
ANYTHING = st.lists(
    st.sampled_from(
        [*TAILS, *WRITTEN, "<3", "<", "&", "&amp;", "&lt;b&gt;", "//@a:转发微博", "<a href='/n/某'>@某</a>", "@"]
    ),
    max_size=8,
).map("".join)


@pytest.mark.parametrize(
    ("post", "cleaned"),
    [
        ('<img alt=[doge] src="//h5.sinaimg.cn/d.png" style="width:1em" />好', "[doge]好"),
        ('好<img class="W_img_face" src="a.gif" title="[微笑]" alt="[微笑]" type="face">', "好[微笑]"),
        ('<img src=a alt="😂">', "😂"),
        ("<a href='/n/张三'>@张三</a>你好", "@用户你好"),
        ('<a  href="https://m.weibo.cn/search?q=%23"><span class="surl-text">#话题#</span></a>好', "#话题#好"),
        ("一<br/>二<BR>三", "一 二 三"),
        ("&amp;&quot;完&quot;&nbsp;&#32431;&#x20;&amp;amp;gt;", '&"完" 纯 >'),
        ("{%#话题#%}好", "#话题#好"),
        ("转发理由:好啊 \n原始用户: 某某\n转发内容: 今天真好", "好啊 //@用户:今天真好"),
        ("好//@小王:转发微博//@老李:赞", "好//@用户://@用户:赞"),
        (
            "《书》<Web2.0与我> <District 9> <未知> <a> <3 a < b >_<",
            "《书》<Web2.0与我> <District 9> <未知> <a> <3 a < b >_<",
        ),
        ("AT&T &foo; A&B; &", "AT&T &foo; A&B; &"),
        ("@小王 @老李", "@用户 @用户"),
    ],
)
def test_clean_version_2(post: str, cleaned: str) -> None:
    assert clean(post, 2).text == cleaned


@pytest.mark.parametrize(
    "post",
    [
        *(
            "转发微博",
            "轉發微博。",
            "Repost",
            "转发微博 \u200b",
            "//@小王:",
            "//@a: //@b:转发微博",
            "回复@小王:",
            "分享图片",
        ),
        *(
            "转发微博 [组图共2张] 原图 赞[1] 转发[2] 评论[3] 收藏",
            "转发理由:转发微博 \n原始用户: 某某\n转发内容: ",
            "<br>",
        ),
        "//<a href='/n/小王'>@小王</a>:转发微博",
    ],
)
def test_post_without_words_is_empty(post: str) -> None:
    cleaned = clean(post, 2)
    assert (cleaned.text, cleaned.raw_position(0)) == ("", len(post))


@given(POSTS)
def test_written_text_is_cleaned_as_in_version_1(post: str) -> None:
    assert clean(post, 2).text == clean(post, 1).text


@given(POSTS.map(lambda post: post + "好"), st.sampled_from(TAILS))
def test_post_with_tail_is_cleaned_as_without(post: str, tail: str) -> None:
    text = clean(post, 2).text
    assert clean(post + tail, 2).text == text
    assert clean(text, 2).text == text
    assert normalize(post + tail) == normalize(post)


@given(ANYTHING)
def test_positions_in_post_with_boilerplate_are_right(post: str) -> None:
    cleaned = clean(post, 2)
    positions = [cleaned.raw_position(index) for index in range(len(cleaned.text) + 1)]
    assert positions == sorted(positions)
    assert positions[-1] == len(post)
    for character, position in zip(cleaned.text, positions, strict=False):
        if not re.match(r"[\s@用户/:<>&]", character):
            assert post[position] == character


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "<",
            "&",
            "<a ",
            "<a \"'",
            "<a =",
            "<img alt=[",
            "<a href='",
            "&amp;",
            "&amp",
            "&#",
            "<span class=surl-text>",
        ),
        *(
            "{%",
            "[组图共1张] ",
            "赞[1] ",
            "LL",
            "L某",
            "...",
            "来自 ",
            "//@a:转发微博 ",
            "\n转发内容:",
            "\n原始用户: a ",
            "今天 12:00 ",
        ),
        *("收起d ", "展开c\u200b", "//<a ", "回复@用户 "),
    ],
)
def test_hostile_post_with_boilerplate_takes_linear_time(piece: str) -> None:
    post = piece * 30_000  # anything quadratic would take minutes
    assert len(clean(post, 2).text) <= len(post) * 3
    assert sum(map(len, split_forwarded(post))) <= len(post)
    assert len(repost_segments(post)) <= len(post)


@pytest.mark.parametrize(
    ("post", "own", "forwarded"),
    [
        ("好//@小王: 赞", "好", "//@小王: 赞"),
        ("好／／ ＠小王：赞", "好", "／／ ＠小王：赞"),
        ("好//<a href=/n/小王>@小王</a>:赞", "好", "//<a href=/n/小王>@小王</a>:赞"),
        ("好啊\n原始用户: 某某\n转发内容: 今天", "好啊", "\n原始用户: 某某\n转发内容: 今天"),
        ("转发了 某某 的微博:今天 赞[1] 转发理由:好啊", "好啊", "转发了 某某 的微博:今天 赞[1] "),
        ("回复@小王: http://t.cn/a", "回复@小王: http://t.cn/a", ""),
    ],
)
def test_split_forwarded_gives_both_parts(post: str, own: str, forwarded: str) -> None:
    assert split_forwarded(post) == (own, forwarded)


def test_posts_that_differ_in_boilerplate_are_duplicates() -> None:
    posts = ["今天真好[哈哈]", "<p>今天真好<img alt=[哈哈] src=x></p> 来自iPhone客户端", "明天也好啊"]
    assert drain(group_posts(posts)) == [[0, 1], [2]]
    assert drain(group_posts(posts, grouping=2)) == [[0], [1], [2]]
    assert drain(hash_texts(posts))[0][0] == drain(hash_texts(posts))[0][1]
    assert drain(hash_texts(posts, 1))[0].tolist() == [drain(hash_texts([post], 1))[0][0] for post in posts]
