"""The meaning of columns, by the names that programs give them and by what is in their cells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from weibo_tui.datasets.parsers import FORMS

# By the programs that write them: weibo-crawler, weibo-search, MediaCrawler, WeiboSpider, GooSeeker, Bazhuayu,
# ChineseNlpCorpus, Paddle (text_a), SMP, NLPCC, DataFountain, doccano, Label Studio, Argilla. The more usual first.
ROLES: Mapping[str, tuple[str, ...]] = {
    "text": (
        *("review", "text", "content", "post", "comment", "sentence", "tweet", "weibo", "message"),
        *("微博", "微博正文", "微博内容", "微博中文内容", "正文", "内容", "评论", "评论内容", "文本"),
        *("text_a", "text_raw", "full_text", "post_text", "comment_content", "data", "inputs.text", "desc"),
        *("博文", "博文内容", "微博文本", "文本内容", "全文内容", "全文", "评论文本", "原文", "句子", "语句"),
    ),
    "label": (
        *("label", "labels", "sentiment", "emotion", "class", "category", "polarity", "target"),
        *("标签", "情感", "情感标签", "情感倾向", "情绪", "类别", "分类", "标注"),
        *("情感属性", "情感极性", "情感类别", "情感分类", "情绪标签", "情绪类别", "emotion_label", "sentiment_label"),
        *("annotation", "annotations", "choice", "responses", "rating", "stars", "score", "评分", "打分", "星级"),
    ),
    "date": (
        *("created_at", "date", "time", "datetime", "publish_time", "create_time", "create_date_time", "timestamp"),
        *("发布时间", "日期", "完整日期", "时间", "微博发布时间", "评论时间", "发表时间"),
    ),
    "user": (
        *("user", "screen_name", "nickname", "user_name", "username", "user.screen_name", "user.nick_name", "author"),
        *("用户昵称", "用户名", "昵称", "用户", "作者", "博主", "发布人账号", "发布者"),
    ),
    "likes": ("attitudes_count", "liked_count", "like_count", "likes", "点赞数", "点赞", "赞", "点赞量"),
    "reposts": ("reposts_count", "shared_count", "share_count", "reposts", "转发数", "转发", "转发量"),
    "comments": ("comments_count", "comment_count", "comments", "评论数", "评论量", "回复数"),
    "place": ("location", "ip_location", "region_name", "place", "位置", "发布位置", "地点", "ip", "ip属地", "发布地"),
    "topics": ("topics", "topic", "hashtag", "话题", "微博话题"),
    "id": ("id", "mid", "bid", "note_id", "mblogid", "微博id", "qid", "序号", "编号"),
}
"""Usual names of columns in lower case, by what they hold."""

_KNOWN = frozenset(name for role in ("text", "label") for name in ROLES[role])
_NO_POST = re.compile("|".join(form.pattern for form in FORMS), re.ASCII | re.DOTALL)
_START = 200  # characters of a cell that tell what it is
_MAX_LABELS = 20
_MAX_LABEL_LENGTH = 20
_MIN_POST_LENGTH = 3
_CLEARLY = 2.0  # times as much text as the next column


def fold(name: str) -> str:
    """Return a name of a column without case and blanks around it."""
    return name.strip().casefold()


def is_known(cell: object) -> bool:
    """Return whether a cell is a usual name of a column of posts or labels."""
    return fold(str(cell)) in _KNOWN


def find_role(columns: Sequence[str], role: str) -> list[str]:
    """Return the columns with a usual name for a role, the most usual name first.

    A column in a column, such as `data.text`, comes after all others.
    """
    names = ROLES[role]
    whole = [column for name in names for column in columns if fold(column) == name]
    inner = [column for name in names for column in columns if fold(column).endswith(f".{name}")]
    return list(dict.fromkeys([*whole, *inner]))


def is_number_column(values: Sequence[Any]) -> bool:
    """Return whether the cells are numbers, ids, URLs or dates, empty ones apart."""
    present = [text for value in values if (text := _text(value))]
    return bool(present) and sum(_NO_POST.fullmatch(text[:_START]) is not None for text in present) > 0.5 * len(present)


def guess_text(sample: Mapping[str, Sequence[Any]]) -> str | None:
    """Return the column of posts: one with a usual name and text in it, or one that clearly has most text."""
    for column in find_role(list(sample), "text"):
        if not is_number_column(sample[column]):
            return column
    if len(sample) == 1:
        return next(iter(sample))
    taken = {column for role in ROLES if role != "text" for column in find_role(list(sample), role)}
    sizes = {column: _size(values) for column, values in sample.items() if column not in taken}
    ranked = sorted(sizes, key=lambda column: -sizes[column])
    if not ranked or sizes[ranked[0]] < _MIN_POST_LENGTH:
        return None
    is_clear = len(ranked) == 1 or sizes[ranked[0]] >= _CLEARLY * sizes[ranked[1]]
    return ranked[0] if is_clear else None


def guess_label(sample: Mapping[str, Sequence[Any]], text: str | None, is_named: bool) -> str | None:
    """Return the column of labels: the first with a usual name, or without names the only one of few short words."""
    names = find_role([column for column in sample if column != text], "label")
    if is_named:
        return names[0] if names else None
    few = [column for column, values in sample.items() if column != text and is_label_column(values)]
    return few[0] if len(few) == 1 else None


def is_label_column(values: Sequence[Any]) -> bool:
    """Return whether the cells are two or more of a few short words, each of them often."""
    present = [text for value in values if (text := _text(value))]
    words = set(present)
    return 2 <= len(words) <= min(_MAX_LABELS, len(present) / 2) and max(map(len, words)) <= _MAX_LABEL_LENGTH


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, list | dict) else str(value).strip()


def _size(values: Sequence[Any]) -> float:
    """Return the mean length of different texts, 0 for a column of numbers."""
    present = [text for value in values if (text := _text(value))]
    if not present or is_number_column(values):
        return 0.0
    return sum(map(len, set(present))) / len(present)
