"""The line with the conditions of a filter."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import safe_line
from weibo_tui.locale import gettext as _


class FilterLine(Static):
    """The conditions of a filter, hidden without any."""

    DEFAULT_CSS = """
    FilterLine { height: auto; padding: 0 1; display: none; }
    FilterLine.-shown { display: block; }
    """

    def show(self, terms: Sequence[str], key: str) -> None:
        """Show the conditions, and the key that clears them."""
        self.set_class(bool(terms), "-shown")
        hint = "   " + _("{key} clears").format(key=key)
        self.update(Content.assemble(safe_line(" · ".join(terms), "$secondary"), (hint, "$text-muted")))
