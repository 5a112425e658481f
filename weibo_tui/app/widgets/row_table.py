"""A table of rows with a cursor. It draws only the rows in view, so that there may be any number of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from textual import events
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

from weibo_tui.app.widgets.columns import Column, OrderType, Pattern, Row, RowLayout

_WHEEL_ROWS = 3
"""Rows that one notch of the mouse wheel moves."""
_MARGIN = 2
"""Cells next to the placeholder."""

Row_co = TypeVar("Row_co", covariant=True)


class Rows(Protocol[Row_co]):
    """Rows by their places, of which some may not be loaded."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Row_co | None: ...


class RowTable(Widget, Generic[Row, OrderType], can_focus=True):
    """Rows with a cursor, under a header. It draws each line itself, so that a replaced row stays where it is.

    A row that is None is not loaded yet, and its line is blank. A subclass binds the keys."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row-table--header", "row-table--cursor"}
    DEFAULT_CSS = """
    RowTable {
        height: 1fr; text-wrap: nowrap;
        & > .row-table--header { background: $panel; color: $text-muted; }
        & > .row-table--cursor { background: $panel; }
        &:focus > .row-table--cursor { background: $primary 30%; }
    }
    """

    placeholder = reactive(Content(""))
    """The text that an empty table shows."""

    class Moved(Message):
        """The cursor or the view has moved, or a key tried to move it beyond an end."""

    class Opened(Message):
        """The row under the cursor was chosen, by Enter or by a click on it."""

    class HeadingClicked(Message):
        """The heading of a column was clicked."""

        def __init__(self, column: Column[Any, Any]) -> None:
            super().__init__()
            self.column = column

    def __init__(self, columns: Sequence[Column[Row, OrderType]], order: OrderType) -> None:
        super().__init__()
        self.columns = columns
        self.order = order
        self.rows: Rows[Row] = ()
        self.cursor = 0
        self.top = 0
        """The first row in view."""
        self.is_marked: Callable[[Row], bool] = lambda _row: False
        """Returns True for a row that is drawn with a mark."""
        self._pattern: Pattern = None
        self._row_layout: RowLayout[Row, OrderType] | None = None

    def allow_focus(self) -> bool:
        """Return False for a table that is hidden, also by a part of the screen around it."""
        return all(node.display for node in self.ancestors_with_self)

    @property
    def page_rows(self) -> int:
        """The number of rows that fit into the view."""
        return max(self.size.height - 1, 1)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def on_settings_changed(self) -> None:
        self._fit(keep_widths=False)

    def load(self, rows: Rows[Row], cursor: int, top: int, pattern: Pattern, keep_widths: bool) -> None:
        """Show `rows` with the matches of `pattern` marked. `keep_widths` lets no column become narrower."""
        self.rows = rows
        self._pattern = pattern
        self.cursor = max(min(cursor, len(rows) - 1), 0)
        self.top = top
        self._scroll_to_cursor()
        self._fit(keep_widths)
        self.refresh()

    def _fit(self, keep_widths: bool) -> None:
        self._row_layout = RowLayout.fit(
            self.columns, self.size.width, self.rows_to_fit(), self._row_layout if keep_widths else None
        )

    def rows_to_fit(self) -> Sequence[Row]:
        """Return the rows that the columns must have room for."""
        return self.loaded(range(len(self.rows)))

    def loaded(self, places: Iterable[int]) -> list[Row]:
        """Return the rows at these places that are loaded."""
        return [row for place in places if (row := self.rows[place]) is not None]

    def go_to(self, place: int) -> None:
        """Put the cursor on a row, or on the nearest that exists."""
        before, self.cursor = self.cursor, max(min(place, len(self.rows) - 1), 0)
        top = self.top
        self._scroll_to_cursor()
        if self.top == top:
            first = self.gutter.top + 1 - top
            self.refresh(*(Region(0, first + row, self.outer_size.width, 1) for row in {before, self.cursor}))
        else:
            self.refresh()
        self.post_message(self.Moved())

    def _view_from(self, place: int) -> None:
        self.top = max(min(place, len(self.rows) - self.page_rows), 0)
        self.refresh()

    def _scroll_to_cursor(self) -> None:
        page = self.page_rows
        self.top = max(min(self.top, self.cursor, len(self.rows) - page), self.cursor - page + 1, 0)

    def on_resize(self) -> None:
        self._scroll_to_cursor()
        self._fit(keep_widths=False)
        self.refresh()
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        place = self.top + y - 1
        if not self.rows:
            lines = self.placeholder.wrap(max(width - 2 * _MARGIN, 1))
            line = Content(" " * _MARGIN) + lines[y - 1] if 0 < y <= len(lines) else Content("")
            return Visual.to_strips(self, line, width, 1, self.visual_style, pad=True)[0]
        if self._row_layout is None or place >= len(self.rows):
            return Strip.blank(width, self.visual_style.rich_style)
        if y == 0:
            line, style = self._row_layout.header(self.order), self.get_visual_style("row-table--header")
        else:
            row = self.rows[place]
            line = Content("") if row is None else self._row_layout.row(row, self._pattern, self.is_marked(row))
            style = self.get_visual_style("row-table--cursor") if place == self.cursor else self.visual_style
        return Visual.to_strips(self, line, width, 1, style, pad=True)[0]

    # ---- keys and the mouse

    def action_move(self, rows: int) -> None:
        self.go_to(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        self._view_from(self.top + pages * self.page_rows)
        self.go_to(self.cursor + pages * self.page_rows)

    def action_open(self) -> None:
        if self.row is not None:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:  # on the frame
            return
        place = self.top + offset.y - 1
        if offset.y == 0 and self._row_layout is not None:
            if column := self._row_layout.column_at(offset.x):
                self.post_message(self.HeadingClicked(column))
        elif place < len(self.rows):
            if place == self.cursor and event.chain > 1:
                self.action_open()
            else:
                self.go_to(place)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(_WHEEL_ROWS)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-_WHEEL_ROWS)

    def _scroll(self, rows: int) -> None:
        # The cursor stays on its row as long as that is in view.
        self._view_from(self.top + rows)
        self.go_to(max(min(self.cursor, self.top + self.page_rows - 1), self.top))
