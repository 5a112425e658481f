"""A timeline of a share: a thin line of its days, thick steps with intervals of its windows, and the volume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from math import nan
from typing import ClassVar, Literal, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from weibo_tui.app.plot.axes import Axis, format_number
from weibo_tui.app.plot.bars import bar_rows
from weibo_tui.app.plot.render import DOTS_X, BrailleCanvas, bottom_labels, draw_series, side_labels
from weibo_tui.app.plot.series import Series

_SHARES = Axis(0.0, 1.0, ((0.0, "0%"), (0.5, "50%"), (1.0, "100%")))
_GUTTER = 6  # cells
_CAP = 2  # dots on each side

Part = Literal["axis", "label", "model", "share", "volume"]


@dataclass(frozen=True, slots=True)
class TimelineDay:
    """The ordinal of a day, its share, and its rows."""

    ordinal: int
    share: float
    rows: int


@dataclass(frozen=True, slots=True)
class Step:
    """The share and the interval of a window, from its first day to the day after its last one, as ordinals."""

    begin: int
    end: int
    low: float
    share: float
    high: float


class _Cell(NamedTuple):
    """A part of the chart; `selected` is about the days that are highlighted."""

    part: Part
    selected: bool = False


class Timeline(Widget):
    """The chart of one label. `select` highlights some of its days."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"timeline--{part}" for part in ("axis", "label", "model", "share", "volume", "selected"))
    }
    DEFAULT_CSS = """
    Timeline {
        height: 1fr; min-height: 4;
        & > .timeline--axis { color: $foreground 35%; }
        & > .timeline--label { color: $foreground 70%; }
        & > .timeline--model { color: $foreground 55%; }
        & > .timeline--share { color: $primary; text-style: bold; }
        & > .timeline--volume { color: $foreground 35%; }
        & > .timeline--selected { background: $primary 22%; }
    }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._days: Sequence[TimelineDay] = ()
        self._steps: Sequence[Step] = ()
        self._selected = range(0)
        self._lines: tuple[Size, list[Strip]] | None = None

    def show(self, days: Sequence[TimelineDay], steps: Sequence[Step]) -> None:
        """Show days, in order, and steps instead of the present ones."""
        self._days, self._steps = days, steps
        self._redraw()

    def select(self, days: range) -> None:
        """Highlight the days with these ordinals, or none."""
        if days != self._selected:
            self._selected = days
            self._redraw()

    def _redraw(self) -> None:
        self._lines = None
        self.refresh()

    def notify_style_update(self) -> None:
        self._lines = None
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        if self._lines is None or self._lines[0] != self.size:
            self._lines = self.size, [self._strip(row) for row in self._rows()]
        lines = self._lines[1]
        return lines[y] if y < len(lines) else Strip.blank(self.size.width)

    def _rows(self) -> Iterator[list[tuple[str, _Cell]]]:
        width, height = self.size.width - _GUTTER, self.size.height
        if not self._days or width < 1 or height < 2:
            return
        drawing = _Drawing(self._days, self._steps, self._selected, width)
        volume = 2 if height >= 12 else 1 if height >= 6 else 0
        plot = height - volume - 1
        for side, row in zip(side_labels(_SHARES, plot, _GUTTER), drawing.shares(plot), strict=True):
            yield [*((text, _Cell("label" if style.part == "label" else "axis")) for text, style in side), *row]
        most = format_number(max(day.rows for day in self._days))
        for number, row in enumerate(drawing.volume(volume)):
            label = most if number == 0 else ""
            yield [(f"{label:>{_GUTTER - 1}}│", _Cell("label")), *row]
        yield [(" " * _GUTTER + drawing.dates(), _Cell("label"))]

    def _strip(self, row: list[tuple[str, _Cell]]) -> Strip:
        return Strip(Segment(text, self._style(cell)) for text, cell in row)

    def _style(self, cell: _Cell) -> Style:
        style = self.get_component_rich_style(f"timeline--{cell.part}")
        if cell.selected:
            style += Style(bgcolor=self.get_component_rich_style("timeline--selected").bgcolor)
        return style


class _Drawing:
    """The rows of a chart, `width` cells wide."""

    def __init__(self, days: Sequence[TimelineDay], steps: Sequence[Step], selected: range, width: int) -> None:
        self._days, self._steps, self._selected = days, steps, selected
        self._width = width
        self._first = days[0].ordinal
        self._number = days[-1].ordinal - self._first + 1

    def _days_of_cell(self, column: int) -> range:
        """Return the ordinals of the days that a cell shows, one at least."""
        begin = self._first + column * self._number // self._width
        end = self._first + -(-(column + 1) * self._number // self._width)
        return range(begin, max(end, begin + 1))

    def _is_selected(self, column: int) -> bool:
        days = self._days_of_cell(column)
        return days.start < self._selected.stop and self._selected.start < days.stop

    def shares(self, height: int) -> Iterator[list[tuple[str, _Cell]]]:
        """Yield the rows of the plot, with the steps on top of the line."""
        signs = [[" "] * self._width for _row in range(height)]
        parts: list[list[Part]] = [["axis"] * self._width for _row in range(height)]
        layers: Sequence[tuple[Part, BrailleCanvas]] = (
            ("model", self._line(height)),
            ("share", self._shares(height)),
        )
        for part, canvas in layers:
            for column, row, sign in canvas.cells():
                signs[row][column], parts[row][column] = sign, part
        for row_signs, row_parts in zip(signs, parts, strict=True):
            yield self._runs(row_signs, row_parts)

    def _line(self, height: int) -> BrailleCanvas:
        series = Series("")
        expected = self._first
        for day in self._days:
            if day.ordinal != expected:
                series.add(expected, nan)
            series.add(day.ordinal + 0.5, day.share)
            expected = day.ordinal + 1
        canvas = BrailleCanvas(self._width, height)
        x = Axis(self._first, self._first + self._number, ())
        draw_series(canvas, series, x, _SHARES, log_y=False, smooth=False)
        return canvas

    def _shares(self, height: int) -> BrailleCanvas:
        """Draw the steps, and each interval as a vertical line in the middle, with a cap at each end."""
        canvas = BrailleCanvas(self._width, height)
        for step in self._steps:
            top, row, bottom = (self._row(share, canvas) for share in (step.high, step.share, step.low))
            columns = self._columns(step)
            for column in columns:
                canvas.vertical_line(column, max(row - 1, 0), row)
            middle = len(columns) // 2
            canvas.vertical_line(columns[middle], top, bottom)
            for column in columns[max(middle - _CAP, 0) : middle + _CAP + 1]:
                canvas.vertical_line(column, top, top)
                canvas.vertical_line(column, bottom, bottom)
        return canvas

    def _row(self, share: float, canvas: BrailleCanvas) -> int:
        return round((1 - share) * (canvas.height - 1))

    def _columns(self, step: Step) -> range:
        """Return the dots of a step within the chart, one at least."""
        dots, last = self._width * DOTS_X, self._width * DOTS_X - 1
        begin = min(max((step.begin - self._first) * dots // self._number, 0), last)
        return range(begin, max(min((step.end - self._first) * dots // self._number, dots), begin + 1))

    def volume(self, height: int) -> Iterator[list[tuple[str, _Cell]]]:
        """Yield the rows of bars, each as high as the rows of the largest day of its cell."""
        rows = {day.ordinal: day.rows for day in self._days}
        bars = [max(rows.get(day, 0) for day in self._days_of_cell(column)) for column in range(self._width)]
        for signs in bar_rows(bars, height):
            yield self._runs(signs, ["volume"] * self._width)

    def dates(self) -> str:
        """Return the first date, the last one and one in the middle, below their days."""
        days = dict.fromkeys((0, self._number - 1, (self._number - 1) // 2))
        columns: dict[int, str] = {}
        for day in days:
            column = int((day + 0.5) * self._width / self._number)
            columns.setdefault(column, date.fromordinal(self._first + day).isoformat())
        return bottom_labels(columns, self._width)

    def _runs(self, signs: Sequence[str], parts: Sequence[Part]) -> list[tuple[str, _Cell]]:
        cells = [_Cell(part, self._is_selected(column)) for column, part in enumerate(parts)]
        pairs = groupby(zip(signs, cells, strict=True), key=lambda pair: pair[1])
        return [("".join(sign for sign, _cell in run), cell) for cell, run in pairs]
