"""A list of choices below a line of text, which keeps the focus."""

from __future__ import annotations

from collections.abc import Iterable

from textual.actions import SkipAction
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

MAX_LIST_ROWS = 8


class DropDown(OptionList):
    """Lies over the screen while it is displayed. The line keeps the focus while it is used by mouse."""

    FOCUS_ON_CLICK = False
    DEFAULT_CSS = """
    DropDown {
        display: none; overlay: screen; width: 1fr; height: auto; border: none; padding: 0; background: $panel;
        & .option-list--option { padding: 0 1; }
    }
    """

    def fill(self, options: Iterable[Option], highlighted: int | None, line: Widget) -> None:
        """Show these options below `line`, or above it if there is more room."""
        self.set_options(options)
        self.highlighted = highlighted
        above, below = line.region.y, self.screen.size.height - line.region.bottom
        height = min(self.option_count, MAX_LIST_ROWS)
        upwards = height > below and above > below
        height = min(height, max(above if upwards else below, 1))
        self.styles.max_height = height
        self.styles.offset = (0, -height - line.region.height if upwards else 0)


class DropDownKeys:
    """Actions of the keys of a widget with a list `_list` below its line."""

    _list: DropDown

    @property
    def is_open(self) -> bool:
        """True while the list is visible."""
        return self._list.display

    def open_list(self) -> None:
        """Show all choices."""
        raise NotImplementedError

    def close_list(self) -> None:
        """Hide the list."""
        self._list.display = False

    def action_down(self) -> None:
        if self.is_open:
            self._list.action_cursor_down()
        else:
            self.open_list()

    def action_up(self) -> None:
        if not self.is_open:
            raise SkipAction
        self._list.action_cursor_up()

    def action_close(self) -> None:
        if not self.is_open:
            raise SkipAction
        self.close_list()
