"""The confusion matrix as a table with a cell cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Offset, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from weibo_tui.app.keymap import bindings
from weibo_tui.display_names import label_name
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import sanitize, truncate_cells

_MIN_WIDTH, _MAX_WIDTH = 8, 14
"""Width of a column in cells."""
_MAX_NAME_WIDTH = 24
_LEVELS = (0.02, 0.1, 0.3)
"""Shares of a row from which on a cell has a stronger color."""


class ConfusionMatrix(ScrollView, can_focus=True):
    """Rows are actual labels, columns predicted labels. The names stay in view while the cells scroll."""

    HELP_TEXT = N_(
        "Confusion matrix: one row per actual label, one column per predicted label; correct predictions are "
        "on the diagonal. The arrow keys move between cells, Enter shows the posts of a cell, most confident "
        "first."
    )
    BINDINGS = bindings("matrix")
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "matrix--name",
        "matrix--here",
        "matrix--none",
        "matrix--cursor",
        *(f"matrix--{kind}-{level}" for kind in ("right", "wrong") for level in range(len(_LEVELS) + 1)),
    }
    DEFAULT_CSS = """
    ConfusionMatrix {
        height: auto; max-height: 100%; background: $background;
        scrollbar-size: 1 1;
        & > .matrix--name { color: $text-muted; }
        & > .matrix--here { color: $primary; text-style: bold; }
        & > .matrix--none { color: $text-disabled; }
        & > .matrix--cursor { background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold; }
        & > .matrix--right-0 { color: $text-success; text-style: bold; }
        & > .matrix--right-1 { color: $text-success; text-style: bold; background: $success 8%; }
        & > .matrix--right-2 { color: $text-success; text-style: bold; background: $success 16%; }
        & > .matrix--right-3 { color: $text-success; text-style: bold; background: $success 28%; }
        & > .matrix--wrong-0 { color: $text-error; }
        & > .matrix--wrong-1 { color: $text-error; background: $error 8%; }
        & > .matrix--wrong-2 { color: $text-error; background: $error 16%; }
        & > .matrix--wrong-3 { color: $text-error; background: $error 28%; }
    }
    """

    cursor: reactive[Offset] = reactive(Offset(0, 0))
    """Column and row."""

    class Moved(Message):
        """The cursor is on another cell."""

    class Opened(Message):
        """Enter or a click on the cursor chose a cell."""

    def __init__(self, corner: str = "") -> None:
        """`corner` says what rows and columns are, by default actual and predicted labels."""
        super().__init__()
        self._corner = corner
        self._labels: Sequence[str] = ()
        self._names: list[str] = []
        self._counts: Sequence[Sequence[int]] = ()
        self._longest_name = self._max_digits = 0

    def show(self, labels: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
        """Show counts (rows: actual, columns: predicted), with the cursor on the most frequent error."""
        self._labels, self._counts = labels, counts
        self._names = [" ".join(sanitize(label_name(label)).split()) for label in labels]
        self._longest_name = max(map(cell_len, self._names), default=0)
        self._max_digits = max((len(f"{max(row):,}") for row in counts if row), default=0)
        self.cursor = _most_frequent_error(counts)
        self._update_size()

    @property
    def cell(self) -> tuple[str, str, int]:
        """The actual label, the predicted label and the count of the cell under the cursor."""
        return self._labels[self.cursor.y], self._labels[self.cursor.x], self._counts[self.cursor.y][self.cursor.x]

    # ---- measures

    @property
    def _corner_text(self) -> str:
        return self._corner or _("actual ↓ pred. →")

    @property
    def full_width(self) -> int:
        """The width in which all columns are in view."""
        name = min(max(self._longest_name, cell_len(self._corner_text)), _MAX_NAME_WIDTH) + 1
        return name + len(self._names) * max(_MIN_WIDTH, self._max_digits + 3)

    @property
    def full_height(self) -> int:
        """The height in which all rows are in view."""
        return len(self._names) + 1

    @property
    def _name_width(self) -> int:
        longest = max(self._longest_name, cell_len(self._corner_text))
        return min(longest, _MAX_NAME_WIDTH, max(10, self.size.width // 3)) + 1

    @property
    def _cell_width(self) -> int:
        available = (self.size.width - self._name_width) // max(1, len(self._names))
        return max(_MIN_WIDTH, self._max_digits + 3, min(self._longest_name + 2, _MAX_WIDTH, available))

    def _update_size(self) -> None:
        size = Size(self._name_width + len(self._names) * self._cell_width, len(self._names) + 1)
        self.virtual_size = size
        self.styles.height = size.height + (1 if size.width > self.size.width > 0 else 0)
        self._scroll_to_cursor()
        self.refresh(layout=True)

    def on_resize(self) -> None:
        self._update_size()

    def _scroll_to_cursor(self) -> None:
        left, right = self.cursor.x * self._cell_width, (self.cursor.x + 1) * self._cell_width
        width, height = self.size.width - self._name_width, self.scrollable_content_region.height - 1
        x = min(max(self.scroll_x, right - width), left)
        y = min(max(self.scroll_y, self.cursor.y + 1 - height), self.cursor.y)
        self.scroll_to(max(0, x), max(0, y), animate=False, force=True)

    # ---- what is drawn

    def render_line(self, y: int) -> Strip:
        style = self.rich_style
        if not self._names:
            return Strip.blank(self.size.width, style)
        row = y - 1 + self.scroll_offset.y
        if y and row >= len(self._names):
            return Strip.blank(self.size.width, style)
        name = self._row_name(self._names[row] if y else self._corner_text, row == self.cursor.y and y > 0)
        width, cell, left = self.size.width - self._name_width, self._cell_width, self.scroll_offset.x
        columns = range(left // cell, min(len(self._names), (left + width) // cell + 1))
        cells = Strip(self._row(row, columns) if y else self._header(columns)).crop(left % cell, left % cell + width)
        return Strip.join([Strip([name]), cells]).adjust_cell_length(self.size.width, style).apply_style(style)

    def _row_name(self, name: str, at_cursor: bool) -> Segment:
        width = self._name_width
        text = truncate_cells(name, width - 1)
        style = self.get_component_rich_style("matrix--here" if at_cursor else "matrix--name")
        return Segment(text + " " * (width - cell_len(text)), style)

    def _header(self, columns: range) -> Iterator[Segment]:
        width = self._cell_width
        for column in columns:
            text = truncate_cells(self._names[column], width - 2)
            style = self.get_component_rich_style("matrix--here" if column == self.cursor.x else "matrix--name")
            yield Segment(" " * (width - 1 - cell_len(text)) + text + " ", style)

    def _row(self, row: int, columns: range) -> Iterator[Segment]:
        counts, width = self._counts[row], self._cell_width
        total = max(1, sum(counts))
        for column in columns:
            count = counts[column]
            level = sum(count / total >= share for share in _LEVELS)
            kind = f"{'right' if row == column else 'wrong'}-{level}" if count else "none"
            name = "cursor" if self.cursor == (column, row) and self.has_focus else kind
            text = f"{count:,}" if count else "·"
            if self.cursor == (column, row):
                text = f"▸{text}"
            yield Segment(text.rjust(width - 1) + " ", self.get_component_rich_style(f"matrix--{name}"))

    # ---- keys and the mouse

    def validate_cursor(self, cursor: Offset) -> Offset:
        last = max(0, len(self._labels) - 1)
        return Offset(min(max(cursor.x, 0), last), min(max(cursor.y, 0), last))

    def watch_cursor(self) -> None:
        if self._labels:
            self._scroll_to_cursor()
            self.refresh()
            self.post_message(self.Moved())

    def action_move(self, columns: int, rows: int) -> None:
        self.cursor += Offset(columns, rows)

    def action_open(self) -> None:
        if self._labels:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        column = (event.x - self._name_width + self.scroll_offset.x) // self._cell_width
        row = event.y - 1 + self.scroll_offset.y
        if event.x < self._name_width or event.y < 1 or not (column < len(self._names) and row < len(self._names)):
            return
        if self.cursor == (column, row):
            self.action_open()
        self.cursor = Offset(column, row)


def _most_frequent_error(counts: Sequence[Sequence[int]]) -> Offset:
    """Return its cell (column, row), the first cell if there is no error."""
    errors = [(count, -y, -x) for y, row in enumerate(counts) for x, count in enumerate(row) if x != y and count]
    _count, y, x = max(errors, default=(0, 0, 0))
    return Offset(-x, -y)
