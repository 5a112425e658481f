"""Curves that grow while one looks on: the loss, the accuracy, the learning rate of runs.

Drawn by the program itself. The plotting widgets that there are for Textual pull in a plotting library or NumPy, and
join what lies on both sides of a missing value; here a gap stays a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from weibo_tui.app.plot.legend import TITLE, legend
from weibo_tui.app.plot.render import AXIS, LABEL, NOTE, CellStyle, draw
from weibo_tui.app.plot.series import Series
from weibo_tui.locale import gettext as _

COLOURS = 6
_RAW = 0.45  # how much of its colour a raw curve keeps under the smoothed one


class LineChart(Widget):
    """Several series over one another, with a title and a legend that gives the last value of each.

    Adding a point costs no drawing: that is done once for each frame in which the widget is seen. Toggle `log_y` and
    `smoothing` at any time.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "curves--title",
        "curves--axis",
        "curves--label",
        *(f"curves--{number}" for number in range(1, COLOURS + 1)),
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

    title = reactive("")
    log_y = reactive(False)
    smoothing = reactive(True)

    def __init__(
        self,
        title: str = "",
        log_y: bool = False,
        smoothing: bool = True,
        id: str | None = None,  # noqa: A002
        classes: str = "",
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._series: list[Series] = []
        self._lines: list[Strip] | None = None
        self._drawn_for = Size(0, 0)
        self.set_reactive(LineChart.title, title)
        self.set_reactive(LineChart.log_y, log_y)
        self.set_reactive(LineChart.smoothing, smoothing)

    @property
    def series(self) -> tuple[Series, ...]:
        return tuple(self._series)

    def set_series(self, series: Iterable[Series]) -> None:
        """Show these instead. A series keeps its colour, whatever is shown beside it."""
        self._series = list(series)
        self.refresh()

    def add(self, name: str, x: float, y: float | None) -> None:
        """Append a point to the series of that name (a new one, in the next free colour); see `Series.add`."""
        series = next((one for one in self._series if one.name == name), None)
        if series is None:
            taken = {one.colour for one in self._series}
            series = Series(name, next(colour for colour in range(len(taken) + 1) if colour not in taken))
            self._series.append(series)
        series.add(x, y)
        self.refresh()

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        self._lines = None
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_line(self, y: int) -> Strip:
        if self._lines is None or self._drawn_for != self.size:
            self._drawn_for = self.size
            self._lines = self._draw(*self.size)
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width)

    def _draw(self, width: int, height: int) -> list[Strip]:
        title = _("{title} (log)").format(title=self.title) if self.log_y else self.title
        rows = legend(title, self._series, width, max(1, height // 4), self.smoothing) if height > 1 else []
        rows += draw(self._series, width, height - len(rows), self.log_y, self.smoothing)
        styles = self._styles()
        return [Strip(Segment(text, styles[ink]) for text, ink in row) for row in rows]

    def _styles(self) -> dict[CellStyle, Style]:
        styles = {ink: self.get_component_rich_style(f"curves--{ink.part}") for ink in (TITLE, AXIS, LABEL)}
        styles[NOTE] = styles[LABEL]
        _around, background = self.background_colors
        ground = background
        if background.ansi is not None:  # the terminal's own, which only the terminal knows
            ground = Color(0, 0, 0) if self.app.current_theme.dark else Color(255, 255, 255)
        for colour in {series.colour for series in self._series}:
            bright = self.get_component_styles(f"curves--{colour % COLOURS + 1}").color
            dim = ground.blend(bright, _RAW)
            styles[CellStyle("curve", colour)] = Style.from_color(bright.rich_color, background.rich_color)
            styles[CellStyle("raw", colour)] = Style.from_color(dim.rich_color, background.rich_color)
        return styles
