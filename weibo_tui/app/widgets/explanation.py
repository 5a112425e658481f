"""Explanations on screens: the shaded post with the curve of its prediction, the reasons in words, and the legend."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode

from weibo_tui.app.base import get_app
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.errors import WeiboTuiError
from weibo_tui.presentation.explanation import curve_lines, explanation_legend, explanation_lines
from weibo_tui.text.shading import STEPS, color, step
from weibo_tui.text.terminal import wrap_cells

if TYPE_CHECKING:
    from weibo_tui.workbench.explanation import Explanation

REST_SECONDS = 0.3
"""Time that a post must be in view before it is explained."""
MAX_CHARACTERS = 2_000
"""Longer posts are explained by a key only."""
_INK = "#1f2328"
"""The color of text on a shade."""


class ExplainedPane(VerticalScroll):
    """A scrolled post that is explained once it has been in view for a moment."""

    explanation: Explanation | None = None
    """The explanation of the post in view, None until it is known."""

    def explain(self, post: ExplainedPost | None) -> None:
        """Explain the post that is now in view, and forget the one before. `show_explanation` is called if it takes a
        while."""
        self.workers.cancel_group(self, "explain")
        self.explanation = None
        if post is None or not is_explained(self, post):
            return
        self.explanation = get_app(self).explanations.find(post)
        if self.explanation is None:
            get_app(self).run_task(self._explain(post), "explain", node=self)

    async def _explain(self, post: ExplainedPost) -> None:
        await asyncio.sleep(REST_SECONDS)
        with suppress(WeiboTuiError):  # the key that opens the screen of the explanation says why
            self.explanation = await get_app(self).explanations.explain(post)
            self.show_explanation()

    @abstractmethod
    def show_explanation(self) -> None:
        """Show the post in view again, with its explanation."""


def is_explained(node: DOMNode, post: ExplainedPost) -> bool:
    """Return whether a post is explained without a key."""
    return get_app(node).settings.explanations and bool(post.adapter) and len(post.text) <= MAX_CHARACTERS


def post_lines(explanation: Explanation, width: int) -> Iterator[Content]:
    """Yield the post with the shades of its units, and the curve below each line."""
    for line in curve_lines(explanation, width):
        yield _shaded(line.text, line.steps) if line.steps else safe_content(line.text)
        if line.bars.strip():
            yield Content.styled(line.bars, "$text-muted")


def reason_lines(explanation: Explanation, width: int) -> Iterator[Content]:
    """Yield why the post got its label in words."""
    for sentence in explanation_lines(explanation):
        yield from map(safe_content, wrap_cells(sentence, width))


def legend_lines(explanation: Explanation, width: int) -> Iterator[Content]:
    """Yield the fixed scale of shades, and what shades and curve mean."""
    yield from _scale(width)
    for line in wrap_cells(explanation_legend(explanation), width):
        yield Content.styled(line, "$text-muted")


def _shaded(text: str, steps: Sequence[int]) -> Content:
    """Return a line of the post with a shade for each of its characters."""
    pieces = []
    done = 0
    for shade, run in groupby(steps):
        end = done + len(list(run))
        pieces.append(Content.styled(text[done:end], _style(shade)))
        done = end
    return Content("").join(pieces)


def unit_style(weight: float) -> str:
    """Return the style of a unit by its weight."""
    return _style(step(weight))


def _style(shade: int) -> str:
    """Return the style of a step of the scale."""
    if (background := color(shade)) is None:
        return ""
    return f"{'underline ' if shade < 0 else ''}{_INK} on {background}"


def _scale(width: int) -> Iterator[Content]:
    """Yield the scale in one line, or the two signs in a line each."""
    less = [Content.styled(f" −{size:g} ", _style(-number)) for number, size in enumerate(STEPS, 1)][::-1]
    more = [Content.styled(f" +{size:g} ", _style(number)) for number, size in enumerate(STEPS, 1)]
    rows = [[*less, *more]]
    if sum(box.cell_length for box in rows[0]) > width:
        rows = [less, more]
    for row in rows:
        yield Content("").join(row).truncate(width)
