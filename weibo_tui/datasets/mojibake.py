"""Detection of text that was read in a wrong encoding, and may have been saved so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from weibo_tui.datasets.encodings import ASCII, COMMON

_LINES = 1000
_START = 100  # characters of a line
_MIN_CHINESE = 4  # characters
_MAX_SHARE = 0.05  # of lines, as of bad rows

_CHINESE = re.compile("[\u2e80-\u9fff\uff00-\uffef]")
_LOST = re.compile("[\ufffd锟斤拷]")
# Windows-1252, and Latin-1 where that has no character.
_LATIN = {bytes([byte]).decode("cp1252", "ignore") or chr(byte): byte for byte in range(128, 256)}
_LATIN |= {chr(byte): byte for byte in range(128, 256)} | {"\ufffd": 0xFF}


class Mojibake(NamedTuple):
    """A line of text (from 1) that was of the encoding `right`, and was read as `wrong`. Lost text has neither."""

    line: int
    text: str
    right: str = ""
    wrong: str = ""


def find_mojibake(lines: Iterable[str]) -> Mojibake | None:
    """Return the first line that was read in a wrong encoding, where more of these first lines were than may be bad."""
    found = []
    checked = 0
    for number, line in enumerate(islice(lines, _LINES), 1):
        text = ASCII.sub("", line[:_START])
        if len(text) < _MIN_CHINESE:
            continue
        checked += 1
        if encodings := _encodings(text):
            found.append(Mojibake(number, text[:10], *encodings))
    return found[0] if len(found) > _MAX_SHARE * checked else None


def _encodings(text: str) -> tuple[str, str] | None:
    """Return the encoding of a damaged text, and the one that it was read in."""
    if len(_LOST.findall(text)) > 0.5 * len(text):
        return "", ""
    if all(character in _LATIN for character in text):
        data = bytes(map(_LATIN.__getitem__, text))
        for codec in ("utf-8", "gb18030"):
            if _is_chinese(data.decode(codec, "replace")):
                return codec.upper(), "Latin-1"
    return ("UTF-8", "GB18030") if _is_chinese(text.encode("gb18030", "replace").decode("utf-8", "replace")) else None


def _is_chinese(text: str) -> bool:
    chinese = len(_CHINESE.findall(text))
    return chinese >= _MIN_CHINESE and chinese >= 0.5 * len(ASCII.sub("", text)) and not COMMON.isdisjoint(text)
