"""What a post is: cleaned for the model, made safe for a screen and a spreadsheet, taken apart.

Nothing here keeps state or knows about files. Positions count Unicode code points, as `len` does.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

PREPROCESSING = 1
"""The version of `clean` that new adapters are trained with; their cards record it."""

LONGEST_POST = 10_000
"""Characters of a post that anything looks at: ten times what fits into the 1,024 positions of a GPT-2."""

# Characters that take no room and change what is seen or how it is ordered: controls, zero-width and bidi
# marks, variation selectors, tags, and surrogates without a partner (no tokenizer and no file takes those).
# Controls that Python counts as white space (tab, newline, U+001C..1F, U+0085) are left to `\s`.
_UNSEEN = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff"
)
# A URL ends where its characters do, before a repost mark, and before punctuation that closes a sentence.
_URL = (
    r"(?:(?i:https?)://|www\.|(?<![A-Za-z0-9.])(?=t\.cn/))"
    r"(?:t\.cn/[A-Za-z0-9]*|(?:(?!//\s*@)[!#-;=?A-Z_a-z~])*(?<![!'(),.:;?]))"
)
# Weibo's names: letters of any script, digits, `_`, `-`, `·`; at most 30. Just after `//` and before a colon
# anything else is part of the name too (files that went through GBK hold `?` for the letters they lost).
# `@用户` itself is a name that somebody masked before; what follows it is text.
_NAME = (
    r"@用户(?![A-Za-z0-9_-])"
    r"|(?:(?<=//)|(?<=// ))@[^\s:：@/\[\]]{1,30}(?=[\s\u200b]?[:：])"
    r"|@(?:(?!(?i:https?)://)[\w·-]){1,30}"
)

_CLEANED = re.compile(rf"(?P<gap>(?:[\s{_UNSEEN}]|{_URL})++)|(?P<name>{_NAME})")
_SURROGATES = re.compile("(?P<gap>[\ud800-\udfff]+)")
_WHITE = re.compile(r"\s")

_FACE_CODES = (  # characters that Unicode calls emoji and that are pictures on their own
    "\u231a\u231b\u23e9-\u23f3\u2600-\u2604\u260e\u2611\u2614\u2615\u2618\u261d\u2620\u2622\u2623\u2626\u262a"
    "\u262e\u262f\u2638-\u263a\u2640\u2642\u2648-\u2653\u265f\u2660\u2663\u2665\u2666\u2668\u267b\u267e\u267f"
    "\u2692-\u2697\u2699\u269b\u269c\u26a0\u26a1\u26a7\u26aa\u26ab\u26b0\u26b1\u26bd\u26be\u26c4\u26c5\u26c8"
    "\u26ce\u26cf\u26d1\u26d3\u26d4\u26e9\u26ea\u26f0-\u26f5\u26f7-\u26fa\u26fd\u2702\u2705\u2708-\u270d\u270f"
    "\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2755\u2757\u2763\u2764"
    "\u2795-\u2797\u27a1\u27b0\u27bf\u2b50\u2b55"
    "\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a\U0001f1e6-\U0001f1ff\U0001f201\U0001f202\U0001f21a"
    "\U0001f22f\U0001f232-\U0001f23a\U0001f250\U0001f251\U0001f300-\U0001f64f\U0001f680-\U0001f6ff"
    "\U0001f7e0-\U0001f7f0\U0001f90c-\U0001f9ff\U0001fa70-\U0001faff"
    # The private codes that iPhones wrote before Unicode had emoji; Weibo is full of them until 2012.
    "\ue001-\ue05a\ue101-\ue15a\ue201-\ue253\ue301-\ue34d\ue401-\ue44c\ue501-\ue537"
)
_SIGN_CODES = (  # signs and letters that become a picture only with U+FE0F behind them
    "\xa9\xae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u2328\u23cf\u23f8-\u23fa\u24c2\u25aa\u25ab\u25b6"
    "\u25c0\u25fb-\u25fe\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u3030\u303d\u3297\u3299"
    "\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f237"
)
_ONE_EMOJI = (  # with its presentation, skin tone and tags
    rf"(?:[{_FACE_CODES}]|[{_SIGN_CODES}]\ufe0f)[\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?[\U000e0020-\U000e007f]*"
)
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}")
_PICTURE = rf"{_FLAG.pattern}|[0-9#*]\ufe0f?\u20e3|{_ONE_EMOJI}(?:\u200d{_ONE_EMOJI})*"
_EMOTICON = re.compile(
    # `[哈哈]`, `[doge]`, `[/哭笑]`; `?` stands where a file that went through GBK lost a character: `[可?]`.
    r"\[/?(?:[^\W_]|\?){1,8}\]"
    rf"|{_PICTURE}"
)
# What is seen as one thing on a screen, for `cell_width`.
_PICTURES = re.compile(rf"(?:{_PICTURE}|.)[\u0300-\u036f\ufe0f\u20e3]*", re.DOTALL)

_REPOST = re.compile(r"(?:[/／]{2}\s*|(?<![A-Za-z])RT\s*|回[复覆復]\s*)[@＠][^\s:：@＠/／\[\]]{0,30}[\s\u200b]*[:：]?")
_FORWARDED = re.compile(r"[/／]{2}\s*[@＠]")
_NOT_CONTENT = re.compile(rf"[\s{_UNSEEN}]|{_URL}|{_NAME}")
# In a normalized text: a bracket emoticon, and what is neither letter nor emoticon. Emoji are no letters either.
_NOT_WORDS = r"\[/?(?:[^\W_]|\?){1,8}\]|[^\w\[#]+|[\d_]+|[\[#]"
_NO_WORDS = re.compile(_NOT_WORDS)
_NO_WORDS_NOR_TOPICS = re.compile(rf"#[^#]{{1,60}}#|{_NOT_WORDS}")
# Among `_MARK` are all marks that combine. NFKC sorts those of one letter, and Python takes half an hour to sort a
# million; with an unseen joiner behind every 30, as Unicode's stream-safe format has it, it is over at once.
_MARK = r"[^\w\s\x00-\u02ff]"
_PILE = re.compile(rf"(?:{_MARK}|[\uff9e\uff9f]){{30}}")
HIGHEST_PILE = 10  # on a screen, where higher ones reach over many lines and one cell may hold a megabyte
_MARKS = re.compile(rf"{_MARK}{{{HIGHEST_PILE + 1},}}")
_CHAIN = re.compile(rf"(?P<picture>(?:{_ONE_EMOJI}\u200d){{{HIGHEST_PILE}}})(?:{_ONE_EMOJI}\u200d)+")

# `visible` lets newline and tab stand; these would move the cursor, hide, or turn the line around.
_UNSAFE = re.compile(rf"[\x0b\x0c\r\x1c-\x1f\x85\u2028\u2029\ufffc{_UNSEEN}]")
# Punctuation that no line begins with, or ends with, in Chinese.
_CLOSING = frozenset("，。、；：？！…）］｝〕】》」』”’～·")
_OPENING = frozenset("（［｛〔【《「『“‘")
# What a spreadsheet may take for a formula, also behind blanks and behind what it drops (NUL is such a one); signs of
# full width are the same to those of East Asia. A tab, or an end of line, may part cells and be dropped with what is
# before it. And the guard itself, so that a leading one always is the guard's and can be taken off again.
_SIGNS = "[=+@＝＋－＠-]"
_FORMULA = re.compile(rf"['\t\r\n]|[\s{_UNSEEN}]*+{_SIGNS}")
# A spreadsheet that parts cells at semicolons, tabs or line ends finds a cell in the midst of a text, and drops its
# quotes. Guards that are there already are guarded too, so that the first of them always is ours.
_INNER = rf"(?:[^\S\t\r\n]|[{_UNSEEN}\"])*{_SIGNS}"
_INNER_FORMULA = re.compile(rf"(?<=[;\t\r\n])(?='*{_INNER})")
_INNER_GUARD = re.compile(rf"(?<=[;\t\r\n])'(?='*{_INNER})")
_EMOJI_JOINERS = re.compile(rf"(?<=[0-9#*{_FACE_CODES}{_SIGN_CODES}])(?:[\ufe0e\ufe0f]\u200d?|\u200d)")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A post as the model reads it, and where each stretch of it stood in the raw post.

    Stretch k begins at `starts[k]` of `text` and at `raw_starts[k]` of the raw post, which has `raw_length`
    characters.
    """

    text: str
    raw_length: int
    starts: tuple[int, ...]
    raw_starts: tuple[int, ...]

    def raw_position(self, position: int) -> int:
        """The index in the raw post of the character at `position` of `text`.

        It never falls, and the end maps to the end: when the first n characters of `text` have been read,
        `raw_position(n)` of the post's own have.
        """
        if position >= len(self.text):
            return self.raw_length
        stretch = max(bisect_right(self.starts, position) - 1, 0)
        limit = self.raw_starts[stretch + 1] if stretch + 1 < len(self.raw_starts) else self.raw_length
        return min(self.raw_starts[stretch] + max(position, 0) - self.starts[stretch], limit)


def clean(post: str, version: int = PREPROCESSING) -> Cleaned:
    """The post for the model, in one pass.

    Version 1 takes out URLs and characters nobody sees, writes `@用户` for every `@name`, makes one space of
    each run of white space and strips the ends. Version 0 is the post as it is, less surrogates without a
    partner. Emoticons, and words such as `[SEP]`, are text and stay. ValueError for an unknown version.
    """
    if version not in (0, 1):
        raise ValueError(f"unknown preprocessing version {version}")
    pieces: list[str] = []
    starts = [0]
    raw_starts = [0]
    length = done = 0
    for match in (_CLEANED if version else _SURROGATES).finditer(post):
        begin, end = match.span()
        found = match.group()
        if match.lastgroup == "name":
            written = "@用户"
        elif version and begin > 0 and end < len(post) and (found == " " or _WHITE.search(found)):
            written = " "
        else:
            written = ""
        if written == found:
            continue
        pieces += (post[done:begin], written)
        length += begin - done
        if written:
            starts.append(length)
            raw_starts.append(begin)
            length += len(written)
        starts.append(length)
        raw_starts.append(end)
        done = end
    pieces.append(post[done:])
    return Cleaned("".join(pieces), len(post), tuple(starts), tuple(raw_starts))


def find_emoticons(post: str) -> list[str]:
    """Bracket emoticons (`[哈哈]`, `[doge]`) and emoji in order; a sequence that shows one picture is one."""
    return _EMOTICON.findall(post)


def without_emoticons(post: str) -> str:
    """The post with its emoticons and emoji cut."""
    return _EMOTICON.sub("", post)


def only_emoticons(post: str) -> str:
    """The emoticons and emoji of the post, one behind the other; empty when it has none."""
    return "".join(find_emoticons(post))


def normalise(post: str) -> str:
    """What makes two posts the same: NFKC, lower case, no URLs, @names, white space or unseen characters."""
    parted = _PILE.sub("\\g<0>\u034f", post)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", parted).casefold())
    return _NOT_CONTENT.sub("", folded)


def repost_segments(post: str) -> list[str]:
    """What each person in a repost chain wrote, normalised: the parts between `//@name:` or `回复@name:`.

    Empty parts are left out; a post that is no repost has one part, itself.
    """
    return [segment for segment in map(normalise, repost_parts(post)) if segment]


def words_only(normalized: str) -> str:
    """Return a text of `normalise` without emoticons, punctuation, digits and #topics#.

    Topics stay where nothing else would be left; a text of emoticons, punctuation and digits alone gives "".
    """
    return _NO_WORDS_NOR_TOPICS.sub("", normalized) or _NO_WORDS.sub("", normalized)


def repost_parts(post: str) -> list[str]:
    """Return what each user in a repost chain wrote, as it is; a post that is no repost has one part."""
    return _REPOST.split(post)


def is_repost(post: str) -> bool:
    """Whether the post carries what somebody wrote before, behind a `//@name` mark."""
    return _FORWARDED.search(post) is not None


def visible(text: str) -> str:
    """Text from outside made safe for a terminal: newline and tab stay, whatever else acts is shown instead.

    ESC becomes `␛`, other C0 controls their picture, C1 controls `\\x9b`; bidi and zero-width characters and
    lone surrogates `<U+202E>`, and so are marks piled up on a letter, but for the first ten. The joiners inside an
    emoji stay, so that it remains one picture; in a chain of emoji the first ten.
    """
    joiners = {place for match in _EMOJI_JOINERS.finditer(text) for place in range(*match.span())}
    for chain in _CHAIN.finditer(text):
        joiners.difference_update(range(chain.end("picture"), chain.end()))
    shown = _UNSAFE.sub(lambda match: match[0] if match.start() in joiners else _stand_in(ord(match[0])), text)
    return _MARKS.sub(_without_pile, shown)


def _without_pile(match: re.Match[str]) -> str:
    pieces, pile = [], 0
    for character in match[0]:
        pile = pile + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        pieces.append(character if pile <= HIGHEST_PILE else _stand_in(ord(character)))
    return "".join(pieces)


def _stand_in(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if code < 0xA0:
        return f"\\x{code:02x}"
    return f"<U+{code:04X}>"


def guard(cell: str) -> str:
    """``cell`` as a spreadsheet takes it for text: with a ``'`` where it might read a formula, at its beginning or
    after what parts cells."""
    inside = _INNER_FORMULA.sub("'", cell)
    return f"'{inside}" if _FORMULA.match(cell) else inside


def unguard(cell: str) -> str:
    """The cell that `guard` was given; a cell that it did not write stays as it is."""
    inside = _INNER_GUARD.sub("", cell.removeprefix("'"))
    return inside if guard(inside) == cell else cell


def header_quoting(names: Iterable[str]) -> Literal[0, 1]:
    """Return how the `csv` module is to quote a header: plain words stand as they are."""
    return csv.QUOTE_MINIMAL if all(map(str.isidentifier, names)) else csv.QUOTE_ALL


def short(text: str, limit: int = 60) -> str:
    """What of a name or a value from outside a sentence about it quotes."""
    return text if len(text) <= limit else text[:limit] + "…"


def listed(names: Iterable[str], most: int = 6) -> str:
    """Names for a sentence about them, shortened, with `…` and the number of all where there are more than `most`."""
    found = [short(name) for name in names]
    return ", ".join(found) if len(found) <= most else f"{', '.join(found[:most])}, … ({len(found):,})"


def truncate_cells(text: str, width: int) -> str:
    """What of `text` fits into `width` terminal cells, with `…` for what was cut."""
    used = kept = 0
    for match in _PICTURES.finditer(text):
        used += _picture_width(match.group())
        if used > width:
            return text[:kept] + "…" if width > 0 else ""
        if used < width:
            kept = match.end()
    return text


def wrap_cells(text: str, width: int) -> Iterator[str]:
    """The lines of `text`, each in at most `width` terminal cells: broken behind blanks and between wide characters,
    and within a word that is too long. Blanks at the end of a line go."""
    for line in text.split("\n"):
        begin = used = 0
        place = place_used = 0  # where the line may be broken, and the cells that it has up to there
        before = " "
        for match in _PICTURES.finditer(line):
            picture, cells = match.group(), _picture_width(match.group())
            if _may_part(before, picture):
                place, place_used = match.start(), used
            if used + cells > width and picture != " " and match.start() > begin:
                if place <= begin:
                    place, place_used = match.start(), used
                yield line[begin:place].rstrip(" ")
                begin, used = place, used - place_used
            used += cells
            before = picture
        yield line[begin:].rstrip(" ")


def _may_part(before: str, after: str) -> bool:
    if before == " ":
        return after != " "
    wide = _picture_width(before) == 2 or _picture_width(after) == 2
    return wide and after != " " and after[0] not in _CLOSING and before[0] not in _OPENING


def cell_width(text: str) -> int:
    """How many terminal cells `text` takes: 2 for wide characters and emoji, 0 for combining marks."""
    return sum(map(_picture_width, _PICTURES.findall(text)))


def _picture_width(picture: str) -> int:
    if "\ufe0f" in picture or _FLAG.fullmatch(picture):
        return 2
    if unicodedata.category(picture[0]) in ("Mn", "Me", "Cf", "Cc") and picture != "\t":
        return 0
    return 2 if unicodedata.east_asian_width(picture[0]) in "WF" else 1
