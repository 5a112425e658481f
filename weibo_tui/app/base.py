"""What all screens have in common: the frame around them, errors said in one line, and questions to the threads."""

from __future__ import annotations

import dataclasses
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.containers import Vertical
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Footer

from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.chrome import Navigation, StatusBar, StatusMessage
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _

if TYPE_CHECKING:
    from weibo_tui.app.app import WeiboApp

T = TypeVar("T")

LOWEST = 12
SLIMMEST = 42
"""Rows and columns below which there is room for what one does, and for nothing around it."""


def weibo(node: DOMNode) -> WeiboApp:
    """The app that `node` stands in, by its own type."""
    return cast("WeiboApp", node.app)


class BaseScreen(Screen[T]):
    """A screen of this house: its keys are described in the person's language, and it asks without waiting."""

    HELP_TEXT = ""
    """What one does here, for the help; marked for translation."""

    @property
    def weibo(self) -> WeiboApp:
        return weibo(self)

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < LOWEST, "-lowest")
        self.set_class(event.size.width < SLIMMEST, "-slimmest")
        self.call_after_refresh(self._show_focused)

    def on_descendant_focus(self) -> None:
        self.call_after_refresh(self._show_focused)

    def _show_focused(self) -> None:
        # When the focus came, the place of what has it may not have been known, or another.
        if self.focused is not None and not self.region.contains_region(self.focused.region):
            self.focused.scroll_visible(animate=False)

    def flash(self, message: str, kind: str = "information") -> None:
        """Say `message` on the line for news; `kind` is information, success or error."""
        self.weibo.flash(message, kind)

    def do(self, work: Coroutine[Any, Any, None], group: str = "default", latest: bool = False) -> None:
        """Let `work` go on beside everything else; what fails it is said. `latest` ends what went on in `group`."""
        self.weibo.do(work, group, latest, node=self)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        return {key: _spoken(active) for key, active in super().active_bindings.items()}


N_("Dismiss menu")  # the one description of Textual's own that a footer shows


def _spoken(active: ActiveBinding) -> ActiveBinding:
    binding = active.binding
    if not binding.description:
        return active
    return active._replace(binding=dataclasses.replace(binding, description=_(binding.description)))


class MainScreen(BaseScreen[None]):
    """One of the app's four places: its body between the names of all places and the status."""

    NAME = ""

    def compose(self) -> ComposeResult:
        yield Navigation(self.NAME)
        with Vertical(classes="body"):
            yield from self.compose_body()
        yield StatusMessage()
        yield StatusBar()
        yield Footer(show_command_palette=False)

    def compose_body(self) -> Iterable[Widget]:
        raise NotImplementedError


class FormScreen(BaseScreen[T]):
    """A full screen that is filled in or read, on top of a place, and closed again."""

    BINDINGS = bindings("dialog")

    def compose(self) -> ComposeResult:
        with Vertical(classes="body"):
            yield from self.compose_body()
        yield StatusMessage()
        yield Footer(show_command_palette=False)

    def compose_body(self) -> Iterable[Widget]:
        raise NotImplementedError

    def action_close(self) -> None:
        self.dismiss(None)


class Dialog(BaseScreen[T], ModalScreen[T]):
    """A box in the middle that asks one thing."""

    BINDINGS = bindings("dialog")

    def action_close(self) -> None:
        self.dismiss(None)
