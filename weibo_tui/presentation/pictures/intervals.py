"""Picture of values with their confidence intervals, one below the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from weibo_tui.presentation.pictures.svg import (
    PANEL,
    RIGHT,
    SMALL,
    Picture,
    Scale,
    dot,
    heading,
    line,
    text_width,
    words,
)

_SIDE, _TOP, _ROW, _BOTTOM = 16.0, 62.0, 42.0, 40.0


@dataclass(frozen=True, slots=True)
class Row:
    """A value with its interval, its name, a note on the right, and the single values that it is the mean of."""

    name: str
    note: str
    value: float
    ends: Sequence[float] | None = None
    dots: Sequence[float] = ()


def interval_plot(
    name: str, title: str, rows: Sequence[Row], notes: Iterable[str] = (), zero: bool = False, own_scales: bool = False
) -> Picture:
    """Return a picture of rows on one scale of percentages, or each on a scale of its own.

    With `zero` there is a line at 0, for differences."""
    bottom = _TOP + _ROW * len(rows)
    common = _scale(rows, zero)
    shown = [] if own_scales else [*_percentages(common, len(rows), zero)]
    for at, row in enumerate(rows):
        shown.append(_row(row, _TOP + _ROW * at, _scale([row], False) if own_scales else common))
    height = bottom + (0 if own_scales else _BOTTOM)
    return Picture(name, title, PANEL[0], height, heading(title, notes) + "".join(shown))


def _scale(rows: Iterable[Row], zero: bool) -> Scale:
    """Return the scale of what rows show, with a margin."""
    values = [value for row in rows for value in (row.value, *(row.ends or ()), *row.dots) if value is not None] + [
        0.0
    ] * zero
    low, high = min(values), max(values)
    margin = max(0.08 * (high - low), 1e-4)
    return Scale(low - margin, high + margin, _SIDE, PANEL[0] - _SIDE)


def _percentages(scale: Scale, rows: int, zero: bool) -> Iterator[str]:
    """Yield the marks of the common scale, across the intervals and below them."""
    for value in scale.ticks():
        x = scale(value)
        is_zero = zero and abs(value) < scale.step / 2
        for row in range(rows):
            top = _TOP + _ROW * row + 15
            yield line(x, top, x, top + 18, opacity=0.6 if is_zero else 0.15, dashed=is_zero)
        yield words(x, _TOP + _ROW * rows + 13, scale.share(value), "middle", SMALL)


def _row(row: Row, top: float, scale: Scale) -> str:
    """Return a line with the name and the note, and below it the interval and the value."""
    room = int((PANEL[0] - 2 * _SIDE - text_width(row.note, SMALL)) / 7)
    y = top + 24
    shown = [
        words(_SIDE, top + 8, row.name, cells=max(6, room)),
        words(PANEL[0] - _SIDE, top + 8, row.note, "end", SMALL, soft=True),
    ]
    if row.ends is not None:
        low, high = map(scale, row.ends)
        shown.append(line(low, y, high, y, width=1.5, opacity=0.7))
        shown += [line(end, y - 4, end, y + 4, width=1.5, opacity=0.7) for end in (low, high)]
    shown += [dot(scale(value), y, opacity=0.45) for value in row.dots]
    if row.dots:
        shown.append(line(scale(row.value), y - 8, scale(row.value), y + 8, width=2))
    else:
        shown.append(dot(scale(row.value), y, RIGHT, 5))
    return "".join(shown)
