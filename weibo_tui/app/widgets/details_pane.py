"""The details of one row of a table: next to the table where there is room, otherwise in a dialog."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic

from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from weibo_tui.app.base import Dialog
from weibo_tui.app.formatting import bar, label_color, label_content, post_content
from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.app.widgets.columns import MATCH_STYLE, Pattern, Row
from weibo_tui.app.widgets.description_list import DescriptionItem, DescriptionList
from weibo_tui.app.widgets.explanation import ExplainedPane, legend_lines, post_lines, reason_lines
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.explanation import Explanation

_MAX_CHARACTERS = 5_000
"""Characters of a post that are shown; wrapping more takes too long."""
BAR_CELLS = 20
_LABEL_CELLS = 14


class DetailsPane(ExplainedPane, Generic[Row]):
    """One row in full, with the explanation of its post, scrolled where it is longer than the view.

    A subclass binds the keys."""

    DEFAULT_CSS = """
    DetailsPane {
        padding: 0 1; scrollbar-size-vertical: 1;
        & > Static { height: auto; }
    }
    """

    class Exited(Message):
        """A key to leave the details was pressed."""

    def __init__(self) -> None:
        super().__init__()
        self._row: Row | None = None
        self._pattern: Pattern = None

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, row: Row | None, pattern: Pattern = None) -> None:
        """Show a row, or nothing; the matches of `pattern` in its post are marked."""
        self._row, self._pattern = row, pattern
        self.explain(None if row is None else self.explained_post(row))
        self.show_explanation()
        self.scroll_home(animate=False)

    def show_explanation(self) -> None:
        """Show the row in view, with the explanation of its post if that is known."""
        items = [] if self._row is None else list(self.items(self._row, self._pattern))
        self.query_one(Static).update(DescriptionList(items) if items else "")

    @abstractmethod
    def items(self, row: Row, pattern: Pattern) -> Iterable[DescriptionItem]:
        """Return the details of a row."""

    @abstractmethod
    def explained_post(self, row: Row) -> ExplainedPost | None:
        """Return the post of a row and the adapter that predicts it, None where there is no prediction to explain."""

    def action_leave(self) -> None:
        self.post_message(self.Exited())


class DetailsDialog(Dialog[None]):
    """The details in a dialog, for windows too small to have them next to the table."""

    def __init__(self, pane: DetailsPane[Any], row: object, pattern: Pattern) -> None:
        super().__init__()
        self._pane = pane
        self._row = row
        self._pattern = pattern

    def compose(self) -> ComposeResult:
        self._pane.add_class("box")
        yield self._pane

    def on_mount(self) -> None:
        self._pane.show(self._row, self._pattern)

    def on_details_pane_exited(self) -> None:
        self.dismiss(None)


def post_items(text: str, pattern: Pattern, explanation: Explanation | None = None) -> Iterator[DescriptionItem]:
    """Yield a post with the matches of `pattern` marked, and how much of it is not shown.

    With an explanation the post is shaded, and what it says follows."""
    if explanation is not None:
        yield DescriptionItem(lines=lambda width: _explained_lines(explanation, pattern, width))
        return
    post = post_content(text[:_MAX_CHARACTERS])
    yield line_item(post.highlight_regex(pattern, style=MATCH_STYLE) if pattern is not None else post)
    if (hidden := len(text) - _MAX_CHARACTERS) > 0:
        message = _("… and {count:,} more characters. Copy the post to get all of it.")
        yield line_item(Content.styled(message.format(count=hidden), "$text-muted"))


def _explained_lines(explanation: Explanation, pattern: Pattern, width: int) -> Iterator[Content]:
    for line in post_lines(explanation, width):
        yield line.highlight_regex(pattern, style=MATCH_STYLE) if pattern is not None else line
    yield Content("")
    yield from reason_lines(explanation, width)
    yield from legend_lines(explanation, width)


def line_item(content: Content | None = None) -> DescriptionItem:
    """Return a line of full width, blank without a content."""
    return DescriptionItem(value=content or Content(""))


def share_item(label: str, labels: Sequence[str], share: float | None, figure: str) -> DescriptionItem:
    """Return a label with its share as a bar and as a figure."""
    name = label_content(label, labels).truncate(_LABEL_CELLS, ellipsis=True, pad=True)
    return line_item(Content.assemble(name, " ", bar(share or 0.0, BAR_CELLS, label_color(label, labels)), " ", figure))
