"""The search text and the conditions of the filter above a table."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import safe_line
from weibo_tui.app.widgets.row_table import RowTable
from weibo_tui.app.widgets.single_line_input import SingleLineInput
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _


class SearchField(SingleLineInput):
    """The search text; the table next to it is searched as it is typed. A subclass binds the keys."""

    HELP_TEXT = N_("Shows the posts that contain the typed text, upper or lower case, as you type.")

    def no_matches(self, key: str) -> str:
        """Return the text for a table in which a search found nothing. `key` clears the search, from the table."""
        if self.has_focus:
            return _("No matches. Press {key} twice to clear the search.").format(key=key)
        return _("No matches. {key} clears the search.").format(key=key)

    def action_leave(self) -> None:
        # Not by a message: the next key may be waiting already, and is the table's.
        assert self.parent is not None
        self.screen.set_focus(self.parent.query_one(RowTable))


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
