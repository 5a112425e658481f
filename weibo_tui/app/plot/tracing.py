"""A series drawn as dots."""

from __future__ import annotations

from math import inf, log10

from weibo_tui.app.plot.axes import Axis
from weibo_tui.app.plot.braille import BrailleCanvas
from weibo_tui.app.plot.series import Series

ColumnSpan = tuple[int, int, int]
"""What points in one column of dots cover: the column, and its rows from top to bottom."""


def trace(dots: BrailleCanvas, series: Series, x: Axis, y: Axis, log_y: bool, smooth: bool) -> ColumnSpan | None:
    """Draw the series, or what it is smoothed to; gives the last mark, None where nothing could be drawn."""
    x_base, x_factor = x.scale(dots.width)
    y_base, y_factor = y.scale(dots.height)
    x_base += 0.5
    y_base = dots.height - 0.5 - y_base  # rows count from the top
    mark: ColumnSpan | None = None
    joined = False  # whether nothing is missing between the mark and what comes
    for stretch in series.stretches:
        high = stretch.smooth if smooth else stretch.high
        low = high if smooth else stretch.least_positive if log_y else stretch.low
        if not (high > 0 if log_y else high < inf):  # NaN is neither
            joined = False
            continue
        joined = joined and not stretch.broken
        if log_y:
            joined = joined and stretch.low > 0
            # What it is smoothed to may lie below all that is above zero.
            low, high = max(log10(low), y.low), max(log10(high), y.low)
        column = int(x_base + stretch.x * x_factor)
        top = int(y_base - high * y_factor)
        bottom = top if smooth else int(y_base - low * y_factor)
        if mark is None or column != mark[0] or not joined:
            if mark is not None:
                dots.upright(*mark)
                if joined:
                    _join(dots, mark, (column, top, bottom))
            mark = column, top, bottom
        elif top < mark[1] or bottom > mark[2]:
            mark = column, min(top, mark[1]), max(bottom, mark[2])
        joined = True
    if mark is not None:
        dots.upright(*mark)
    return mark


def _join(dots: BrailleCanvas, left: ColumnSpan, right: ColumnSpan) -> None:
    """A line between the ends that are nearest."""
    column, top, bottom = left
    to_column, to_top, to_bottom = right
    if bottom < to_top:
        row, to_row = bottom, to_top
    elif to_bottom < top:
        row, to_row = top, to_bottom
    else:
        row = to_row = (max(top, to_top) + min(bottom, to_bottom)) // 2
    if to_column - column > 1 or abs(to_row - row) > 1:
        dots.line(column, row, to_column, to_row)
