"""Traditional characters as simplified ones, by the tables of OpenCC (https://github.com/BYVoid/OpenCC, `t2s`).

They know words: 乾淨 becomes 干净, and 乾隆 keeps its 乾. All of them consist of Han characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from weibo_tui.text.rewriting import Cleaned, Edit, rewrite

if TYPE_CHECKING:
    from opencc import OpenCC

_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
# They describe a character by the ones that follow, which OpenCC therefore leaves as they are.
_DESCRIBING = re.compile("[\u2ff0-\u2fff]")
_SEPARATOR = "\x1f"  # which the tables do not have, and posts hardly ever


def simplified(post: str | Cleaned) -> Cleaned:
    """Return the post with simplified characters. Where a run of characters keeps its length, each keeps its place."""
    text = post if isinstance(post, str) else post.text
    convert = _converter().convert
    if _DESCRIBING.search(text):
        return rewrite(post, _edits_of_runs(text, convert))
    try:
        converted = convert(text)  # of the whole post first, which is faster, and leaves most posts as they are
    except UnicodeEncodeError:  # a surrogate without a partner
        converted = ""
    if converted == text:
        return rewrite(post, ())
    if len(converted) == len(text):
        return rewrite(post, _changed_characters(text, converted, 0))
    return rewrite(post, _edits_of_runs(text, convert))


def simplified_all(texts: Sequence[str]) -> list[str]:
    """Return the texts of `simplified`. OpenCC reads many at once in half the time."""
    joined = _SEPARATOR.join(texts)
    converted: list[str] = []
    if not _DESCRIBING.search(joined):
        with suppress(UnicodeEncodeError):  # a surrogate without a partner
            converted = _converter().convert(joined).split(_SEPARATOR)
    if len(converted) != len(texts):
        return [simplified(text).text for text in texts]
    return [new if len(new) == len(text) else simplified(text).text for text, new in zip(texts, converted, strict=True)]


def _edits_of_runs(text: str, convert: Callable[[str], str]) -> Iterator[Edit]:
    for match in _HAN.finditer(text):
        converted = convert(match[0])
        if len(converted) != len(match[0]):
            yield *match.span(), converted
        else:
            yield from _changed_characters(match[0], converted, match.start())


def _changed_characters(text: str, converted: str, begin: int) -> Iterator[Edit]:
    for place, (old, new) in enumerate(zip(text, converted, strict=True), begin):
        if old != new:
            yield place, place + 1, new


@cache
def _converter() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")
