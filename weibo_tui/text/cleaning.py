"""A post as text: cleaned for the model, normalized to compare it with others, and split into its reposts.

Positions count Unicode code points, as `len` does.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

from weibo_tui.text.emoticons import BRACKETED

PREPROCESSING = 1
"""Version of `clean` that new adapters are trained with. Their cards record it."""

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
    r"@用户(?![A-Za-z0-9_-])"
    r"|(?:(?<=//)|(?<=// ))@[^\s:：@/\[\]]{1,30}(?=[\s\u200b]?[:：])"
    r"|@(?:(?!(?i:https?)://)[\w·-]){1,30}"
)
_CLEANED = re.compile(rf"(?P<gap>(?:[\s{INVISIBLE}]|{_URL})++)|(?P<name>{_NAME})")
_SURROGATES = re.compile("(?P<gap>[\ud800-\udfff]+)")
_WHITE = re.compile(r"\s")
_REPOST = re.compile(r"(?:[/／]{2}\s*|(?<![A-Za-z])RT\s*|回[复覆復]\s*)[@＠][^\s:：@＠/／\[\]]{0,30}[\s\u200b]*[:：]?")
_FORWARDED = re.compile(r"[/／]{2}\s*[@＠]")
_NOT_CONTENT = re.compile(rf"[\s{INVISIBLE}]|{_URL}|{_NAME}")
# In a normalized text: emoticons, and what is no letter. Emoji are no letters either.
_NOT_WORDS = rf"{BRACKETED}|[^\w\[#]+|[\d_]+|[\[#]"
_NO_WORDS = re.compile(_NOT_WORDS)
_NO_WORDS_NOR_TOPICS = re.compile(rf"#[^#]{{1,60}}#|{_NOT_WORDS}")
# NFKC sorts the marks of one letter, and Python takes half an hour to sort a million. An invisible joiner after every
# 30, as in Unicode's stream-safe format, splits them.
_MARKS = re.compile(rf"(?:{MARK}|[\uff9e\uff9f]){{30}}")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A post as the model reads it, and the place of each stretch of it in the raw post.

    Stretch k begins at `starts[k]` of `text` and at `raw_starts[k]` of the raw post, which has `raw_length`
    characters.
    """

    text: str
    raw_length: int
    starts: tuple[int, ...]
    raw_starts: tuple[int, ...]

    def raw_position(self, position: int) -> int:
        """Return the index in the raw post of the character at `position` of `text`.

        It never decreases, and the end maps to the end: after the first n characters of `text`, the first
        `raw_position(n)` of the raw post have been read.
        """
        if position >= len(self.text):
            return self.raw_length
        stretch = max(bisect_right(self.starts, position) - 1, 0)
        limit = self.raw_starts[stretch + 1] if stretch + 1 < len(self.raw_starts) else self.raw_length
        return min(self.raw_starts[stretch] + max(position, 0) - self.starts[stretch], limit)


def clean(post: str, version: int = PREPROCESSING) -> Cleaned:
    """Return the post for the model, in one pass. Raise ValueError for an unknown version.

    Version 1 removes URLs and invisible characters, writes `@用户` for every `@name`, and collapses white space.
    Version 0 removes only surrogates without a partner. Emoticons, and words such as `[SEP]`, are text and stay.
    """
    if version not in (0, 1):
        raise ValueError(f"unknown preprocessing version {version}")
    pieces: list[str] = []
    starts = [0]
    raw_starts = [0]
    length = done = 0
    for match in (_CLEANED if version else _SURROGATES).finditer(post):
        begin, end = match.span()
        raw = match.group()
        if match.lastgroup == "name":
            replacement = "@用户"
        elif version and begin > 0 and end < len(post) and (raw == " " or _WHITE.search(raw)):
            replacement = " "
        else:
            replacement = ""
        if replacement == raw:
            continue
        pieces += (post[done:begin], replacement)
        length += begin - done
        if replacement:
            starts.append(length)
            raw_starts.append(begin)
            length += len(replacement)
        starts.append(length)
        raw_starts.append(end)
        done = end
    pieces.append(post[done:])
    return Cleaned("".join(pieces), len(post), tuple(starts), tuple(raw_starts))


def normalize(post: str) -> str:
    """Return the text by which posts are compared: NFKC, lower case, no URLs, @names, white space or invisible
    characters."""
    split = _MARKS.sub("\\g<0>\u034f", post)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", split).casefold())
    return _NOT_CONTENT.sub("", folded)


def repost_segments(post: str) -> list[str]:
    """Return what each user in a repost chain wrote, normalized, without empty parts."""
    return [segment for segment in map(normalize, repost_parts(post)) if segment]


def words_only(normalized: str) -> str:
    """Return a text of `normalize` without emoticons, punctuation, digits and #topics#.

    Topics stay where nothing else would be left. A text of emoticons, punctuation and digits alone gives "".
    """
    return _NO_WORDS_NOR_TOPICS.sub("", normalized) or _NO_WORDS.sub("", normalized)


def repost_parts(post: str) -> list[str]:
    """Return what each user in a repost chain wrote, as it is: the parts between `//@name:` or `回复@name:`.

    A post that is no repost has one part.
    """
    return _REPOST.split(post)


def is_repost(post: str) -> bool:
    """Return whether the post has a `//@name` mark before what another user wrote earlier."""
    return _FORWARDED.search(post) is not None
