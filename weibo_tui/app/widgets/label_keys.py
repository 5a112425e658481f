"""The digits that give a label to a post, and the line that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from weibo_tui.app.formatting import join_fitting, label_content, wrap_parts
from weibo_tui.locale import gettext as _

DIGITS = range(1, 10)
_LABEL_CELLS = 20


class LabelKeys(Static):
    """The labels with their digits, without their signs where there is no room for those."""

    DEFAULT_CSS = "LabelKeys { height: auto; min-height: 1; max-height: 2; padding: 0 1; }"

    def show(self, labels: Sequence[str], removable: bool = False, others: Sequence[Content] = ()) -> None:
        """Show the digits of `labels` that have room, 0 where it has a label to remove, and other keys.

        The others are in a second line where they have no room in the first."""
        width = self.screen.size.width - 2
        labels = labels[: len(DIGITS)]
        names = [label_content(label, labels).truncate(_LABEL_CELLS, ellipsis=True) for label in labels]
        if sum(name.cell_length + 4 for name in names) > width:
            names = [name[2:] for name in names]
        numbered = list(enumerate(names, start=1))
        if removable:
            numbered.append((0, Content(_("as predicted"))))
        parts = [Content.assemble((str(digit), "bold"), " ", name) for digit, name in numbered]
        line = join_fitting(parts, width)
        lines = wrap_parts([line, *others], width) if others else [line]
        self.update(Content("\n").join(lines), layout=bool(others))


def pressed_digit(screen: Screen[Any], event: events.Key, action: str = "correct") -> int | None:
    """Return the digit of a key that gives a label by `action`, and stop its event. None for all other keys."""
    active = screen.active_bindings.get(event.key)
    if active is None or active.binding.action != action or not event.key.isdecimal():
        return None
    event.stop()
    event.prevent_default()
    return int(event.key)
