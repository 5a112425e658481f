"""A table of rows with its details, the line with its position, and marks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from typing import Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.app.widgets.columns import OrderType, Pattern, Row
from weibo_tui.app.widgets.details_pane import DetailsDialog, DetailsPane
from weibo_tui.app.widgets.explanation_screen import ExplanationScreen
from weibo_tui.app.widgets.row_table import RowTable
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext

_MIN_WIDTH, _MIN_HEIGHT = 110, 22
"""Cells from which on the details have room next to the table, or below it."""

Key = TypeVar("Key", bound=Hashable)
"""Identifies a row, also where it changes."""


class RowBrowser(Container, Generic[Row, OrderType, Key]):
    """A table, and the details of the row under its cursor where there is room. A subclass loads the rows."""

    DEFAULT_CSS = """
    RowBrowser {
        height: 1fr;
        & .content { height: 1fr; layout: vertical; }
        & RowTable { height: 3fr; }
        & DetailsPane { display: none; height: 2fr; }
        & .position { height: 1; padding: 0 1; color: $text-muted; }
        & .range { width: 1fr; }
        & .selection { width: auto; color: $primary; }
        &.-high DetailsPane { display: block; }
        &.-wide {
            & .content { layout: horizontal; }
            & RowTable { width: 2fr; height: 1fr; }
            & DetailsPane { display: block; width: 1fr; min-width: 46; height: 1fr; }
        }
    }
    """

    class Changed(Message):
        """Other rows are shown, or the cursor is on another one: other keys may work."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: dict[Key, Row] = {}
        """The marked rows, also those that are not in memory any more."""
        self.table = self.create_table()
        self.table.is_marked = lambda row: bool(self.marked) and self.key_of(row) in self.marked
        self.details = self.create_details()

    @abstractmethod
    def create_table(self) -> RowTable[Row, OrderType]:
        """Return the table."""

    @abstractmethod
    def create_details(self) -> DetailsPane[Row]:
        """Return a pane for the details of a row."""

    @abstractmethod
    def title(self) -> str | Content:
        """Return the title of the table; text from outside as content."""

    @abstractmethod
    def key_of(self, row: Row) -> Key:
        """Return the key of a row."""

    @abstractmethod
    def pattern(self) -> Pattern:
        """Return the pattern of the search."""

    @abstractmethod
    def position(self) -> str:
        """Return which rows are in view."""

    @abstractmethod
    def prefetch(self) -> None:
        """Load the rows that are in view or near it."""

    def compose(self) -> ComposeResult:
        with Container(classes="content"):
            yield self.table
            yield self.details
        with Horizontal(classes="position"):
            yield Static(classes="range")
            yield Static(classes="selection")

    def on_mount(self) -> None:
        self.table.add_class("pane")
        self.details.add_class("pane")
        self.show_titles()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= _MIN_WIDTH, "-wide")
        self.set_class(event.size.height >= _MIN_HEIGHT, "-high")

    def show_titles(self) -> None:
        self.table.border_title = self.title()
        self.details.border_title = _("Details")

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.table.row

    @property
    def selected(self) -> list[Row]:
        """The marked rows, or without marks the one under the cursor."""
        return list(self.marked.values()) or ([] if self.row is None else [self.row])

    def show_row(self) -> None:
        """Show the details and the position of the row under the cursor."""
        if self.details.display:
            self.details.show(self.row, self.pattern())
        self.show_position()
        self.post_message(self.Changed())

    def show_position(self) -> None:
        self.query_one(".range", Static).update(Content(self.position()), layout=False)

    def on_row_table_moved(self) -> None:
        self.show_row()
        self.prefetch()

    def on_row_table_opened(self) -> None:
        self.open_row()

    def open_row(self) -> None:
        """Open the row under the cursor: its details, unless a subclass has something better."""
        self.open_details()

    def open_details(self) -> None:
        """Go to the details of the row under the cursor, or open them where they have no room."""
        if self.details.display:
            self.screen.set_focus(self.details)
        elif self.row is not None:
            self.app.push_screen(DetailsDialog(self.create_details(), self.row, self.pattern()))

    # ---- explanations

    @property
    def explained_post(self) -> ExplainedPost | None:
        """The post under the cursor with its adapter, None where there is no prediction to explain."""
        return None if self.row is None else self.details.explained_post(self.row)

    def explain_row(self) -> None:
        """Open the explanation of the row under the cursor."""
        if (post := self.explained_post) is not None:
            self.app.push_screen(ExplanationScreen(post, self._turn))

    def _turn(self, step: int) -> ExplainedPost | None:
        """Go to the next row in a direction that has a prediction, among those that are loaded."""
        place = self.table.cursor + step
        while 0 <= place < len(self.table.rows) and (row := self.table.rows[place]) is not None:
            if (post := self.details.explained_post(row)) is not None:
                self.table.go_to(place)
                return post
            place += step
        return None

    def on_details_pane_exited(self) -> None:
        self.screen.set_focus(self.table)

    # ---- marks

    def toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor, and go on to the next."""
        if self.row is None:
            return
        key = self.key_of(self.row)
        if self.marked.pop(key, None) is None:
            self.marked[key] = self.row
        self.show_marks()
        self.table.action_move(1)

    def clear_marks(self) -> None:
        self.marked.clear()
        self.show_marks()
        self.post_message(self.Changed())

    def show_marks(self) -> None:
        self.table.refresh()
        count = len(self.marked)
        text = ngettext("{count:,} marked", "{count:,} marked", count).format(count=count) if count else ""
        self.query_one(".selection", Static).update(Content(text))


def range_text(begin: int, end: int, total: str, filtered: bool) -> str:
    """Return which rows of a list are in view."""
    template = _("{begin:,}–{end:,} of {total} that match") if filtered else _("{begin:,}–{end:,} of {total}")
    return template.format(begin=begin, end=end, total=total)
