"""A list of lines with a cursor."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from weibo_tui.app.keymap import bindings


class LineList(ScrollView, can_focus=True, inherit_bindings=False):
    """Base class of lists of which only the lines in view are drawn."""

    BINDINGS = bindings("posts")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-list--cursor"}
    DEFAULT_CSS = """
    LineList {
        overflow-x: hidden; scrollbar-size-vertical: 1; text-wrap: nowrap;
        & > .line-list--cursor { background: $panel; }
        &:focus > .line-list--cursor { background: $primary 25%; }
    }
    """

    cursor: reactive[int] = reactive(0)

    class Moved(Message):
        """The cursor is on another line."""

    class Opened(Message):
        """A line was chosen."""

    @property
    @abstractmethod
    def line_count(self) -> int:
        """The number of lines."""

    @abstractmethod
    def line(self, row: int, width: int) -> Content:
        """Return a line for a width in cells. What is wider is cut."""

    def update_lines(self) -> None:
        """Draw all lines again, after their number or content has changed."""
        self.virtual_size = Size(0, self.line_count)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        row, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if row >= self.line_count:
            return Strip.blank(width, self.rich_style)
        style = self.get_visual_style("line-list--cursor") if row == self.cursor else self.visual_style
        line = self.line(row, width).truncate(width, ellipsis=True)
        return Visual.to_strips(self, line, width, 1, style, pad=True)[0]

    def validate_cursor(self, cursor: int) -> int:
        return min(max(cursor, 0), max(0, self.line_count - 1))

    def watch_cursor(self) -> None:
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, force=True)
        self.refresh()
        self.post_message(self.Moved())

    def action_move(self, lines: int) -> None:
        self.cursor += lines

    def action_page(self, pages: int) -> None:
        self.cursor += pages * max(1, self.scrollable_content_region.height - 1)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = self.line_count - 1

    def action_open(self) -> None:
        if self.line_count:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        row = event.y + self.scroll_offset.y
        if row < self.line_count:
            if row == self.cursor:
                self.action_open()
            self.cursor = row
