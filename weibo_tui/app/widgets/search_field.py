"""The search text above a table."""

from __future__ import annotations

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
