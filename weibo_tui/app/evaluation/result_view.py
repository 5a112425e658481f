"""The result of an evaluation in pages: matrix and score card, pictures, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.evaluation.confusion_matrix import ConfusionMatrix
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.app.widgets.score_blocks import (
    ScorePictures,
    ScoreTables,
    answering_block,
    picture_rows,
    table_lines,
)
from weibo_tui.app.widgets.score_card import MAX_WIDTH, ScoreView, score_lines
from weibo_tui.engine.score_card import ScoreCard
from weibo_tui.presentation.score_parts import ScoreParts, score_parts

_GAP = 2
_SCORE_CELLS = 64
"""Width of the score card next to the matrix."""
_MIN_PICTURE_ROWS, _MAX_PICTURE_ROWS = 8, 18


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of the result that is not divided between pages, and the rows that it needs at least."""

    widget: Widget
    rows: int


class ResultView(VerticalScroll):
    """Shows one page of a result at a time. There are as many pages as the terminal needs."""

    DEFAULT_CSS = """
    ResultView {
        padding: 0 1; scrollbar-size-vertical: 1; scrollbar-gutter: stable;
        & > * { margin-top: 1; }
        #summary { height: auto; layout: vertical; }
        #cells { height: auto; }
        #cell { height: auto; padding: 1 0; color: $text-muted; }
        #answering { height: auto; display: none; }
        ConfusionMatrix { max-height: 60vh; }
        &.-side #summary { layout: horizontal; }
        &.-side #cells { width: 1fr; margin-right: 2; }
        &.-side #answering { display: block; }
        &.-side ScoreView { width: 64; }
    }
    """

    class Turned(Message):
        """Another page is shown, or their number has changed."""

    def __init__(self) -> None:
        super().__init__()
        self.page = 0
        self.pages: list[list[Widget]] = []
        self._score: Mapping[str, Any] = {}
        self._parts: ScoreParts = score_parts({})

    def compose(self) -> ComposeResult:
        with Container(id="summary"):
            with Vertical(id="cells"):
                yield ConfusionMatrix()
                yield Static(id="cell")
                yield Static(id="answering")
            yield ScoreView(unseen=False)
        yield ScorePictures()
        yield ScoreTables()

    def show(self, score: ScoreCard) -> None:
        """Show a score card."""
        # Without its own matrix: the one next to it has cells to open.
        self._score = {**score.to_dict(), "confusion": ()}
        self._parts = score_parts(self._score)
        self.query_one(ScoreView).show(self._score)
        self.query_one(ScoreTables).show(self._score)
        self.query_one("#answering", Static).update(ResponsiveText(lambda width: answering_block(self._parts, width)))
        matrix = self.query_one(ConfusionMatrix)
        matrix.show(score.labels, score.confusion)
        matrix.focus()
        self._arrange()

    def turn(self, by: int) -> None:
        """Show the next or the previous page."""
        self.page = (self.page + by) % max(1, len(self.pages))
        self._show_page()
        self.scroll_home(animate=False)
        matrix = self.query_one(ConfusionMatrix)
        (matrix if self.query_one("#summary").display else self).focus()

    def on_resize(self) -> None:
        self._arrange()

    # ---- layout

    def _arrange(self) -> None:
        """Distribute the sections over pages, and the rows that are left over the pictures."""
        width, height = self.scrollable_content_region.width, self.size.height
        if not self._score or width < 1:
            return
        is_side = width >= self.query_one(ConfusionMatrix).full_width + _GAP + _SCORE_CELLS
        self.set_class(is_side, "-side")
        pictures = self.query_one(ScorePictures)
        rows = picture_rows(self._parts, width, not is_side)
        sections = list(self._sections(width, is_side, rows))
        pages = _paginate(sections, height)
        if rows:
            page = next(page for page in pages if any(section.widget is pictures for section in page))
            spare = height - sum(section.rows + 1 for section in page)
            each = min(_MIN_PICTURE_ROWS + max(0, spare) // rows, _MAX_PICTURE_ROWS)
            pictures.show(self._score, each, answering=not is_side)
        self.pages = [[section.widget for section in page] for page in pages]
        self.page = min(self.page, len(self.pages) - 1)
        self._show_page()

    def _sections(self, width: int, is_side: bool, rows_of_pictures: int) -> Iterator[_Section]:
        """Yield the sections that have something to show."""
        matrix = self.query_one(ConfusionMatrix).full_height + 5  # with the cell below it, which may take three lines
        if is_side:
            left = matrix + len([*answering_block(self._parts, width - _SCORE_CELLS - _GAP)])
            summary = max(left, len([*score_lines(self._score, _SCORE_CELLS, unseen=False)]))
        else:
            summary = matrix + len([*score_lines(self._score, min(width, MAX_WIDTH), unseen=False)])
        yield _Section(self.query_one("#summary"), summary)
        if rows_of_pictures:
            rows = rows_of_pictures * (_MIN_PICTURE_ROWS + 1) - 1
            yield _Section(self.query_one(ScorePictures), rows)
        if rows := len([*table_lines(self._parts, width)]):
            yield _Section(self.query_one(ScoreTables), rows)

    def _show_page(self) -> None:
        for widget in self.children:
            widget.display = widget in self.pages[self.page]
        self.post_message(self.Turned())


def _paginate(sections: list[_Section], height: int) -> list[list[_Section]]:
    """Return pages of sections that fit into `height` rows, or single ones that do not. Each has an empty row above."""
    pages: list[list[_Section]] = []
    used = height
    for section in sections:
        if not pages or used + section.rows + 1 > height:
            pages.append([])
            used = 0
        pages[-1].append(section)
        used += section.rows + 1
    return pages
