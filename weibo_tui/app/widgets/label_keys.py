"""The digits that give a label to a post, and the line that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from weibo_tui.app.formatting import join_fitting, label_content
from weibo_tui.locale import gettext as _

DIGITS = range(1, 10)
_LABEL_CELLS = 20


class LabelKeys(Static):
    """The labels with their digits, without their signs where there is no room for those."""

    DEFAULT_CSS = "LabelKeys { height: 1; padding: 0 1; }"

    def show(self, labels: Sequence[str], removable: bool = False, others: Sequence[Content] = ()) -> None:
        """Show the digits of `labels`, 0 where it has a label to remove, and other keys where there is room."""
        width = self.screen.size.width - 2
        labels = labels[: len(DIGITS)]
        names = [label_content(label, labels).truncate(_LABEL_CELLS, ellipsis=True) for label in labels]
        if sum(name.cell_length + 4 for name in names) > width:
            names = [name[2:] for name in names]
        numbered = list(enumerate(names, start=1))
        if removable:
            numbered.append((0, Content(_("as predicted"))))
        parts = [Content.assemble((str(digit), "bold"), " ", name) for digit, name in numbered]
        self.update(join_fitting([*parts, *others], width), layout=False)


def pressed_digit(screen: Screen[Any], event: events.Key, action: str = "correct") -> int | None:
    """Return the digit of a key that gives a label by `action`, and stop its event. None for all other keys."""
    active = screen.active_bindings.get(event.key)
    if active is None or active.binding.action != action or not event.key.isdecimal():
        return None
    event.stop()
    event.prevent_default()
    return int(event.key)
