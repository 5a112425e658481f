"""A list of settings or keys with their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from weibo_tui.app.formatting import safe_content, safe_line
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.text.terminal import truncate_cells


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the list. Without a `name` it is a heading. `changed` marks a value that is not the default."""

    label: str
    name: str = ""
    value: str = ""
    remark: str = ""
    changed: bool = False


class SettingList(OptionList):
    """Settings with their values in a second column."""

    BINDINGS = bindings("settings")
    DEFAULT_CSS = """
    SettingList {
        height: 1fr; border: none; padding: 0; background: $background; text-wrap: nowrap; scrollbar-size-vertical: 1;
        & > .option-list--option { padding: 0 1; }
        & > .option-list--option-disabled { color: $text; }
        & > .option-list--option-highlighted { color: $text; background: $panel; text-style: none; }
        &:focus { border: none; background-tint: $foreground 0%; }
        &:focus > .option-list--option-highlighted { color: $text; background: $primary 25%; text-style: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)

    @property
    def name_at_cursor(self) -> str:
        """The name of the row under the cursor."""
        option = self.highlighted_option
        return (option.id or "") if option is not None else ""

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows. The cursor stays on its row."""
        column = max(cell_len(row.label) for row in rows if row.name) + 3
        name, scroll = self.name_at_cursor, self.scroll_y
        self.set_options(self._list_options(rows, column))
        self.highlighted = self.get_option_index(name or next(row.name for row in rows if row.name))
        self.scroll_to(y=scroll, animate=False)

    def _list_options(self, rows: Iterable[Row], column: int) -> Iterable[Option]:
        for row in rows:
            if row.name:
                yield Option(ResponsiveText(lambda width, row=row: [_line(row, column, width)]), id=row.name)  # type: ignore[misc]
            else:
                yield Option(safe_line(row.label, "bold $primary"), disabled=True)


def _line(row: Row, column: int, width: int) -> Content:
    label = truncate_cells(row.label, min(column, width * 2 // 3) - 2)
    room = width - cell_len(label)
    blank = " " * min(max(column - cell_len(label), 2), room)
    value = truncate_cells(row.value, room - len(blank))
    remark = truncate_cells(f"  {row.remark}" if row.remark else "", room - len(blank) - cell_len(value))
    style = "bold $primary" if row.changed else ""
    return Content.assemble(safe_content(label), blank, safe_line(value, style), (remark, "$text-muted"))
