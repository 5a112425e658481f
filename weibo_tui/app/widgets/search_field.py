"""The search text above a table."""

from __future__ import annotations

from weibo_tui.app.widgets.row_table import RowTable
from weibo_tui.app.widgets.single_line_input import SingleLineInput
from weibo_tui.locale import N_


class SearchField(SingleLineInput):
    """The search text; the table next to it is searched as it is typed. A subclass binds the keys."""

    HELP_TEXT = N_("Shows the posts that contain the typed text, upper or lower case, as you type.")

    def action_leave(self) -> None:
        # Not by a message: the next key may be waiting already, and is the table's.
        assert self.parent is not None
        self.screen.set_focus(self.parent.query_one(RowTable))
