"""A post as text: cleaned for the model, normalized to compare it with others, and split into its reposts.

Positions count Unicode code points, as `len` does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from weibo_tui.text.boilerplate import CUES, may_have_boilerplate, without_boilerplate, without_boilerplate_all
from weibo_tui.text.emoticons import BRACKETED
from weibo_tui.text.rewriting import Cleaned, Edit, rewrite
from weibo_tui.text.simplified import simplified, simplified_all

PREPROCESSING = 2
"""Version of `clean` that new adapters are trained with. Their cards record it."""

SIMPLIFYING = 3
"""Version of `clean` that also reads traditional characters as simplified ones. It is the latest one."""

MAX_POST_LENGTH = 10_000
"""Characters of a post that are read at all: ten times what fits into the 1,024 positions of a GPT-2."""

# Controls, bidi marks, and surrogates without a partner, which no tokenizer and no file takes. `\s` has the controls
# that Python counts as white space (tab, newline, U+001C..1F, U+0085).
CONTROLS = "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff"
"""Characters, for a character class, that change what is shown, or in which order."""

ZERO_WIDTH = (
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff"
)
"""Characters, for a character class, that are shown as nothing. At most they join or vary an emoji."""

INVISIBLE = CONTROLS + ZERO_WIDTH

MARK = r"[^\w\s\x00-\u02ff]"
"""Pattern that matches all combining marks, and other signs."""

# A URL ends where its characters do, before a repost mark, and before punctuation that closes a sentence.
_URL = (
    r"(?:(?i:https?)://|www\.|(?<![A-Za-z0-9.])(?=t\.cn/))"
    r"(?:t\.cn/[A-Za-z0-9]*|(?:(?!//\s*@)[!#-;=?A-Z_a-z~])*(?<![!'(),.:;?]))"
)
# Weibo's names: letters of any script, digits, `_`, `-`, `·`, at most 30. Between `//` and a colon anything else is
# part of the name too, since files that went through GBK have `?` for lost letters. `@用户` was masked before.
_NAME = (
    r"@(?:用户(?![A-Za-z0-9_-])"
    r"|(?:(?<=//@)|(?<=// @))[^\s:：@/\[\]]{1,30}(?=[\s\u200b]?[:：])"
    r"|(?:(?!(?i:https?)://)[\w·-]){1,30})"
)
# Fails fast at all other characters, where each alternative would be tried.
_BEGINS = rf"(?=[\s{INVISIBLE}@Hhtw])"
_CLEANED = re.compile(rf"{_BEGINS}(?:(?:[\s{INVISIBLE}]|{_URL})++|(?P<name>{_NAME}))")
_BLANKS = re.compile(rf"[\s{INVISIBLE}]+")
# White space that is no plain space, name by name: classes such as `\s` are slow within another one.
_OTHER_SPACES = "\t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNCLEAN = re.compile(rf"[@{_OTHER_SPACES}{INVISIBLE}]|{CUES}")
_CONTENT = re.compile(r"\s*[#\[\u4e00-\u56dd\u56df-\u9fff]")  # without 回, with which a mark of a repost begins
_SURROGATES = re.compile("[\ud800-\udfff]+")
_WHITE = re.compile(r"\s")
_REPOST = re.compile(
    r"(?=[/／R回])(?:[/／]{2}\s*|(?<![A-Za-z])RT\s*|回[复覆復]\s*)[@＠][^\s:：@＠/／\[\]]{0,30}[\s\u200b]*[:：]?"
)
_EMPTY_REPOST = re.compile(r"(?:\s?(?:[/／]{2}\s?|回[复覆復]\s?)@用户\s?[:：]?)++")
_NAMES = re.compile(_NAME)
_NAMES_AND_URLS = re.compile(rf"(?=[@Hhtw])(?:{_URL}|{_NAME})")
_INVISIBLES = re.compile(rf"[{INVISIBLE}]+")
# In a normalized text: emoticons, and what is no letter. Emoji are no letters either.
_NOT_WORDS = rf"{BRACKETED}|[^\w\[#]+|[\d_]+|[\[#]"
_NO_WORDS = re.compile(_NOT_WORDS)
_NO_WORDS_NOR_TOPICS = re.compile(rf"#[^#]{{1,60}}#|{_NOT_WORDS}")
_EMOTICONS = re.compile(BRACKETED)
_NO_LETTERS = re.compile(r"(?:[^\w\n]|[\d_])+")  # but line ends, which separate texts
# NFKC sorts the marks of one letter, and Python takes half an hour to sort a million. An invisible joiner after every
# 30, as in Unicode's stream-safe format, splits them.
MAX_MARKS = 30
_MARK = re.compile(rf"{MARK}|[\uff9e\uff9f]")
_MARKS = re.compile(rf"(?:{_MARK.pattern}){{{MAX_MARKS}}}")
# Frequent characters that NFKC replaces. It reads a text without them about five times as fast.
_WIDE = (("，", ","), ("！", "!"), ("？", "?"), ("：", ":"), ("…", "..."))


def clean(post: str, version: int = PREPROCESSING) -> Cleaned:
    """Return the post for the model. Raise ValueError for an unknown version.

    Version 3 does as version 2, and reads traditional characters as simplified ones. Version 2 removes HTML and what
    crawlers add (see `without_boilerplate`), does as version 1, and leaves nothing of a repost without words. Version 1
    removes URLs and invisible characters, writes `@用户` for every `@name`, and collapses white space. Version 0
    removes only surrogates without a partner. Emoticons, and words such as `[SEP]`, are text and stay. The words of
    other users in a repost stay too, after `//@用户:`.
    """
    if not 0 <= version <= SIMPLIFYING:
        raise ValueError(f"unknown preprocessing version {version}")
    if _is_clean(post) and version < SIMPLIFYING:
        return rewrite(post, ())
    if version == 0:
        return rewrite(post, ((*match.span(), "") for match in _SURROGATES.finditer(post)))
    plain = _plain(post, version)
    cleaned = rewrite(plain, _edits(plain.text))
    if version > 1 and _EMPTY_REPOST.fullmatch(cleaned.text):
        return rewrite(post, [(0, len(post), "")])
    return cleaned


def has_content(post: str, version: int = PREPROCESSING) -> bool:
    """Return whether `clean` leaves more than white space."""
    # No rule removes the first character of most posts.
    return bool(_CONTENT.match(post) and not may_have_boilerplate(post)) or bool(clean(post, version).text.strip())


def _is_clean(post: str) -> bool:
    """Return whether there is nothing that version 2 of `clean` changes, as in many posts."""
    if _UNCLEAN.search(post) or "  " in post or _may_have_urls(post):
        return False
    return post == post.strip()


def _plain(post: str, version: int) -> Cleaned:
    """Return the post after what a version does before version 1."""
    plain = without_boilerplate(post) if version > 1 else rewrite(post, ())
    return simplified(plain) if version >= SIMPLIFYING else plain


def _edits(text: str) -> Iterator[Edit]:
    """Yield the edits of version 1."""
    for match in (_CLEANED if _may_have_names_or_urls(text) else _BLANKS).finditer(text):
        begin, end = match.span()
        raw = match[0]
        replacement = ""
        if match.lastgroup == "name":
            replacement = "@用户"
        elif begin > 0 and end < len(text) and (raw == " " or _WHITE.search(raw)):
            replacement = " "
        if replacement != raw:
            yield begin, end, replacement


def _may_have_names_or_urls(text: str) -> bool:
    """Return whether a text has a part of a @name or URL. The patterns for them are slow, and most posts have none."""
    return "@" in text or _may_have_urls(text)


def _may_have_urls(text: str) -> bool:
    return "://" in text or "www." in text or "t.cn/" in text


def normalize(post: str, version: int = PREPROCESSING) -> str:
    """Return the text by which posts are compared: NFKC, lower case, no URLs, @names, white space or invisible
    characters, and with what version 2 or 3 of `clean` does first."""
    return normalize_all([post], version)[0]


def normalize_all(posts: Sequence[str], version: int = PREPROCESSING) -> list[str]:
    """Return the text of `normalize` for each post. Some hundreds at once take half the time."""
    texts = without_boilerplate_all(posts) if version > 1 else posts
    texts = simplified_all(texts) if version >= SIMPLIFYING else texts
    joined = "\n".join(texts)
    if joined.count("\n") >= len(posts):  # white space of another kind means the same in a post
        joined = "\n".join(text.replace("\n", "\v") for text in texts)
    if _MARK.search(joined[MAX_MARKS - 1 :: MAX_MARKS]):  # one of any 30 neighbors is in this slice
        joined = _MARKS.sub("\\g<0>\u034f", joined)
    for wide, narrow in _WIDE:
        joined = joined.replace(wide, narrow)
    composed = [unicodedata.normalize("NFKC", text) for text in joined.split("\n")]
    folded = [text.casefold() for text in composed]
    folded = [
        new if new == old else unicodedata.normalize("NFKC", new) for old, new in zip(composed, folded, strict=True)
    ]
    contents = "\n".join(["".join(_without_names_and_urls(text).split()) for text in folded])
    return _INVISIBLES.sub("", contents).split("\n")[: len(posts)]


def _without_names_and_urls(text: str) -> str:
    if _may_have_urls(text):
        return _NAMES_AND_URLS.sub("", text)
    return _NAMES.sub("", text) if "@" in text else text


def repost_segments(post: str) -> list[str]:
    """Return what each user in a repost chain wrote, normalized, without empty parts."""
    return [segment for part in repost_parts(without_boilerplate(post).text) if (segment := normalize(part, 1))]


def words_only(normalized: str) -> str:
    """Return a text of `normalize` without emoticons, punctuation, digits and #topics#.

    Topics stay where nothing else would be left. A text of emoticons, punctuation and digits alone gives "".
    """
    return words_only_all([normalized])[0]


def words_only_all(normalized: Sequence[str]) -> list[str]:
    """Return the words of `words_only` for each text."""
    joined = "\n".join(normalized)
    words = _NO_LETTERS.sub("", _EMOTICONS.sub("", joined)).split("\n")
    if joined.count("#") > 1:
        for index, text in enumerate(normalized):
            if text.count("#") > 1:  # it may have topics
                words[index] = _NO_WORDS_NOR_TOPICS.sub("", text) or _NO_WORDS.sub("", text)
    return words[: len(normalized)]


def repost_parts(post: str) -> list[str]:
    """Return what each user in a repost chain wrote, as it is: the parts between `//@name:` or `回复@name:`.

    A post that is no repost has one part.
    """
    return _REPOST.split(post) if "@" in post or "＠" in post else [post]
