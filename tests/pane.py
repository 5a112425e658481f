"""Drive the predict screen as a user does."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from stage import play, press, see, until
from textual import events
from textual.pilot import Pilot
from textual.widgets import OptionList

from weibo_tui import Workbench
from weibo_tui.app.app import WeiboApp
from weibo_tui.app.predict.card import Card, PostCard
from weibo_tui.app.predict.prediction_list import PredictionList
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.registry import cards as registry_cards
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.storage.history import Analysis, Entry

POST = "今天的面真好吃[哈哈]"
OTHER = "服务太差了，再也不来[怒]"
HOSTILE = "[doge] [/哈哈] \x1b[31m \u202e [b]x"


class Pane:
    """The predict screen, with the actions of a user."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        assert isinstance(pilot.app, WeiboApp)
        self.app = pilot.app
        screen = self.app.main_screens["predict"]
        assert isinstance(screen, PredictScreen)
        self.screen = screen
        self.prompt = screen.prompt
        self.prediction_list: PredictionList = screen.prediction_list

    @property
    def cards(self) -> list[Card]:
        return self.prediction_list.cards

    @property
    def posts(self) -> list[PostCard]:
        return [card for card in self.cards if isinstance(card, PostCard)]

    @property
    def cursor(self) -> Card | None:
        return self.prediction_list.cursor

    def text(self, card: Card) -> str:
        return "\n".join(line.plain for line in card.lines(90))

    async def ready(self) -> Pane:
        await until(self.pilot, lambda: self.prompt.border_title)
        return self

    def type(self, *keys: str) -> None:
        """Press keys without waiting for their effect. A terminal sends text of an input method in the same way."""
        for key in keys:
            self.app.post_message(events.Key(key, key if len(key) == 1 else {"enter": "\r"}.get(key)))

    async def press(self, *keys: str) -> None:
        """Press keys without a pause in between, then wait until the app is idle."""
        await press(self.pilot, *keys)

    async def see(self, happened: Callable[[], object]) -> None:
        """Wait until `happened` is true, without waiting for the app to be idle."""
        await see(self.pilot, happened)

    async def write(self, text: str) -> None:
        self.type(*text)
        await self.pilot.pause()

    async def send(self, *texts: str) -> None:
        for text in texts:
            await self.press(*text, "enter")

    async def wait_predicted(self, count: int) -> None:
        await until(self.pilot, lambda: len([card for card in self.posts if not card.busy]) == count)

    async def paste(self, text: str) -> None:
        self.app.post_message(events.Paste(text))
        await self.pilot.pause()

    async def dialog_opened(self) -> None:
        """Wait for a dialog with answers."""
        await until(self.pilot, lambda: isinstance(self.app.focused, OptionList) and self.app.screen is not self.screen)

    @property
    def news(self) -> str:
        """The text of the message line."""
        return str(self.app.screen.query_one(StatusMessage).content)


def play_predict(act: Callable[[Pane], Coroutine[Any, Any, None]], size: tuple[int, int] = (100, 30)) -> WeiboApp:
    async def scene(pilot: Pilot[None]) -> None:
        await act(await Pane(pilot).ready())

    return play(scene, size)


def history_entries(home: Path) -> list[Entry]:
    """Return the history, the newest entry first."""
    with Workbench(home) as wb:
        return wb.history.page(100_000)


def history_posts(home: Path) -> list[str]:
    """Return the posts of the history, the oldest first."""
    return [entry.text for entry in reversed(history_entries(home)) if isinstance(entry, Analysis)]


def record_posts(home: Path, *texts: str) -> None:
    """Predict posts and record them in the history."""
    with Workbench(home) as wb:
        list(wb.iter_predict(texts, "mood", source="cli", record=True))


def add_adapter(home: Path, name: str, **changes: Any) -> None:
    """Add a copy of the adapter `mood` under another name, with changes in its card. `mood` stays the default."""
    folder = shutil.copytree(home / "adapters" / "mood", home / "adapters" / name)
    card = registry_cards.read(folder / "card.json", AdapterCard)
    (folder / "card.json").write_bytes(registry_cards.write(dataclasses.replace(card, name=name, **changes)))
    with Workbench(home) as wb:
        wb.set_default_adapter("mood")
