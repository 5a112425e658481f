"""Series as rows of text: braille dots between two axes. Knows no widget and no colors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from math import inf, log10
from operator import itemgetter
from typing import Literal, NamedTuple

from rich.cells import cell_len

from weibo_tui.app.plot.axes import Axis, format_number, is_span, linear, logarithmic
from weibo_tui.app.plot.series import Series
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import truncate_cells

MARKERS = "●■◆○□◇"
"""Ends of the curves when there are several, so that they differ without color. Triangles mark labels elsewhere."""
MAX_TICKS = 5
_MIN_BUCKETS_TO_CUT = 40
_MIN_PLOT_WIDTH = 6  # cells; a narrower plot has no labels at its side
_LABEL_WIDTH = 12  # cells for a label below
DOTS_X, DOTS_Y = 2, 4  # dots in a cell

Part = Literal["title", "axis", "label", "note", "raw", "curve"]


class CellStyle(NamedTuple):
    """Which part of a chart a text is; `color` is the number of the series' color."""

    part: Part
    color: int = 0


class StyledText(NamedTuple):
    text: str
    style: CellStyle


StyledRow = list[StyledText]
AXIS, LABEL, NOTE = CellStyle("axis"), CellStyle("label"), CellStyle("note")

ColumnSpan = tuple[int, int, int]
"""Dots that points cover in one column: the column, its top row and its bottom row."""


def marker(color: int) -> str:
    """Return the marker of a color's curve."""
    return MARKERS[color % len(MARKERS)]


def draw(
    series: Sequence[Series], width: int, height: int, log_y: bool = False, smoothing: bool = True
) -> list[StyledRow]:
    """Return `height` rows of `width` cells with all of `series`, or no rows if either is below 1.

    With `smoothing` the values are dim and the smoothed curve is bright. With `log_y` values of zero and below are
    gaps. Gaps are never bridged. If there is nothing to draw, the rows say why.
    """
    if width < 1 or height < 1:
        return []
    y = _y_axis(series, height, log_y)
    if isinstance(y, str):
        return _message_rows(y, width, height)
    gutter, below = plot_size(y, width, height)
    x = _x_axis(series, width - gutter)
    plot = _plot(series, x, y, width - gutter, height - below, log_y, smoothing)
    return framed(plot, x, y, width, height)


def plot_size(y: Axis, width: int, height: int) -> tuple[int, int]:
    """Return how many columns and rows of a chart its axes take, as far as there is room."""
    gutter = max(len(label) for _position, label in y.ticks) + 1
    if width - gutter < _MIN_PLOT_WIDTH:
        gutter = 0
    return gutter, 2 if height >= 8 else 1 if height >= 3 else 0


def framed(plot: Iterable[StyledRow], x: Axis, y: Axis, width: int, height: int) -> list[StyledRow]:
    """Return the rows of a plot, which has the room that `plot_size` leaves, with its axes."""
    gutter, below = plot_size(y, width, height)
    rows = [[*side, *row] for side, row in zip(side_labels(y, height - below, gutter), plot, strict=True)]
    columns = tick_columns(x, width - gutter)
    if below > 1:
        line = "".join("┴" if column in columns else "─" for column in range(width - gutter))
        rows.append([StyledText(" " * (gutter - 1) + "└" * (gutter > 0) + line, AXIS)])
    if below:
        rows.append([StyledText(" " * gutter + bottom_labels(columns, width - gutter), LABEL)])
    return rows


def _message_rows(message: str, width: int, height: int) -> list[StyledRow]:
    text = truncate_cells(message, width)
    left = (width - cell_len(text)) // 2
    rows = [[StyledText(" " * width, NOTE)] for _row in range(height)]
    rows[(height - 1) // 2] = [StyledText(" " * left + text + " " * (width - left - cell_len(text)), NOTE)]
    return rows


def _y_axis(series: Sequence[Series], height: int, log_y: bool) -> Axis | str:
    """Return the axis, or a message if there is nothing to draw."""
    drawn = [item for item in series if item.low <= item.high]
    if not drawn:
        return _("Only gaps yet") if any(item.buckets for item in series) else _("No values yet")
    max_ticks = max(2, min(MAX_TICKS, height // 2))
    high = max(item.high for item in drawn)
    if not log_y:
        low = min(item.low for item in drawn)
        later = _high_after_start(drawn)
        if low < later < (low + high) / 2:
            axis = linear(low, later, max_ticks)
            return replace(axis, ticks=(*axis.ticks, (axis.high, f"↑{format_number(high)}")))
        return linear(low, high, max_ticks)
    if high <= 0:
        return _("No positive values, which a logarithmic axis needs")
    return logarithmic(min(item.min_positive for item in drawn), high, max_ticks)


def _high_after_start(series: Sequence[Series]) -> float:
    """Return the highest value after the first tenth of the curves, and of short curves the highest of all.

    The losses of the first steps may be so high that the others would look flat."""
    if max(len(item.buckets) for item in series) < _MIN_BUCKETS_TO_CUT:
        return max(item.high for item in series)
    starts = ((item, item.first + (item.buckets[-1].x - item.first) / 10) for item in series)
    later = (bucket.high for item, start in starts for bucket in item.buckets if bucket.x > start)
    return max((high for high in later if high < inf), default=-inf)


def _x_axis(series: Sequence[Series], width: int) -> Axis:
    """Return the axis from the first point to the last, labeled exactly, with round numbers between them."""
    first = min(item.first for item in series if item.buckets)
    last = max(item.buckets[-1].x for item in series if item.buckets)
    ends = [(first, format_number(first)), (last, format_number(last))]
    if not is_span(first, last):
        return Axis(first, first + max(abs(first), 1.0), tuple(ends[:1]))
    positions = [position for position, _label in linear(first, last, max(2, width // _LABEL_WIDTH)).ticks]
    if first.is_integer() and last.is_integer():  # steps and epochs have no halves
        positions = [position for position in positions if position.is_integer()]
    inner = ((position, format_number(position)) for position in positions if first < position < last)
    return Axis(first, last, (*ends, *inner))


def side_labels(y: Axis, height: int, gutter: int) -> list[StyledRow]:
    """Return the labels left of the plot's rows. Where two share a row, the outer ones come first."""
    if not gutter:
        return [[] for _row in range(height)]
    base, factor = y.scale(height * DOTS_Y)
    labels: dict[int, str] = {}
    for position, label in (y.ticks[0], y.ticks[-1], *y.ticks[1:-1]):
        labels.setdefault(height - 1 - int(base + factor * position + 0.5) // DOTS_Y, label)
    return [
        [StyledText(labels.get(row, "").rjust(gutter - 1), LABEL), StyledText("┤" if row in labels else "│", AXIS)]
        for row in range(height)
    ]


def tick_columns(x: Axis, width: int) -> dict[int, str]:
    """Return the label of each tick by its cell."""
    base, factor = x.scale(width * DOTS_X)
    columns: dict[int, str] = {}
    for position, label in x.ticks:
        columns.setdefault(int(base + factor * position + 0.5) // DOTS_X, label)
    return columns


def bottom_labels(columns: dict[int, str], width: int) -> str:
    """Return the labels below their ticks, the outer ones first. A label that would touch another is left out."""
    cells = [" "] * width
    for column, label in columns.items():
        start = max(0, min(column - (len(label) - 1) // 2, width - len(label)))
        around = cells[max(0, start - 2) : start + len(label) + 2]
        if len(label) <= width and all(cell == " " for cell in around):
            cells[start : start + len(label)] = label
    return "".join(cells)


def _plot(
    series: Sequence[Series], x: Axis, y: Axis, width: int, height: int, log_y: bool, smoothing: bool
) -> Iterator[StyledRow]:
    """Yield the rows between the axes.

    Where two curves share a cell, the dots of both are shown in the later one's color, so that neither seems to have
    a gap. A smoothed curve hides the values below it."""
    characters = [[" "] * width for _row in range(height)]
    styles = [[AXIS] * width for _row in range(height)]

    def put(item: Series, part: Part, smooth: bool) -> ColumnSpan | None:
        style = CellStyle(part, item.color)
        end = draw_series(canvas := BrailleCanvas(width, height), item, x, y, log_y, smooth)
        for column, row, character in canvas.cells():
            existing = ord(characters[row][column]) if styles[row][column].part == part else 0
            characters[row][column] = chr(ord(character) | existing)  # each dot is a bit of the code point
            styles[row][column] = style
        return end

    drawn = [(item, smoothing and item.smoothing > 0) for item in series if item.buckets]
    for item, smooth in drawn:
        if smooth:
            put(item, "raw", smooth=False)
    ends = [(item.color, put(item, "curve", smooth)) for item, smooth in drawn]
    for color, end in ends:
        if end is not None and len(ends) > 1:
            characters[end[2] // DOTS_Y][end[0] // DOTS_X] = marker(color)
            styles[end[2] // DOTS_Y][end[0] // DOTS_X] = CellStyle("curve", color)
    for row_characters, row_styles in zip(characters, styles, strict=True):
        pairs = groupby(zip(row_characters, row_styles, strict=True), key=itemgetter(1))
        yield [StyledText("".join(character for character, _style in run), style) for style, run in pairs]


def _braille(left: int, right: int) -> str:
    """Return the braille character with the dots of two columns, the lowest bit on top."""
    seven = (left & 7) | (right & 7) << 3
    return chr(0x2800 | seven | (left & 8) << 3 | (right & 8) << 4)


_BRAILLE = [[_braille(left, right) for right in range(16)] for left in range(16)]


class BrailleCanvas:
    """A grid of dots, 2 × 4 to each of `width` × `height` cells. Dots count from the left and from the top."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width * DOTS_X
        self.height = height * DOTS_Y
        # One integer per column and one bit per dot: curves consist of vertical lines, which are then one operation.
        self._columns = [0] * self.width

    def vertical_line(self, column: int, top: int, bottom: int) -> None:
        """Set all dots of `column` from `top` to `bottom`."""
        self._columns[column] |= (2 << bottom) - (1 << top)

    def line(self, column: int, row: int, to_column: int, to_row: int) -> None:
        """Draw a line to a column further right."""
        across, down = to_column - column, to_row - row
        sign = 1 if down >= 0 else -1
        start = row
        for step in range(across + 1):
            if abs(down) <= across:
                top = bottom = row + round(down * step / across)
            else:  # steep: each column has the dots between two rows
                end = to_row if step == across else row + round(down * (2 * step + 1) / (2 * across))
                top, bottom = (start, end) if start <= end else (end, start)
                start = end + sign
            self.vertical_line(column + step, top, bottom)

    def cells(self) -> Iterator[tuple[int, int, str]]:
        """Yield the column, row and character of each cell that has a dot."""
        for column in range(self.width // DOTS_X):
            left, right = self._columns[column * DOTS_X], self._columns[column * DOTS_X + 1]
            row = 0
            while left or right:
                if left & 15 or right & 15:
                    yield column, row, _BRAILLE[left & 15][right & 15]
                left >>= DOTS_Y
                right >>= DOTS_Y
                row += 1


def draw_series(
    canvas: BrailleCanvas, series: Series, x: Axis, y: Axis, log_y: bool, smooth: bool
) -> ColumnSpan | None:
    """Draw a series, or its smoothed curve. Return the last span, or None if nothing could be drawn."""
    x_base, x_factor = x.scale(canvas.width)
    y_base, y_factor = y.scale(canvas.height)
    x_base += 0.5
    y_base = canvas.height - 0.5 - y_base  # rows count from the top
    span: ColumnSpan | None = None
    joined = False  # no gap between the last span and the next point
    for bucket in series.buckets:
        high = bucket.smooth if smooth else bucket.high
        low = high if smooth else bucket.min_positive if log_y else bucket.low
        if not (high > 0 if log_y else high < inf):  # False for NaN
            joined = False
            continue
        joined = joined and not bucket.after_gap
        if log_y:
            joined = joined and bucket.low > 0
            # The smoothed curve may be below the smallest positive value.
            low, high = max(log10(low), y.low), max(log10(high), y.low)
        column = int(x_base + bucket.x * x_factor)
        top = max(0, int(y_base - high * y_factor))  # the axis may leave out the start
        bottom = top if smooth else max(0, int(y_base - low * y_factor))
        if span is None or column != span[0] or not joined:
            if span is not None:
                canvas.vertical_line(*span)
                if joined:
                    _join(canvas, span, (column, top, bottom))
            span = column, top, bottom
        elif top < span[1] or bottom > span[2]:
            span = column, min(top, span[1]), max(bottom, span[2])
        joined = True
    if span is not None:
        canvas.vertical_line(*span)
    return span


def _join(canvas: BrailleCanvas, left: ColumnSpan, right: ColumnSpan) -> None:
    """Draw a line between the nearest ends of two spans."""
    column, top, bottom = left
    to_column, to_top, to_bottom = right
    if bottom < to_top:
        row, to_row = bottom, to_top
    elif to_bottom < top:
        row, to_row = top, to_bottom
    else:
        row = to_row = (max(top, to_top) + min(bottom, to_bottom)) // 2
    if to_column - column > 1 or abs(to_row - row) > 1:
        canvas.line(column, row, to_column, to_row)
