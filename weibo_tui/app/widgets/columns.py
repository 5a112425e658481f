"""The columns of a table of rows, and its rows as lines of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from textual.content import Content

from weibo_tui.app.formatting import safe_line
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import sanitize

MATCH_STYLE = "bold underline $warning"
"""The style of search matches; the underline shows without color too."""

_MAX_CHARACTERS = 2000
"""Characters of a post that a row may show."""
_CONTEXT = 6
"""Characters before a match in a row that begins in the middle of its post."""
_MARK = "✓ "
_WIDE = 76
"""Cells from which on there is room for the wide widths of the columns."""
_MIN_STRETCH = 28
"""Cells that optional columns leave to the column that is stretched."""

Pattern = re.Pattern[str] | None
Row = TypeVar("Row")


class Order(Protocol):
    """An order of rows: by a column, upwards or downwards."""

    @property
    def column(self) -> str: ...

    @property
    def descending(self) -> bool: ...

    @property
    def reversed(self) -> Self: ...


OrderType = TypeVar("OrderType", bound=Order)


@dataclass(frozen=True, slots=True)
class Column(Generic[Row, OrderType]):
    """A column of a table: its title, the order that a list is sorted in by it first, and the function that shows a
    row in a number of cells.

    `wide` and `narrow` are the smallest and the largest width, in tables with and without room for all columns. A
    width of 0 hides the column. `stretch` gives it the cells that the other columns leave. An `optional` column is
    hidden where it would leave too few of them.
    """

    title: str
    """Marked for translation, unless it is `verbatim`."""
    order: OrderType
    cell: Callable[[Row, int, Pattern], Content]
    wide: tuple[int, int]
    narrow: tuple[int, int] = (0, 0)
    right: bool = False
    stretch: bool = False
    optional: bool = False
    verbatim: bool = False

    def title_in(self, order: OrderType) -> str:
        """Return the title, with an arrow where the list is sorted by this column."""
        arrow = ("↓" if order.descending else "↑") if order.column == self.order.column else ""
        return (self.title if self.verbatim else _(self.title)) + arrow

    def next_order(self, order: OrderType) -> OrderType:
        """Return the order for a list that is sorted by this column next; by the same once more is reversed."""
        return order.reversed if order.column == self.order.column else self.order

    def fit(self, rows: Sequence[Row], wide: bool, previous: int) -> int:
        """Return the width for these rows, not below `previous` where the column may be as wide."""
        smallest, largest = self.wide if wide else self.narrow
        if smallest == largest:
            return smallest
        longest = max((self.cell(row, largest, None).cell_length for row in rows), default=0)
        return min(max(longest, previous, smallest), largest)

    def draw(self, content: Content, width: int) -> Content:
        """Fit a cell's content into `width` cells."""
        # Textual's own measure: it decides where the next cell begins on the screen.
        cut = content.truncate(width, ellipsis=True, pad=not self.right)
        return cut.pad_left(max(width - cut.cell_length, 0)) if self.right else cut


@dataclass(frozen=True, slots=True)
class RowLayout(Generic[Row, OrderType]):
    """The columns of a table with their widths in cells, 0 for a hidden one, and the gap between two columns."""

    columns: Sequence[Column[Row, OrderType]]
    widths: tuple[int, ...]
    gap: int

    @classmethod
    def fit(
        cls,
        columns: Sequence[Column[Row, OrderType]],
        width: int,
        rows: Sequence[Row],
        previous: RowLayout[Row, OrderType] | None = None,
    ) -> RowLayout[Row, OrderType]:
        """Return the layout of a table of `width` cells that shows `rows`.

        No column is narrower than in `previous`, so that columns do not move from page to page."""
        wide = width >= _WIDE
        gap = 2 if wide else 1
        before = previous.widths if previous is not None and previous.columns == columns else (0,) * len(columns)
        widths = [column.fit(rows, wide, old) for column, old in zip(columns, before, strict=True)]
        rest = width - len(_MARK) + gap - sum(size + gap for size in widths if size)
        for place in reversed(range(len(columns))):
            if columns[place].optional and widths[place] and rest < _MIN_STRETCH:
                rest += widths[place] + gap
                widths[place] = 0
        rest = max(rest, 0)
        shown = (size + rest * (column.stretch and size > 0) for column, size in zip(columns, widths, strict=True))
        return cls(columns, tuple(shown), gap)

    def header(self, order: OrderType) -> Content:
        """Return the line of the columns' titles."""
        return self._line("", lambda column, _width: safe_line(column.title_in(order)))

    def column_at(self, x: int) -> Column[Row, OrderType] | None:
        """Return the column at a cell of the line."""
        end = len(_MARK)
        for column, width in zip(self.columns, self.widths, strict=True):
            if width and x < (end := end + width):
                return column
            end += self.gap * bool(width)
        return None

    def row(self, row: Row, pattern: Pattern = None, marked: bool = False) -> Content:
        """Return a row as one line, with the matches of `pattern` in its post marked."""
        return self._line(_MARK if marked else "", lambda column, width: column.cell(row, width, pattern))

    def _line(self, mark: str, cell: Callable[[Column[Row, OrderType], int], Content]) -> Content:
        visible_columns = [(column, width) for column, width in zip(self.columns, self.widths, strict=True) if width]
        cells = [column.draw(cell(column, width), width) for column, width in visible_columns]
        return Content.assemble((mark.ljust(len(_MARK)), "bold $primary"), Content(" " * self.gap).join(cells))


def sorted_title(columns: Iterable[Column[Any, OrderType]], order: OrderType) -> str:
    """Return the title of the column that a list is sorted by, with its arrow."""
    return next((column.title_in(order) for column in columns if column.order.column == order.column), "")


def post_cell(post: str, width: int, pattern: Pattern) -> Content:
    """Return a post with the matches of `pattern` marked, from a place where the first of them is in sight."""
    if pattern is None:
        return safe_line(post[: 4 * width])  # more than has room
    text = safe_line(post[:_MAX_CHARACTERS])
    match = pattern.search(text.plain)
    if match is not None and text[: match.end()].cell_length > width - 1:
        start = max(match.start() - _CONTEXT, 0)
        while start and text[start - 1 :].cell_length < width:  # no room stays empty where the post ends
            start -= 1
        text = Content.assemble("…" if start else "", text[start:])
    return text.highlight_regex(pattern, style=MATCH_STYLE)


def join_lines(label: Content) -> Content:
    """Return a label as one line."""
    return label if "\n" not in label.plain and "\t" not in label.plain else Content(" ".join(label.plain.split()))


def search_pattern(text: str) -> Pattern:
    """Return a pattern that finds a search in the text as shown, where any white space may have become a blank."""
    words = sanitize(text).split()
    return re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE) if words else None
