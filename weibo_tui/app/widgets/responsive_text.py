"""Text that is laid out for its width."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual.content import Content
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual

from weibo_tui.app.formatting import safe_content
from weibo_tui.locale import catalog
from weibo_tui.text.terminal import sanitize, wrap_cells


class ResponsiveText(Visual):
    """A visual for a Static that shows `lines(width)`, with the width in cells. No line may be wider."""

    def __init__(self, lines: Callable[[int], Iterable[Content]]) -> None:
        self._lines = lines
        self._cache: tuple[object, Content] = (None, Content(""))

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        return self._content(width).render_strips(width, height, style, options)

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:  # noqa: ARG002
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:
        return self._content(width).get_height(rules, width)

    def _content(self, width: int) -> Content:
        drawn_for = width, catalog()
        if self._cache[0] != drawn_for:
            self._cache = drawn_for, Content("\n").join(self._lines(max(1, width)))
        return self._cache[1]


def paragraph(text: str) -> ResponsiveText:
    """Return a text that is also wrapped between wide characters. Textual wraps only at spaces if there are any."""
    return ResponsiveText(lambda width: map(safe_content, wrap_cells(sanitize(text), width)))
