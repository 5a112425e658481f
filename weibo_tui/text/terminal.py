"""Text from outside made safe for a terminal, and cut and wrapped to its cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from rich.cells import cell_len

from weibo_tui.text.cleaning import CONTROLS, MARK, ZERO_WIDTH
from weibo_tui.text.emoticons import BRACKETED, EMOJI, EMOJI_SEQUENCE, ICONS, SIGNS

MAX_COMBINING_MARKS = 10
"""Marks on one letter that are shown. More of them reach over many lines, and one cell may hold a megabyte."""

_EMOJI = f"{ICONS}{SIGNS}"
# All of them except variation selectors after a picture, and joiners between two.
_NOT_SHOWN = re.compile(
    rf"[{ZERO_WIDTH}](?<![0-9#*{_EMOJI}][\ufe0e\ufe0f])"
    rf"(?:(?<!\u200d)|(?<![{_EMOJI}]\u200d)(?<![{_EMOJI}][\ufe0e\ufe0f]\u200d)|(?![{_EMOJI}]))"
)
# Newline and tab stay. These would move the cursor, hide text, or turn the line around.
_UNSAFE = re.compile(rf"[\x0b\x0c\r\x1c-\x1f\x85\u2028\u2029\ufffc{CONTROLS}]")
_CHAIN = re.compile(rf"(?P<shown>(?:{EMOJI}\u200d){{{MAX_COMBINING_MARKS}}})(?P<rest>(?:{EMOJI}\u200d)+)")
_MARKS = re.compile(rf"{MARK}{{{MAX_COMBINING_MARKS + 1},}}")
# What a screen shows as one thing.
_GLYPHS = re.compile(rf"(?:{EMOJI_SEQUENCE}|.)[\u0300-\u036f\ufe0f\u20e3]*", re.DOTALL)
_EMOTICON = re.compile(BRACKETED)
# Punctuation that no line begins with, or ends with, in Chinese.
_CLOSING = frozenset("，。、；：？！…）］｝〕】》」』”’～·")
_OPENING = frozenset("（［｛〔【《「『“‘")


def sanitize(text: str) -> str:
    """Return text from outside made safe for a terminal. Newline and tab stay; other control characters are shown.

    ESC becomes `␛`, other C0 controls their picture, C1 controls `\\x9b`. Bidi characters, lone surrogates, and
    combining marks after the first ten of a letter become `<U+202E>`. Zero-width characters are left out.
    """
    return _MARKS.sub(_limit_marks, _UNSAFE.sub(lambda match: _escape(ord(match[0])), hide_zero_width(text)))


def sanitize_glyphs(text: str) -> list[tuple[int, str]]:
    """Return the place of each glyph of a text, and the glyph as `sanitize` shows it, which may be empty."""
    return [(match.start(), sanitize(match[0])) for match in _GLYPHS.finditer(text)]


def hide_zero_width(text: str, replacement: str = "") -> str:
    """Return the text with `replacement` for each zero-width character.

    Those inside an emoji stay, with up to ten joiners, so that it remains one picture."""
    return _CHAIN.sub(
        lambda chain: chain["shown"] + chain["rest"].replace("\u200d", replacement),
        _NOT_SHOWN.sub(replacement, text),
    )


def _limit_marks(match: re.Match[str]) -> str:
    pieces, marks = [], 0
    for character in match[0]:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        pieces.append(character if marks <= MAX_COMBINING_MARKS else _escape(ord(character)))
    return "".join(pieces)


def _escape(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if code < 0xA0:
        return f"\\x{code:02x}"
    return f"<U+{code:04X}>"


def truncate(text: str, limit: int = 60) -> str:
    """Return a name or a value from outside for a sentence about it, in `limit` characters and `…`."""
    return text if len(text) <= limit else text[:limit] + "…"


def truncate_cells(text: str, width: int) -> str:
    """Return `text` cut to `width` terminal cells, with `…` for what was cut. An emoji is never cut apart."""
    used = end = 0
    for match in _GLYPHS.finditer(text):
        used += _glyph_cells(match[0])
        if used > width:
            return text[:end] + "…" if width > 0 else ""
        if used < width:
            end = match.end()
    return text


def wrap_cells(text: str, width: int) -> Iterator[str]:
    """Yield the lines of `text`, each in at most `width` terminal cells, without blanks at their ends.

    Lines are broken after blanks and between wide characters, and within a word or an emoticon only if it is too long.
    """
    for line in text.split("\n"):
        unbroken = {index for match in _EMOTICON.finditer(line) for index in range(match.start() + 1, match.end())}
        begin = used = 0
        break_at = break_used = 0  # where the line may be broken, and the cells up to there
        before = " "
        for match in _GLYPHS.finditer(line):
            glyph, cells = match[0], _glyph_cells(match[0])
            if match.start() not in unbroken and _may_break(before, glyph):
                break_at, break_used = match.start(), used
            if used + cells > width and glyph != " " and match.start() > begin:
                if break_at <= begin:
                    break_at, break_used = match.start(), used
                yield line[begin:break_at].rstrip(" ")
                begin, used = break_at, used - break_used
            used += cells
            before = glyph
        yield line[begin:].rstrip(" ")


def _may_break(before: str, after: str) -> bool:
    if before == " ":
        return after != " "
    wide = _glyph_cells(before) == 2 or _glyph_cells(after) == 2
    return wide and after != " " and after[0] not in _CLOSING and before[0] not in _OPENING


def _glyph_cells(glyph: str) -> int:
    return 1 if glyph == "\t" else cell_len(glyph)
