"""Tables of figures as lines of text for any width."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len
from textual.content import Content

from weibo_tui.app.formatting import safe_content
from weibo_tui.text.terminal import sanitize, wrap_cells

_GAP = 2
_MIN_NAME, _MIN_BAR, _MAX_BAR = 10, 12, 30  # cells

Bars = Callable[[int, int], Content]
"""Function from a row and a number of cells to what is drawn in them."""


@dataclass(frozen=True)
class Column:
    """A column of figures, aligned to the right. `cells` has one text a row."""

    title: str
    cells: Sequence[str]

    @cached_property
    def width(self) -> int:
        return max(map(cell_len, (self.title, *self.cells)))


class Table:
    """Names, each with figures, in lines of `width` cells.

    Without room, the last columns are left out, then names are cut. `bars` are drawn after the names where there is
    room. `tails` fill the end of the lines, and names then have a third of the room at most.
    """

    def __init__(
        self,
        title: str,
        names: Sequence[Content],
        columns: Sequence[Column],
        width: int,
        bars: Bars | None = None,
        tails: Sequence[Content] = (),
    ) -> None:
        self._title, self._names, self._columns = title, names, list(columns)
        self._bars, self._tails = bars, tails
        longest = max([cell_len(title), *(name.cell_length for name in names)])
        while self._columns and min(longest, _MIN_NAME) + self._figure_cells > width:
            del self._columns[-1]
        room = width - self._figure_cells
        self._name_cells = max(min(longest, max(room // 3, _MIN_NAME) if tails else room), 1)
        room -= self._name_cells + _GAP
        self._bar_cells = min(room, _MAX_BAR) if bars is not None and room >= _MIN_BAR else 0

    @property
    def has_bars(self) -> bool:
        return self._bar_cells > 0

    @property
    def _figure_cells(self) -> int:
        return sum(column.width + _GAP for column in self._columns)

    @property
    def header(self) -> Content:
        space = " " * (self._bar_cells + _GAP if self.has_bars else 0)
        titles = (_align_right(column.title, column.width) for column in self._columns)
        return Content.assemble(self._name(Content(self._title)), space, *titles).stylize("$text-muted")

    def line(self, row: int) -> Content:
        """Return the line of a name."""
        return Content.assemble(
            self._name(self._names[row]),
            Content.assemble(" " * _GAP, self._bars(row, self._bar_cells)) if self._bars and self.has_bars else "",
            *(_align_right(column.cells[row], column.width) for column in self._columns),
            Content.assemble(" " * _GAP, self._tails[row]) if self._tails else "",
        )

    def _name(self, name: Content) -> Content:
        """Return a name in the width of its column."""
        name = name.truncate(self._name_cells, ellipsis=True)
        return name.pad_right(self._name_cells - name.cell_length)


def _align_right(text: str, width: int) -> str:
    return " " * (_GAP + width - cell_len(text)) + text


def paragraph_lines(text: str, width: int, style: str = "") -> Iterator[Content]:
    """Yield a text from outside in lines of `width` cells."""
    for line in wrap_cells(sanitize(text), width):
        yield safe_content(line, style)
