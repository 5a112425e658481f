"""Judged posts, one a line, as many as there are: only the lines in sight are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from weibo_tui.app.keymap import bindings
from weibo_tui.locale import N_
from weibo_tui.presentation.numbers import percent
from weibo_tui.text import cell_width, truncate_cells, visible
from weibo_tui.workbench import EvaluatedPost


class PostList(ScrollView, can_focus=True):
    """Confidence and text of each post. Whoever fills it adds more when the cursor comes near the end."""

    HELP_TEXT = N_("The posts of one cell of the confusion matrix, the surest first. Enter opens one whole.")
    BINDINGS = bindings("posts")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"posts--confidence", "posts--cursor"}
    DEFAULT_CSS = """
    PostList {
        overflow-x: hidden; scrollbar-size-vertical: 1;
        & > .posts--confidence { color: $text-muted; }
        & > .posts--cursor { background: $panel; }
        &:focus > .posts--cursor { background: $primary 25%; }
    }
    """

    cursor: reactive[int] = reactive(0)

    class Moved(Message):
        """The cursor is on another post."""

    class Opened(Message):
        """A post was chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[EvaluatedPost] = []
        """Those that are here."""

    @property
    def post(self) -> EvaluatedPost | None:
        """The one that the cursor is on."""
        return self.posts[self.cursor] if self.posts else None

    @property
    def to_come(self) -> int:
        """How many posts lie between the cursor and the end of those that are here."""
        return len(self.posts) - 1 - self.cursor

    def add(self, posts: Sequence[EvaluatedPost]) -> None:
        """Put posts below those that are here."""
        first = not self.posts
        self.posts += posts
        self.virtual_size = Size(0, len(self.posts))
        self.refresh()
        if first and posts:
            self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        row, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if row >= len(self.posts):
            return Strip.blank(width, self.rich_style)
        post = self.posts[row]
        # Far more than fits is cut first, so that a megabyte of a post is not gone through for one line.
        text = truncate_cells(" ".join(visible(post.text[: 4 * width]).split()), max(0, width - 11))
        confidence = Segment(
            f" {percent(post.confidence):>8} ", self.get_component_rich_style("posts--confidence", partial=True)
        )
        line = Strip([confidence, Segment(text + " " * (width - 10 - cell_width(text)))])
        style = self.get_component_rich_style("posts--cursor") if row == self.cursor else self.rich_style
        return line.adjust_cell_length(width).apply_style(style)

    def validate_cursor(self, cursor: int) -> int:
        return min(max(cursor, 0), max(0, len(self.posts) - 1))

    def watch_cursor(self) -> None:
        region = Region(0, self.cursor, 1, 1)
        self.scroll_to_region(region, animate=False, force=True)
        self.refresh()
        self.post_message(self.Moved())

    def action_move(self, posts: int) -> None:
        self.cursor += posts

    def action_page(self, pages: int) -> None:
        self.cursor += pages * max(1, self.scrollable_content_region.height - 1)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = len(self.posts) - 1

    def action_open(self) -> None:
        if self.posts:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        row = event.y + self.scroll_offset.y
        if row < len(self.posts):
            if row == self.cursor:
                self.action_open()
            self.cursor = row
