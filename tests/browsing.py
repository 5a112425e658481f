"""Histories of our own invention, and the history's screen as a person sees and uses it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import made_up
from stage import app_of, drawn, until
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from weibo_tui.app.history.browser import HistoryBrowser
from weibo_tui.app.history.details import EntryDetails
from weibo_tui.app.history.screen import HistoryScreen
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.history import Analysis, Entry, LabeledFile
from weibo_tui.text import unguard
from weibo_tui.workbench import Workbench

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANALYSIS = Analysis(
    text="雨停了，去江边走走[太阳]",
    label="positive",
    confidence=0.9375,
    probabilities={"negative": 0.0625, "positive": 0.9375},
    uncertain=False,
    adapter="mood",
    truncated=False,
    characters=13,
    characters_read=13,
    milliseconds=8.5,
    created_at=timestamp(START),
    source="app",
)
FILE = LabeledFile(
    Path("/data/posts.csv"),
    Path("/data/posts.labelled.csv"),
    "mood",
    rows=5,
    failed=1,
    counts={"negative": 1, "positive": 3},
    created_at=timestamp(START),
)
HOSTILE = "[doge] [/哈哈] [b]x \x1b[31m\x1b]8;;http://a\x07 \u202e\u200b\x9b \t=1+1\n第二行"


def at(minute: int) -> str:
    """The moment that many minutes behind the first."""
    return timestamp(START + timedelta(minutes=minute))


def judged(count: int) -> list[Analysis]:
    """That many analyses, a minute apart; every third is negative, every fifth uncertain."""
    found = []
    for minute, (text, _label) in enumerate(made_up.posts(count, seed=7)):
        label, other = ("negative", "positive") if minute % 3 == 0 else ("positive", "negative")
        confidence = 0.6 if minute % 5 == 0 else 0.95
        found.append(
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
    return found


def keep(home: Path, entries: Iterable[Entry]) -> list[Entry]:
    """Put entries into the history of a home; all that it holds, newest first."""
    with Workbench.open(home) as bench:
        for entry in entries:
            if isinstance(entry, Analysis):
                bench.history.add([entry])
            else:
                bench.history.add_file(entry)
        return bench.history.page(1_000_000)


def kept(home: Path) -> list[Entry]:
    """All that the history of a home holds, newest first."""
    with Workbench.open(home) as bench:
        return bench.history.page(1_000_000)


def read_csv(path: Path, guarded: bool = True) -> list[dict[str, str]]:
    """The rows of an export, with the guard taken off again."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: unguard(cell) if guarded else cell for name, cell in row.items()} for row in rows]


class Scene:
    """The history's screen, opened."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app = app_of(pilot)
        screen = self.app.main_screens["history"]
        assert isinstance(screen, HistoryScreen)
        self.screen = screen

    @classmethod
    async def open(cls, pilot: Pilot[None]) -> Scene:
        """Go to the history by key, and wait until its entries were counted."""
        scene = cls(pilot)
        await pilot.press("f4")
        await scene.settled()
        return scene

    @property
    def browser(self) -> HistoryBrowser:
        return self.screen.query_one(HistoryBrowser)

    @property
    def entries(self) -> list[Entry]:
        """Those that are loaded."""
        return list(self.browser.table.entries)

    @property
    def entry(self) -> Entry | None:
        """The one under the cursor."""
        return self.browser.entry

    @property
    def in_table(self) -> bool:
        """Whether the table has the focus."""
        return self.app.focused is self.browser.table

    @property
    def post(self) -> str:
        """That under the cursor."""
        assert isinstance(self.entry, Analysis)
        return self.entry.text

    @property
    def where(self) -> str:
        """The line that says which part of how many is seen."""
        return str(self.screen.query_one(".range", Static).content)

    @property
    def lines(self) -> list[str]:
        """The open screen, line by line."""
        return drawn(self.pilot).splitlines()

    @property
    def text(self) -> str:
        return drawn(self.pilot)

    @property
    def details(self) -> str:
        """What stands in the details' pane, which goes to the terminal below or beside the table."""
        region = self.screen.query_one(EntryDetails).region
        strips = self.screen._compositor.render_strips()[region.y : region.bottom]
        return "\n".join(strip.crop(region.x, region.right).text.rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        """Press keys, and wait for what they bring."""
        await self.pilot.press(*keys)
        await self.settled()

    async def settled(self) -> None:
        """Wait until a box is open, or everything that was asked of the records' thread was answered and drawn."""
        await self.pilot.pause()
        await until(self.pilot, lambda: self.app.screen is not self.screen or not self._waiting())
        await self.pilot.pause()

    def _waiting(self) -> bool:
        return any(one.node in (self.screen, self.browser) and not one.is_finished for one in self.app.workers)

    async def until_asked(self, kind: type) -> None:
        """Wait until a box of this kind is open."""
        await until(self.pilot, lambda: isinstance(self.app.screen, kind))
        await self.pilot.pause()

    async def until_closed(self) -> None:
        """Wait until no box is open, and what it was for is done."""
        await until(self.pilot, lambda: self.app.screen is self.screen)
        await self.settled()

    async def choose(self, words: str) -> None:
        """Take the answer of these words in the box that is open."""
        answers = self.app.screen.query_one(OptionList)
        prompts = [str(option.prompt) for option in answers.options]
        answers.highlighted = prompts.index(words)
        await self.pilot.press("enter")

    def typed(self, text: str) -> None:
        """Let this text stand in the field that has the focus."""
        field = self.app.focused
        assert isinstance(field, Input)
        field.value = text
