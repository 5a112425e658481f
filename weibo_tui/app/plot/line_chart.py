"""A widget for curves that grow: loss, accuracy and learning rate of runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from typing import ClassVar, NamedTuple, Self

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from weibo_tui.app.plot.axes import format_number
from weibo_tui.app.plot.render import AXIS, LABEL, NOTE, CellStyle, StyledRow, StyledText, draw, marker
from weibo_tui.app.plot.series import Series
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import NO_FIGURE
from weibo_tui.text.terminal import sanitize, truncate_cells

NUM_COLORS = 6
TITLE = CellStyle("title")
_RAW_BLEND = 0.45  # share of its color that a raw curve keeps under the smoothed one
_MAX_NAME_WIDTH = 28  # cells


class LineChart(Widget):
    """Several series in one chart, with a title and a legend that shows the last value of each.

    Setting the series draws nothing: the chart is drawn once per frame while it is visible.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "curves--title",
        "curves--axis",
        "curves--label",
        *(f"curves--{number}" for number in range(1, NUM_COLORS + 1)),
    }
    DEFAULT_CSS = """
    LineChart {
        width: 1fr; height: 1fr; min-height: 3;
        & > .curves--title { text-style: bold; }
        & > .curves--axis { color: $foreground 35%; }
        & > .curves--label { color: $foreground 70%; }
        & > .curves--1 { color: $label-1; }
        & > .curves--2 { color: $label-2; }
        & > .curves--3 { color: $label-3; }
        & > .curves--4 { color: $label-4; }
        & > .curves--5 { color: $label-5; }
        & > .curves--6 { color: $label-6; }
    }
    """

    log_y = reactive(False)
    smoothing = reactive(True)
    named = reactive(True)
    """Show the names of the series, not only their markers and values."""

    def __init__(self, title: str, smoothing: bool = True, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._title = title
        self.series: tuple[Series, ...] = ()
        self._lines: list[Strip] | None = None
        self._drawn_size = Size(0, 0)
        self.set_reactive(LineChart.smoothing, smoothing)

    def set_series(self, series: Iterable[Series]) -> None:
        """Show these series instead."""
        self.series = tuple(series)
        self.refresh()

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        self._lines = None
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_line(self, y: int) -> Strip:
        if self._lines is None or self._drawn_size != self.size:
            self._drawn_size = self.size
            self._lines = self._draw(*self.size)
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width)

    def _draw(self, width: int, height: int) -> list[Strip]:
        title = _(self._title)
        if self.log_y:
            title = _("{title} (log)").format(title=title)
        rows: list[StyledRow] = []
        if height > 1:
            rows = legend(title, entries(self.series, self.named, self.smoothing), width, max(1, height // 4))
        rows += draw(self.series, width, height - len(rows), self.log_y, self.smoothing)
        styles = self._styles()
        return [Strip(Segment(text, styles[style]) for text, style in row) for row in rows]

    def _styles(self) -> dict[CellStyle, Style]:
        styles = {style: self.get_component_rich_style(f"curves--{style.part}") for style in (TITLE, AXIS, LABEL)}
        styles[NOTE] = styles[LABEL]
        _parent, background = self.background_colors
        base = background
        if background.ansi is not None:  # the terminal's own color, which only the terminal knows
            base = Color(0, 0, 0) if self.app.current_theme.dark else Color(255, 255, 255)
        for color in {series.color for series in self.series}:
            bright = self.get_component_styles(f"curves--{color % NUM_COLORS + 1}").color
            dim = base.blend(bright, _RAW_BLEND)
            styles[CellStyle("curve", color)] = Style.from_color(bright.rich_color, background.rich_color)
            styles[CellStyle("raw", color)] = Style.from_color(dim.rich_color, background.rich_color)
        return styles


class Entry(NamedTuple):
    """An entry of a legend."""

    color: int
    marker: str
    name: str
    value: str

    def fitted(self, width: int) -> str:
        """Return the entry in at most `width` cells. A long name is cut, the value only if it alone does not fit."""
        room = width - cell_len(self.marker) - len(self.value) - 1
        name = truncate_cells(self.name, max(0, min(room, _MAX_NAME_WIDTH)))
        return truncate_cells(self.marker + (f"{name} {self.value}" if name else self.value), width)


def entries(series: Sequence[Series], named: bool = True, smoothing: bool = True) -> list[Entry]:
    """Return the legend of series. A single one has no marker."""
    several = len(series) > 1
    return [
        Entry(
            item.color,
            marker(item.color) + " " if several else "",
            _one_line(item.name) if named else "",
            _last_value(item, smoothing),
        )
        for item in series
    ]


def legend(title: str, entries: Sequence[Entry], width: int, max_rows: int) -> list[StyledRow]:
    """Return the title and the entries in up to `max_rows` rows. Entries without room are counted: `+2`."""
    title = truncate_cells(_one_line(title), width - (len(f"  +{len(entries)}") if entries and max_rows == 1 else 0))
    rows: list[StyledRow] = [[StyledText(title, TITLE)] if title else []]
    used = cell_len(title)
    for number, entry in enumerate(entries):
        left = len(entries) - number
        if used and len(rows) < max_rows and used + 2 + cell_len(entry.fitted(width)) > width:
            rows.append([])
            used = 0
        room = width - (len(f"  +{left - 1}") if left > 1 and len(rows) == max_rows else 0)
        text = entry.fitted(room)
        if used and used + 2 + cell_len(text) > room:
            rows[-1].append(StyledText(f"  +{left}", TITLE))
            break
        if used:
            rows[-1].append(StyledText("  ", TITLE))
            used += 2
        rows[-1].append(StyledText(text, CellStyle("curve", entry.color)))
        used += cell_len(text)
    return rows


def _last_value(series: Series, smoothing: bool) -> str:
    value = series.smooth if smoothing and series.smoothing > 0 and not isnan(series.value) else series.value
    return NO_FIGURE if isnan(value) else format_number(value)


def _one_line(text: str) -> str:
    return " ".join(sanitize(text).split())
