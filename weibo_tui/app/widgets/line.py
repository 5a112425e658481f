"""A line to type in, and keys done in the order in which they were pressed."""

from __future__ import annotations

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from weibo_tui.text import visible


async def do_at_once(widget: Widget, key: events.Key) -> None:
    """Do what `key` is bound to in the widget itself. Textual does it when the key has gone up to the app: behind the
    letters that were typed after it, where they wait together because the machine was busy."""
    active = None if key.is_printable else widget.screen.active_bindings.get(key.key)
    if active is not None and active.enabled and active.node is widget:
        key.stop()
        key.prevent_default()
        await widget.run_action(active.binding.action)


class Line(Input):
    """An Input that is one line whatever it is given, and makes visible what would act on a terminal in a paste."""

    async def _on_key(self, event: events.Key) -> None:
        await do_at_once(self, event)

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        first = next(iter(event.text.splitlines()), "")
        self.replace(visible(first), *self.selection)

    def validate_value(self, value: str) -> str:
        return value.replace("\n", " ").replace("\t", " ")
