"""Rewritten posts that know where each part of their text was in the post."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

Edit: TypeAlias = tuple[int, int, str]
"""Begin and end of a stretch of a text, and what replaces it."""


class Cleaned(NamedTuple):  # faster to make than a frozen dataclass, and there is one for each step of each post
    """A post as the model reads it, and the place of each stretch of it in the raw post.

    Stretch k begins at `starts[k]` of `text` and at `raw_starts[k]` of what was rewritten, which has `raw_length`
    characters: the raw post, or the text of `source`.
    """

    text: str
    raw_length: int
    starts: tuple[int, ...]
    raw_starts: tuple[int, ...]
    source: Cleaned | None = None

    def raw_position(self, position: int) -> int:
        """Return the index in the raw post of the character at `position` of `text`.

        It never decreases, and the end maps to the end: after the first n characters of `text`, the first
        `raw_position(n)` of the raw post have been read.
        """
        if position >= len(self.text):
            place = self.raw_length
        else:
            stretch = max(bisect_right(self.starts, position) - 1, 0)
            limit = self.raw_starts[stretch + 1] if stretch + 1 < len(self.raw_starts) else self.raw_length
            place = min(self.raw_starts[stretch] + max(position, 0) - self.starts[stretch], limit)
        return place if self.source is None else self.source.raw_position(place)


def rewrite(post: str | Cleaned, edits: Iterable[Edit]) -> Cleaned:
    """Return a post after `edits`, which are in order and do not overlap."""
    text, source = (post, None) if isinstance(post, str) else (post.text, post)
    pieces: list[str] = []
    starts = [0]
    raw_starts = [0]
    length = done = 0
    for begin, end, replacement in edits:
        pieces += (text[done:begin], replacement)
        length += begin - done
        if replacement:
            starts.append(length)
            raw_starts.append(begin)
            length += len(replacement)
        starts.append(length)
        raw_starts.append(end)
        done = end
    if not pieces:
        return source or Cleaned(text, len(text), (0,), (0,))
    pieces.append(text[done:])
    return Cleaned("".join(pieces), len(text), tuple(starts), tuple(raw_starts), source)
