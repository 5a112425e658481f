"""Invented histories, and the history screen as a user sees and uses it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import histories
import made_up
from stage import app_of, drawn, play, press, see
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from weibo_tui import Workbench
from weibo_tui.app.history.browser import HistoryBrowser
from weibo_tui.app.history.details import EntryDetails
from weibo_tui.app.history.screen import HistoryScreen
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.history import Analysis, Entry
from weibo_tui.text.spreadsheet import unescape_formula

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANALYSIS = replace(histories.ANALYSIS, adapter="mood", source="app", created_at=timestamp(START))
FAILED = replace(histories.FAILED, adapter="mood", source="app", created_at=timestamp(START))
FILE = replace(histories.FILE, out=Path("/data/posts.labeled.csv"), adapter="mood", created_at=timestamp(START))
HOSTILE = "[doge] [/哈哈] [b]x \x1b[31m\x1b]8;;http://a\x07 \u202e\u200b\x9b \t=1+1\n第二行"


def at(minute: int) -> str:
    """Return the timestamp `minute` minutes after START."""
    return timestamp(START + timedelta(minutes=minute))


def predictions(count: int) -> list[Analysis]:
    """Return `count` analyses, a minute apart. Every third is negative, every fifth uncertain."""
    analyses = []
    for minute, (text, _label) in enumerate(made_up.posts(count, seed=7)):
        label, other = ("negative", "positive") if minute % 3 == 0 else ("positive", "negative")
        confidence = 0.6 if minute % 5 == 0 else 0.95
        analyses.append(
            replace(
                ANALYSIS,
                text=f"{text}#{minute}",
                label=label,
                confidence=confidence,
                probabilities={label: confidence, other: 1 - confidence},
                uncertain=minute % 5 == 0,
                created_at=at(minute),
            )
        )
    return analyses


def keep(home: Path, entries: Sequence[Entry] = ()) -> list[Entry]:
    """Add entries to the history of a home. Return all that it holds, newest first."""
    with Workbench(home) as wb:
        wb.history.add([entry for entry in entries if isinstance(entry, Analysis)])
        for entry in entries:
            if not isinstance(entry, Analysis):
                wb.history.add_file(entry)
        return wb.history.page(1_000_000)


def read_csv(path: Path, guarded: bool = True) -> list[dict[str, str]]:
    """Return the rows of an export, unescaped."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: unescape_formula(cell) if guarded else cell for name, cell in row.items()} for row in rows]


class Scene:
    """The open history screen."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app = app_of(pilot)
        screen = self.app.main_screens["history"]
        assert isinstance(screen, HistoryScreen)
        self.screen = screen

    @classmethod
    async def open(cls, pilot: Pilot[None]) -> Scene:
        """Open the history by its key, and wait until its entries are counted."""
        scene = cls(pilot)
        await scene.press("f4")
        return scene

    @property
    def browser(self) -> HistoryBrowser:
        return self.screen.query_one(HistoryBrowser)

    @property
    def entries(self) -> list[Entry]:
        """The loaded entries."""
        return self.browser.entries

    @property
    def entry(self) -> Entry | None:
        """The entry under the cursor."""
        return self.browser.row

    @property
    def in_table(self) -> bool:
        """True while the table has the focus."""
        return self.app.focused is self.browser.table

    @property
    def post(self) -> str:
        """The post under the cursor."""
        assert isinstance(self.entry, Analysis)
        return self.entry.text

    @property
    def where(self) -> str:
        """The line with the visible range and the total."""
        return str(self.screen.query_one(".range", Static).content)

    @property
    def text(self) -> str:
        """The open screen."""
        return drawn(self.pilot)

    @property
    def lines(self) -> list[str]:
        """The lines of the open screen, without the frame of the table."""
        lines = self.text.splitlines()
        del lines[self.browser.table.region.y]
        return lines

    @property
    def details(self) -> str:
        """The text of the details pane."""
        region = self.screen.query_one(EntryDetails).region
        strips = self.screen._compositor.render_strips()[region.y : region.bottom]
        return "\n".join(strip.crop(region.x, region.right).text.rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        """Press keys, and wait for the result."""
        await press(self.pilot, *keys)
        await self.settled()

    async def settled(self) -> None:
        """Wait until a dialog is open, or all queries are answered and drawn."""
        if self._waiting():
            await see(self.pilot, lambda: not self._waiting())
            await self.pilot.pause()

    def _waiting(self) -> bool:
        nodes = (self.screen, self.browser)
        return self.app.screen is self.screen and any(
            worker.node in nodes and not worker.is_finished for worker in self.app.workers
        )

    async def until_dialog(self, kind: type) -> None:
        """Wait until a dialog of this kind is open."""
        await see(self.pilot, lambda: isinstance(self.app.screen, kind))
        await self.pilot.pause()

    async def until_closed(self) -> None:
        """Wait until the dialog is closed and its action done."""
        await see(self.pilot, lambda: self.app.screen is self.screen)
        await self.pilot.pause()
        await self.settled()

    async def choose(self, words: str) -> None:
        """Choose the option with these words in the open dialog."""
        answers = self.app.screen.query_one(OptionList)
        prompts = [str(option.prompt) for option in answers.options]
        answers.highlighted = prompts.index(words)
        await press(self.pilot, "enter")

    async def answer(self, key: str, words: str) -> None:
        """Press a key that opens a dialog, and choose the option with these words."""
        await self.press(key)
        await self.choose(words)
        await self.until_closed()


def play_history(act: Callable[[Scene], Coroutine[Any, Any, None]], size: tuple[int, int] = (100, 30)) -> None:
    """Run the app, and `act` on its open history screen."""

    async def scene(pilot: Pilot[None]) -> None:
        await act(await Scene.open(pilot))

    play(scene, size)
