"""The models screen as the user sees it, and the dialogs on top of it."""

from __future__ import annotations

from typing import Any

from stage import app_of, message_line, until
from textual.pilot import Pilot
from textual.widgets import Input, Static

from weibo_tui.app.models.inventory import Kind
from weibo_tui.app.models.model_card import ModelCard
from weibo_tui.app.models.model_list import ModelList
from weibo_tui.app.models.screen import ModelsScreen


def lines(widget: Any) -> str:
    """The lines that a widget draws."""
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))


async def screen_of(pilot: Pilot[None], kind: type) -> Any:
    """Wait until a screen of this type is open."""
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    await pilot.pause()
    return pilot.app.screen


async def message(pilot: Pilot[None], text: str) -> None:
    """Wait until a message contains `text`."""
    await until(pilot, lambda: text in message_line(pilot))


async def answer(pilot: Pilot[None], text: str) -> None:
    """Type into the open dialog, and press Enter."""
    pilot.app.screen.query_one(Input).value = text
    await pilot.press("enter")


def question(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(".question", Static).render())


def problem(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(".problem", Static).render())


class ModelsPage:
    """The models screen, opened."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app = app_of(pilot)
        screen = self.app.main_screens["models"]
        assert isinstance(screen, ModelsScreen)
        self.screen = screen

    @classmethod
    async def open(cls, pilot: Pilot[None], base: str = "", adapter: str = "") -> ModelsPage:
        """Open the screen, with the cursor on a base or an adapter if one is named."""
        page = cls(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: page.screen.is_mounted and page.list.option_count)
        if base or adapter:
            await until(pilot, lambda: page.names("base"))
            await page.select(base, adapter)
        return page

    def names(self, kind: Kind) -> list[str]:
        return self.screen.inventory.names(kind)

    async def select(self, base: str = "", adapter: str = "") -> None:
        kind: Kind = "base" if base else "adapter"
        name = base or adapter
        await until(self.pilot, lambda: name in self.names(kind))
        self.list.select(kind, name)
        await until(self.pilot, lambda: self.screen.entry is not None and self.screen.entry.name == name)

    @property
    def list(self) -> ModelList:
        return self.screen.query_one(ModelList)

    @property
    def entry(self) -> str:
        """The lines of the entry under the cursor."""
        option = self.list.highlighted_option
        return str(option.prompt) if option is not None else ""

    @property
    def text(self) -> str:
        """All lines of the list."""
        return "\n".join(str(option.prompt) for option in self.list.options)

    @property
    def card(self) -> str:
        """The text of the card, with single blanks."""
        return card_text(self.screen)


def card_text(screen: Any) -> str:
    """The text of the card on a screen, with single blanks."""
    return " ".join(lines(screen.query_one(ModelCard).query_one("#facts", Static)).split())
