"""Points, lines and bars between two axes, as lines of content for a Static."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from textual.content import Content

from weibo_tui.app.plot.axes import Axis, linear
from weibo_tui.app.plot.render import (
    AXIS,
    DOTS_X,
    DOTS_Y,
    LABEL,
    BrailleCanvas,
    CellStyle,
    StyledRow,
    StyledText,
    framed,
    plot_size,
)

FAINT, MAIN = CellStyle("raw"), CellStyle("curve", 0)
"""Parts of a picture: what helps to read it, and what it shows."""
_STYLES: Mapping[CellStyle, str] = {
    AXIS: "$text-disabled",
    LABEL: "$text-muted",
    FAINT: "$text-disabled",
    MAIN: "$primary",
}
_DASH = 3  # columns of dots


def percent_axis(low: float, high: float, max_ticks: int) -> Axis:
    """Return an axis of shares from about `low` to about `high`, labeled in percent."""
    axis = linear(100 * low, 100 * high, max(2, max_ticks))
    ticks = tuple((position / 100, f"{label}%") for position, label in axis.ticks)
    return Axis(axis.low / 100, axis.high / 100, ticks)


@dataclass
class Plane:
    """A plot of `width` × `height` cells, with its axes. What is drawn later covers what was drawn before."""

    x: Axis
    y: Axis
    width: int
    height: int
    _layers: list[tuple[BrailleCanvas, CellStyle]] = field(default_factory=list)
    _markers: dict[tuple[int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._gutter, below = plot_size(self.y, self.width, self.height)
        self._columns, self._rows = max(1, self.width - self._gutter), max(1, self.height - below)

    def canvas(self, style: CellStyle) -> BrailleCanvas:
        """Return a new layer of dots."""
        layer = BrailleCanvas(self._columns, self._rows)
        self._layers.append((layer, style))
        return layer

    def dot(self, x: float, y: float) -> tuple[int, int]:
        """Return the column and the row of the dot at a position, the nearest one within the plot."""
        columns, rows = self._columns * DOTS_X, self._rows * DOTS_Y
        (x_base, x_factor), (y_base, y_factor) = self.x.scale(columns), self.y.scale(rows)
        column, height = round(x_base + x_factor * x), round(y_base + y_factor * y)
        return min(max(column, 0), columns - 1), rows - 1 - min(max(height, 0), rows - 1)

    def dashed_line(self, x: float, y: float, to_x: float, to_y: float) -> None:
        """Draw a faint line to a position further right, or above or below."""
        canvas = self.canvas(FAINT)
        (column, row), (to_column, to_row) = self.dot(x, y), self.dot(to_x, to_y)
        if column == to_column:
            for dot in range(min(row, to_row), max(row, to_row) + 1, 2):
                canvas.vertical_line(column, dot, dot)
            return
        slope = (to_row - row) / (to_column - column)
        for start in range(column, to_column, 2 * _DASH):
            end = min(start + _DASH - 1, to_column)
            canvas.line(start, round(row + slope * (start - column)), end, round(row + slope * (end - column)))

    def bar(self, x: float, low: float, high: float) -> None:
        """Draw a vertical interval."""
        (column, bottom), (_column, top) = self.dot(x, low), self.dot(x, high)
        self.canvas(MAIN).vertical_line(column, top, bottom)

    def mark(self, x: float, y: float, sign: str) -> None:
        """Put a sign into the cell of a position."""
        column, row = self.dot(x, y)
        self._markers[column // DOTS_X, row // DOTS_Y] = sign

    def lines(self) -> Iterator[Content]:
        """Yield the rows of the plot and those of its axes."""
        for row in framed(self._plot(), self.x, self.y, self.width, self.height):
            yield Content.assemble(*((text, _STYLES[style]) for text, style in row))

    def _plot(self) -> Iterator[StyledRow]:
        signs = [[" "] * self._columns for _row in range(self._rows)]
        styles = [[AXIS] * self._columns for _row in range(self._rows)]
        for canvas, style in self._layers:
            for column, row, sign in canvas.cells():
                # Each dot is a bit of the code point: both layers show where they share a cell.
                existing = ord(signs[row][column]) if signs[row][column] != " " else 0
                signs[row][column], styles[row][column] = chr(ord(sign) | existing), style
        for (column, row), sign in self._markers.items():
            signs[row][column], styles[row][column] = sign, MAIN
        for row_signs, row_styles in zip(signs, styles, strict=True):
            runs = groupby(zip(row_signs, row_styles, strict=True), key=itemgetter(1))
            yield [StyledText("".join(sign for sign, _style in run), style) for style, run in runs]
