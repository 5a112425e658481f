"""The meaning of columns, by the names that programs give them and by what is in their cells."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from weibo_tui.datasets.parsers import DATE, FORMS, NUMBER, URL
from weibo_tui.text.cleaning import ZERO_WIDTH

_SCORES = (
    *("annotation", "annotations", "choice", "responses", "rating", "star", "stars", "score"),
    *("评分", "打分", "星级"),
)

# By the programs that write them: weibo-crawler, weibo-search, MediaCrawler, WeiboSpider, GooSeeker, Bazhuayu,
# ChineseNlpCorpus, Paddle (text_a), SMP, NLPCC, DataFountain, doccano, Label Studio, Argilla. The more usual first.
ROLES: Mapping[str, tuple[str, ...]] = {
    "text": (
        *("review", "text", "content", "post", "comment", "sentence", "tweet", "weibo", "message"),
        *("微博", "微博正文", "微博内容", "微博中文内容", "正文", "内容", "标题/微博内容", "评论", "评论内容", "文本"),
        *("text_a", "text_raw", "full_text", "post_text", "comment_content", "data", "inputs.text", "desc"),
        *("博文", "博文内容", "微博文本", "文本内容", "全文内容", "全文", "评论文本", "原文", "句子", "语句"),
    ),
    "label": (
        *("label", "labels", "sentiment", "emotion", "class", "category", "polarity", "target"),
        *("标签", "情感", "情感标签", "情感倾向", "情绪", "类别", "分类", "标注"),
        *("情感属性", "情感极性", "情感类别", "情感分类", "情绪标签", "情绪类别", "emotion_label", "sentiment_label"),
        *_SCORES,
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
_INVISIBLE = re.compile(rf"[{ZERO_WIDTH}\ufeff\u00a0\u3000]")
_OBVIOUS = ("label", "labels", "标签")  # rather than topics
_TOPICS = ("class", "category", "target", "类别", "分类")
_START = 200  # characters of a cell that tell what it is
_MAX_LABELS = 20
_MAX_LABEL_LENGTH = 20
_MIN_POST_LENGTH = 3
_MIN_DATE = 4  # characters; others are signs and lists
_CLEARLY = 2.0  # times as much text as the next column


def fold(name: str) -> str:
    """Return a name of a column without case, blanks around it, and invisible characters."""
    return _INVISIBLE.sub("", name).strip().casefold()


def is_known(cell: object) -> bool:
    """Return whether a cell is a usual name of a column of posts or labels."""
    return fold(str(cell)) in _KNOWN


def find_role(columns: Sequence[str], role: str) -> list[str]:
    """Return the columns with a usual name for a role, the most usual name first.

    A column in a column, such as `data.text`, comes after all others, and so do the choices of Label Studio.
    """
    whole = _named(columns, role)
    if role == "label" and (several := choices(columns)):
        whole = [*(column for column in whole if column != "annotations"), *several]  # of tasks without a choice
    inner = [column for name in ROLES[role] for column in columns if fold(column).endswith(f".{name}")]
    return list(dict.fromkeys([*whole, *inner]))


def _named(columns: Iterable[str], role: str) -> list[str]:
    return [column for name in ROLES[role] for column in columns if fold(column) == name]


def choices(columns: Iterable[str]) -> list[str]:
    """Return the columns with choices of Label Studio, such as `annotations.sentiment`."""
    return [column for column in columns if column.startswith("annotations.")]


def is_number_column(values: Sequence[Any]) -> bool:
    """Return whether the cells are numbers, ids, URLs or dates, empty ones apart."""
    present = [text for value in values if (text := _text(value))]
    return bool(present) and sum(_NO_POST.fullmatch(text[:_START]) is not None for text in present) > 0.5 * len(present)


def guess_text(sample: Mapping[str, Sequence[Any]]) -> str | None:
    """Return the column of posts: one with a usual name and text in it, or one that clearly has most text."""
    named = [column for column in find_role(list(sample), "text") if not is_number_column(sample[column])]
    if named:
        # Crawlers write the word on the button of comments where a post has none.
        return next((column for column in named if _size(sample[column]) >= _MIN_POST_LENGTH), named[0])
    if len(sample) == 1:
        return next(iter(sample))
    taken = {column for role in ROLES if role != "text" for column in find_role(list(sample), role)}
    sizes = {column: _size(values) for column, values in sample.items() if column not in taken}
    ranked = sorted(sizes, key=lambda column: -sizes[column])
    if not ranked or sizes[ranked[0]] < _MIN_POST_LENGTH:
        return None
    is_clear = len(ranked) == 1 or sizes[ranked[0]] >= _CLEARLY * sizes[ranked[1]]
    return ranked[0] if is_clear else None


def likely_columns(sample: Mapping[str, Sequence[Any]]) -> tuple[str, str]:
    """Return the columns that most likely have the posts and the labels, where no guess is sure; "" stands for none."""
    text = guess_text(sample) or max(sample, key=lambda column: _size(sample[column]), default="")
    few = [column for column, values in sample.items() if column != text and is_label_column(values)]
    shortest = min(few, key=lambda column: _size(sample[column]), default="")
    return text, guess_label(sample, text, is_named=True) or shortest


def find_other_posts(sample: Mapping[str, Sequence[Any]], text: str) -> list[str]:
    """Return the other columns with a usual name and posts in them, that are no copies of column `text`."""
    if fold(text) not in ROLES["text"]:
        return []
    others = [column for column in _named(sample, "text") if column != text]
    return [name for name in others if _has_posts(sample[name]) and not _are_copies(sample[text], sample[name])]


def _has_posts(values: Sequence[Any]) -> bool:
    return 2 * sum(_text(value) != "" for value in values) >= len(values) and _size(values) >= _MIN_POST_LENGTH


def _are_copies(values: Sequence[Any], others: Sequence[Any]) -> bool:
    """Return whether most texts have the same characters, as after cleaning, segmentation or truncation."""
    pairs = [(set(_text(value)), set(_text(other))) for value, other in zip(values, others, strict=False)]
    pairs = [(value, other) for value, other in pairs if value and other]
    same = sum(len(value & other) >= 0.8 * min(len(value), len(other)) for value, other in pairs)
    return 0 < len(pairs) <= 2 * same


def find_other_labels(sample: Mapping[str, Sequence[Any]], label: str) -> list[str]:
    """Return the other columns with a usual name that have labels, and not the same ones as column `label`.

    Next to a choice of Label Studio, all other choices are among them.
    """
    words = list(map(_text, sample[label]))
    found = []
    for name in _named(sample, "label"):
        other = list(map(_text, sample[name]))
        are_same = len(set(zip(words, other, strict=False))) == len(set(words)) == len(set(other))
        if name != label and not are_same and _are_labels(set(other) - {""}):
            found.append(name)
    several = choices(sample)
    return [*found, *(name for name in several if name != label)] if label in several else found


def is_better_label(label: str, other: str) -> bool:
    """Return whether the first column has the labels by name: rather `label` than a topic, rather any than a score."""
    label, other = fold(label), fold(other)
    return (label in _OBVIOUS and other in _TOPICS) or (label not in _SCORES and other in _SCORES)


def guess_label(sample: Mapping[str, Sequence[Any]], text: str | None, is_named: bool) -> str | None:
    """Return the column of labels: the first with a usual name, or without names the only one of few short words."""
    names = find_role([column for column in sample if column != text], "label")
    if is_named:
        return names[0] if names else None
    others = {column: values for column, values in sample.items() if column != text and not _are_dates(values)}
    few = [column for column, values in others.items() if is_label_column(values)]
    return few[0] if len(few) == 1 else None


def _are_dates(values: Sequence[Any]) -> bool:
    """Return whether the cells are dates, times or URLs, which a few posts share."""
    present = [text for value in values if (text := _text(value))]
    dates = (len(text) >= _MIN_DATE and DATE.fullmatch(text) and not NUMBER.fullmatch(text) for text in present)
    return all(is_date or URL.fullmatch(text) for is_date, text in zip(dates, present, strict=True))


def is_label_column(values: Sequence[Any]) -> bool:
    """Return whether the cells are two or more of a few short words, each of them often."""
    present = [text for value in values if (text := _text(value))]
    words = set(present)
    return _are_labels(words) and len(words) <= len(present) / 2


def _are_labels(words: Collection[str]) -> bool:
    return 2 <= len(words) <= _MAX_LABELS and max(map(len, words)) <= _MAX_LABEL_LENGTH


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, list | dict) else str(value).strip()


def _size(values: Sequence[Any]) -> float:
    """Return the mean length of different texts, 0 for a column of numbers."""
    present = [text for value in values if (text := _text(value))]
    if not present or is_number_column(values):
        return 0.0
    return sum(map(len, set(present))) / len(present)
