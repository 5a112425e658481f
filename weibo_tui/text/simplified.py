"""Traditional characters as simplified ones, by the tables of OpenCC (https://github.com/BYVoid/OpenCC, `t2s`).

They know words: 乾淨 becomes 干净, and 乾隆 keeps its 乾.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from weibo_tui.text.rewriting import Cleaned, Edit, rewrite

if TYPE_CHECKING:
    from opencc import OpenCC

_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")


def simplified(post: str | Cleaned) -> Cleaned:
    """Return the post with simplified characters. Where a run of characters keeps its length, each keeps its place."""
    return rewrite(post, _edits(post if isinstance(post, str) else post.text))


def _edits(text: str) -> Iterator[Edit]:
    convert = _converter().convert
    for match in _HAN.finditer(text):
        begin, run = match.start(), match[0]
        converted = convert(run)
        if len(converted) != len(run):
            yield begin, match.end(), converted
        elif converted != run:
            for place, (old, new) in enumerate(zip(run, converted, strict=True), begin):
                if old != new:
                    yield place, place + 1, new


@cache
def _converter() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")
