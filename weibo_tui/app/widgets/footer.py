"""The line of keys at the bottom of a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

_QUIT = "app.quit"
_ALWAYS = ("app.help", "app.palette")
"""Actions that are never left out, because they lead to all others."""


class FooterKey(NamedTuple):
    binding: Binding
    display: str

    @property
    def width(self) -> int:
        return cell_len(self.display) + cell_len(self.binding.description) + 3


class KeyFooter(Widget):
    """The keys that work now, those of the focused pane first. Keys without room are left out, never cut."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyFooter { dock: bottom; height: 1; background: $panel; color: $foreground; }
    """

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._update)

    def on_unmount(self) -> None:
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _update(self, _screen: Screen[object]) -> None:
        self.refresh()

    def render(self) -> Content:
        parts: list[str | Content | tuple[str, str]] = []
        for key in self._keys:
            parts += [" ", (key.display, "bold $footer-key-foreground"), f" {key.binding.description} "]
        return Content.assemble(*parts)

    def on_click(self, event: events.Click) -> None:
        x = event.x
        for key in self._keys:
            if 0 <= x < key.width:
                self.app.simulate_key(key.binding.key)
            x -= key.width

    @property
    def _keys(self) -> list[FooterKey]:
        first: dict[str, Binding] = {}  # an action may have several keys
        for active in self.screen.active_bindings.values():
            if active.binding.show and active.enabled:
                first.setdefault(active.binding.action, active.binding)
        keys = [FooterKey(binding, self.app.get_key_display(binding)) for binding in first.values()]
        return fitting(keys, self.size.width)


def fitting(keys: Sequence[FooterKey], width: int) -> list[FooterKey]:
    """Return the keys that have room in `width` cells, in their order. The key to quit is left out first."""
    kept = list(keys)
    droppable = [key for key in reversed(keys) if key.binding.id not in _ALWAYS]
    for key in sorted(droppable, key=lambda key: key.binding.id != _QUIT):
        if sum(item.width for item in kept) <= width:
            break
        kept.remove(key)
    return kept
