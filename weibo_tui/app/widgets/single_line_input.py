"""A line to type in."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from weibo_tui.text.terminal import sanitize

LONGEST = 4096
"""Characters of a paste that are taken: as many as a path may have."""


class SingleLineInput(Input):
    """An Input that is one line whatever it is given, and makes visible what would act on a terminal in a paste."""

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        first = next(iter(event.text.splitlines()), "")
        self.replace(sanitize(first[:LONGEST])[:LONGEST], *self.selection)

    def validate_value(self, value: str) -> str:
        return value.replace("\n", " ").replace("\t", " ")
