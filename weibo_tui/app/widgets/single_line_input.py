"""An input for one line of text."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from weibo_tui.text.terminal import sanitize

MAX_PASTE = 4096
"""Characters taken from a paste: the longest path."""


class SingleLineInput(Input, inherit_bindings=False):
    """An Input that stays one line, and shows control characters of a paste."""

    BINDINGS = Input.BINDINGS  # without the keys that scroll up and down

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        first = next(iter(event.text.splitlines()), "")
        self.replace(sanitize(first[:MAX_PASTE])[:MAX_PASTE], *self.selection)

    def validate_value(self, value: str) -> str:
        return value.replace("\n", " ").replace("\t", " ")
