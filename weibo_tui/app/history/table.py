"""The history table: draws the loaded entries, and moves a cursor over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

from weibo_tui.app.history.rows import Column, Pattern, RowLayout
from weibo_tui.app.keymap import bindings
from weibo_tui.locale import N_
from weibo_tui.storage.history import NEWEST_FIRST, Entry

_WHEEL_ROWS = 3
"""Rows that one notch of the mouse wheel moves."""
_MARGIN = 2
"""Cells next to the placeholder."""


class EntryTable(Widget, can_focus=True):
    """Rows with a cursor, under a header. It draws each line itself, so that a replaced row stays where it is."""

    ALLOW_SELECT = False
    BINDINGS = bindings("history_table")
    HELP_TEXT = N_(
        "More rows are loaded as you scroll. A click on a heading sorts by it, a second click reverses. "
        "? marks an uncertain prediction; → shows the corrected label."
    )
    COMPONENT_CLASSES: ClassVar[set[str]] = {"entry-table--header", "entry-table--cursor"}
    DEFAULT_CSS = """
    EntryTable {
        height: 1fr; text-wrap: nowrap;
        & > .entry-table--header { background: $panel; color: $text-muted; }
        & > .entry-table--cursor { background: $panel; }
        &:focus > .entry-table--cursor { background: $primary 30%; }
    }
    """

    placeholder = reactive(Content(""))
    """The text that an empty table shows."""

    class Moved(Message):
        """The cursor or the view has moved, or a key tried to move it beyond an end."""

    class Opened(Message):
        """The entry under the cursor was chosen, by Enter or by a click on it."""

    class HeadingClicked(Message):
        """The heading of a column was clicked."""

        def __init__(self, column: Column) -> None:
            super().__init__()
            self.column = column

    def __init__(self) -> None:
        super().__init__()
        self.order = NEWEST_FIRST
        self.entries: Sequence[Entry] = ()
        self.cursor = 0
        self.top = 0
        """The first row in view."""
        self._marked: Sequence[bool] = ()
        self._pattern: Pattern = None
        self._row_layout: RowLayout | None = None

    @property
    def rows(self) -> int:
        """The number of rows in view."""
        return max(self.size.height - 1, 1)

    @property
    def entry(self) -> Entry | None:
        """The entry under the cursor."""
        return self.entries[self.cursor] if self.cursor < len(self.entries) else None

    def on_settings_changed(self) -> None:
        self._row_layout = RowLayout.fit(self.size.width, self.entries)

    def load(self, entries: Sequence[Entry], cursor: int, top: int, pattern: Pattern, keep_widths: bool) -> None:
        """Show `entries` with the matches of `pattern` marked. `keep_widths` lets no column become narrower."""
        self.entries = entries
        self._pattern = pattern
        self._row_layout = RowLayout.fit(self.size.width, entries, self._row_layout if keep_widths else None)
        self.cursor = max(min(cursor, len(entries) - 1), 0)
        self.top = top
        self._scroll_to_cursor()
        self.refresh()

    def mark(self, marked: Sequence[bool]) -> None:
        """Show which rows are marked, one value a row."""
        self._marked = marked
        self.refresh()

    def go_to(self, row: int) -> None:
        """Put the cursor on a row, or on the nearest that exists."""
        before, self.cursor = self.cursor, max(min(row, len(self.entries) - 1), 0)
        top = self.top
        self._scroll_to_cursor()
        if self.top == top:
            first = self.gutter.top + 1 - top
            self.refresh(*(Region(0, first + row, self.outer_size.width, 1) for row in {before, self.cursor}))
        else:
            self.refresh()
        self.post_message(self.Moved())

    def _view_from(self, row: int) -> None:
        self.top = max(min(row, len(self.entries) - self.rows), 0)
        self.refresh()

    def _scroll_to_cursor(self) -> None:
        self.top = max(min(self.top, self.cursor, len(self.entries) - self.rows), self.cursor - self.rows + 1, 0)

    def on_resize(self) -> None:
        self._row_layout = RowLayout.fit(self.size.width, self.entries)
        self._scroll_to_cursor()
        self.refresh()
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        row = self.top + y - 1
        if not self.entries:
            lines = self.placeholder.wrap(max(width - 2 * _MARGIN, 1))
            line = Content(" " * _MARGIN) + lines[y - 1] if 0 < y <= len(lines) else Content("")
            return Visual.to_strips(self, line, width, 1, self.visual_style, pad=True)[0]
        if self._row_layout is None or row >= len(self.entries):
            return Strip.blank(width, self.visual_style.rich_style)
        if y == 0:
            line, style = self._row_layout.header(self.order), self.get_visual_style("entry-table--header")
        else:
            marked = row < len(self._marked) and self._marked[row]
            line = self._row_layout.row(self.entries[row], self._pattern, marked)
            style = self.get_visual_style("entry-table--cursor") if row == self.cursor else self.visual_style
        return Visual.to_strips(self, line, width, 1, style, pad=True)[0]

    # ---- keys and the mouse

    def action_move(self, rows: int) -> None:
        self.go_to(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        self._view_from(self.top + pages * self.rows)
        self.go_to(self.cursor + pages * self.rows)

    def action_open(self) -> None:
        if self.entry is not None:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:  # on the frame
            return
        row = self.top + offset.y - 1
        if offset.y == 0 and self._row_layout is not None:
            if column := self._row_layout.column_at(offset.x):
                self.post_message(self.HeadingClicked(column))
        elif row < len(self.entries):
            if row == self.cursor and event.chain > 1:
                self.action_open()
            else:
                self.go_to(row)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(_WHEEL_ROWS)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(-_WHEEL_ROWS)

    def _scroll(self, rows: int) -> None:
        # The cursor stays on its row as long as that is in view.
        self._view_from(self.top + rows)
        self.go_to(max(min(self.cursor, self.top + self.rows - 1), self.top))
