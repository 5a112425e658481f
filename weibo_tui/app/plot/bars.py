"""Vertical bars of block characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"


def bar_rows(values: Sequence[int], height: int) -> Iterator[str]:
    """Yield `height` rows, from the top, with a bar of one cell for each value. The largest one fills all rows.

    A value above zero has an eighth of a cell at least."""
    most = max(1, *values)
    eighths = [-(-8 * height * value // most) for value in values]
    for row in reversed(range(height)):
        yield "".join(_BLOCKS[min(max(level - 8 * row, 0), 8)] for level in eighths)
