"""Boilerplate of posts: HTML, and the words that websites and crawlers add to what the author wrote.

Each rule names the page or the public crawler that writes what it removes. A rule needs marks that people do not write,
such as the letter of an icon or a number in brackets. So `<3`, `a < b`, `<未知>`, and words about a 网页链接 stay.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from html.entities import html5

from weibo_tui.text.emoticons import BRACKETED, EMOJI_SEQUENCE
from weibo_tui.text.rewriting import Cleaned, Edit, rewrite

_ATTRIBUTES = r"""(?:[^<>"']|"[^"]*+"|'[^']*+')*+"""
_ENTITY = r"(?:#\d{1,7}|#[Xx][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
# The titles that m.weibo.cn and weibo.com write in place of a link. In a text without tags they are words.
_LINK_TITLES = r"网页链接|查看图片|评论配图|抽奖详情|[^<>\s]{1,30}的(?:微博|秒拍)视频"
HTML_RULES = {
    # m.weibo.cn in `text` (weibo-crawler's and MediaCrawler's JSON): <span class="surl-text">网页链接</span>
    "title": rf"<(?:a|span)\s{_ATTRIBUTES}>(?:{_LINK_TITLES})(?=</)",
    # weibo.com: the icon of a link, <i class="wbicon">O</i>, and of other things, <i class="W_ficon …">ñ</i>
    "icon": rf"""<i\s+class=["']?(?:wbicon|W_ficon)\b[^<>]*>[^<>]{{0,3}}</i>(?:{_LINK_TITLES})?""",
    # An emoticon: <img alt=[doge] src=…> of m.weibo.cn, <img title="[微笑]" alt="[微笑]" …> of weibo.com
    "image": rf"<img\s{_ATTRIBUTES}>",
    "line": rf"<(?:br|/?(?:p|div|li|ul|ol|h[1-6]|table|tr|td|blockquote))(?:\s{_ATTRIBUTES})?/?>",
    # A name or an address ends with its link, although the next word follows at once: <a href='/n/某人'>@某人</a>你好
    "link_end": r"</a\s*>",
    "tag": rf"<a\s(?=[^<>]*=){_ATTRIBUTES}>"
    rf"|</?(?:span|font|b|i|em|strong|img|video|audio|source|iframe|svg|section|figure)(?:\s{_ATTRIBUTES})?/?>",
    # &amp; and, written twice over, &amp;quot;
    "entity": rf"&(?:amp;)++(?:{_ENTITY})?|&{_ENTITY}",
}
"""Patterns of HTML by name."""
_REPLACEMENTS = {"line": "\n", "link_end": "\u200b", "forwarded": "//@用户:"}
_ALT = re.compile(rf"""\s(?:alt|title)\s*=\s*["']?(?P<kept>{BRACKETED}|{EMOJI_SEQUENCE})(?=["'\s/>])""", re.IGNORECASE)

# Without iPhones' old emoji; see `emoticons.ICONS`.
_PRIVATE = "\ue000\ue05b-\ue100\ue15b-\ue200\ue254-\ue300\ue34e-\ue400\ue44d-\ue500\ue538-\uf8ff"
_BLANK = r"[\s\u200b]*"
_TIME = (
    r"(?:(?:(?:\d{2,4}[-年])?\d{1,2}[-月]\d{1,2}日?|今天|昨天)\s?\d{1,2}:\d{2}(?::\d{2})?|\d{1,3}(?:秒钟?|分钟|小时)前)"
)
_CLIENT = r"(?:微博\s?weibo\.com|[^\s@，。！？]{1,20}(?:客户端|网页版))"
_NUMBERS = r"赞\[\d{1,9}\]\s*(?:原文)?转发\[\d{1,9}\]\s*(?:原文)?评论\[\d{1,9}\]"
_MARK = r"[/／]{2}\s?[@＠][^\s:：@＠/／\[\]]{1,30}[\s\u200b]?[:：]"
WORD_RULES = {
    # weibo.cn (weiboSpider): the number of pictures, and the numbers below a post
    "pictures": r"\[组图共\d{1,3}张\](?:\s*原图(?!\w))?",
    "numbers": rf"(?:原图\s*)?{_NUMBERS}(?:\s*收藏)?(?:\s*{_TIME}\s*来自[^\n]{{1,30}}\Z)?(?:\s*转发理由[:：])?",
    # weibo.cn, s.weibo.com: the time and the client
    "client": rf"{_TIME}\s*来自\s?{_CLIENT}|(?:\A|(?<=[\s\]]))来自\s?{_CLIENT}(?={_BLANK}\Z)",
    # weibo.com, s.weibo.com (weibo-search): letters that the icon font shows as a link and as a film
    "link": r"(?<![A-Za-z0-9])O(?:网页链接|抽奖详情)",
    "film": r"(?<![A-Za-z0-9])L(?![a-z])[^\s#@，。！？…:：<>\[\]{}]{1,30}?的(?:微博|秒拍)视频",
    # s.weibo.com, m.weibo.cn: the ends of long posts, with c and d from the icon font
    "more": rf"(?:\.\.\.\s?)?(?:展开全文c|(?:展开全文|展开c)(?={_BLANK}\Z))|\.\.\.\s?全文(?={_BLANK}\Z)",
    "less": rf"收起(?:全文d|(?:d|全文)(?={_BLANK}\Z))",
    # A public set of posts of 2018 (weibo2018), of links: {%#话题#%}, {%网页链接%}, {%某某的秒拍视频%}
    "braces": rf"\{{%(?:(?:{_LINK_TITLES})%\}}|(?P<kept>[^{{}}%\n]{{1,60}})%\}})",
    # weiboSpider: 转发理由:… 原始用户: … 转发内容: …
    "reason": r"\A\s*转发理由[:：]",
    "forwarded": r"\s(?:原始用户:\s?[^\s:：]{1,30}\s)?转发内容:\s?",
    # weibo-search: private characters that the icon font shows, such as U+E627 before a place
    "private": rf"[{_PRIVATE}]+",
}
"""Patterns of words of websites and crawlers by name."""
EMPTY_RULES = {
    # Weibo itself, for a picture and for a repost without words. In a chain it is after a name.
    "picture": rf"\A{_BLANK}分享(?:图片|视频){_BLANK}\Z",
    "repost": rf"(?:\A|(?P<kept>{_MARK})){_BLANK}(?:转发微博|轉發微博|Repost)[。.]?"
    rf"(?={_BLANK}(?:\Z|[/／]{{2}}\s?[@＠]))",
}
"""Patterns of what stands for no words, by name, after the other rules."""
# Most posts have none of these, and the rules are slow.
_WORD_CUES = rf"组图|赞\[|来自|网页链接|抽奖详情|视频|全文|展开c|收起d|\{{%|转发理由|转发内容|[{_PRIVATE}]"
_EMPTY_CUES = "分享|转发微博|轉發微博|Repost"
_WORD_CUE, _EMPTY_CUE = re.compile(_WORD_CUES), re.compile(_EMPTY_CUES)
CUES = f"[<&]|{_WORD_CUES}|{_EMPTY_CUES}"
"""Pattern of what each post with boilerplate has."""
_CUE = re.compile(CUES)
# weiboSpider, Weibo itself
_FORWARDED = re.compile(r"\s(?:原始用户|转发内容):|[/／]{2}\s*(?:<a\s[^<>]*>)?[@＠]")
# weibo.cn: 转发了 某某 的微博:… 赞[1] 原文转发[2] 原文评论[3] 转发理由:…
_FORWARDED_FIRST = re.compile(r"\s*转发了\s")
_REASON = re.compile(r"转发理由[:：]")


_HTML, _WORDS, _EMPTY = (
    re.compile("|".join(f"(?P<{name}>{rule})" for name, rule in rules.items()), flags)
    for rules, flags in ((HTML_RULES, re.IGNORECASE), (WORD_RULES, 0), (EMPTY_RULES, 0))
)


def without_boilerplate(post: str) -> Cleaned:
    """Return the post without HTML and without the words of websites and crawlers, in linear time.

    The `alt` of an emoticon stays, and entities are read. The end of a link becomes U+200B, so that a name or an
    address before it does not join the word after it. What is forwarded begins with `//@用户:`.
    """
    plain = rewrite(post, _edits(_HTML, post) if "<" in post or "&" in post else ())
    if _WORD_CUE.search(plain.text):
        plain = rewrite(plain, _edits(_WORDS, plain.text))
    if _EMPTY_CUE.search(plain.text):
        plain = rewrite(plain, _edits(_EMPTY, plain.text))
    return plain


def may_have_boilerplate(post: str) -> bool:
    """Return False for a post that `without_boilerplate` does not change, as most are."""
    return _CUE.search(post) is not None


def without_boilerplate_all(posts: Iterable[str]) -> list[str]:
    """Return the texts of `without_boilerplate`."""
    return [without_boilerplate(post).text if may_have_boilerplate(post) else post for post in posts]


def split_forwarded(post: str) -> tuple[str, str]:
    """Return the author's own words, and what is forwarded with the name before it, both as they are in the post."""
    if _FORWARDED_FIRST.match(post) and (reason := _REASON.search(post)):
        return post[reason.end() :], post[: reason.start()]
    mark = _FORWARDED.search(post)
    end = len(post) if mark is None else mark.start()
    return post[:end], post[end:]


def _edits(pattern: re.Pattern[str], text: str) -> Iterator[Edit]:
    for match in pattern.finditer(text):
        begin, end = match.span()
        rule = match.lastgroup
        kept = _ALT.search(text, begin, end) if rule == "image" else match if rule in ("braces", "repost") else None
        if kept is not None and kept["kept"]:
            yield begin, kept.start("kept"), ""
            yield kept.end("kept"), end, ""
        else:
            yield begin, end, _read_entity(match[0]) if rule == "entity" else _REPLACEMENTS.get(rule or "", "")


def _read_entity(entity: str) -> str:
    name = re.sub("^&(?:amp;)*", "", entity, flags=re.IGNORECASE)
    return html.unescape(f"&{name}") if name.startswith("#") else html5.get(name, f"&{name}")
