"""The command palette (Ctrl+P): a search over commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from weibo_tui.app.base import Dialog
from weibo_tui.app.formatting import safe_line
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.app.widgets.single_line_input import SingleLineInput
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import truncate_cells

_MOVES = {"up": "cursor_up", "down": "cursor_down", "pageup": "page_up", "pagedown": "page_down"}


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the palette. `names` are its titles in all languages, `key` the key that runs it too."""

    title: str
    names: tuple[str, ...]
    key: str
    run: Callable[[], Awaitable[object]]

    def rank(self, query: str) -> int:
        """Return how well a name matches all words of the query: 0 for no match."""
        words = query.casefold().split()
        return max(min((_rank(word, name.casefold()) for word in words), default=1) for name in self.names)


def _rank(word: str, name: str) -> int:
    """Return 4 for the start of the name, 3 of a word in it, 2 for a part of it, 1 for its letters in order."""
    if name.startswith(word):
        return 4
    if f" {word}" in name:
        return 3
    if word in name:
        return 2
    letters = iter(name)
    return int(all(letter in letters for letter in word))


class Palette(Dialog[Command]):
    """Lists the commands that match what is typed. Returns the chosen one, or None if it was closed."""

    DEFAULT_CSS = """
    Palette Input { margin-bottom: 1; }
    Palette OptionList { text-wrap: nowrap; scrollbar-size-vertical: 1; }
    Palette OptionList > .option-list--option { padding: 0 1; }
    Palette OptionList > .option-list--option-highlighted { background: $primary 25%; color: $text; text-style: none; }
    Palette.-lowest Input { margin-bottom: 0; }
    """

    def __init__(self, commands: Sequence[Command]) -> None:
        super().__init__()
        self._commands = commands
        self._matches: Sequence[Command] = commands

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield SingleLineInput(placeholder=_("Search for a command"))
            options = OptionList(*self._options(), markup=False)
            options.can_focus = False
            options.highlighted = 0
            yield options

    def _options(self) -> Iterator[Option]:
        for command in self._matches:
            yield Option(ResponsiveText(lambda width, command=command: [_line(command, width)]))  # type: ignore[misc]
        if not self._matches:
            yield Option(Content(_("No match")), disabled=True)

    def on_input_changed(self, event: Input.Changed) -> None:
        ranked = [(command.rank(event.value), command) for command in self._commands]
        # Letters in order match many titles, so they count only where nothing matches better.
        least = 2 if any(rank > 1 for rank, _command in ranked) else 1
        ranked.sort(key=lambda pair: -pair[0])
        self._matches = [command for rank, command in ranked if rank >= least]
        options = self.query_one(OptionList)
        options.set_options(self._options())
        options.highlighted = 0 if self._matches else None

    def on_key(self, event: events.Key) -> None:
        if event.key in _MOVES:
            event.stop()
            event.prevent_default()
            getattr(self.query_one(OptionList), f"action_{_MOVES[event.key]}")()

    def on_input_submitted(self) -> None:
        if self._matches:
            self.dismiss(self._matches[self.query_one(OptionList).highlighted or 0])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._matches[event.option_index])


def _line(command: Command, width: int) -> Content:
    """Return the title on the left and the key on the right."""
    key_cells = cell_len(command.key)
    title = truncate_cells(command.title, width - key_cells - 2)
    blank = " " * (width - cell_len(title) - key_cells)
    return Content.assemble(safe_line(title), blank, (command.key, "$text-muted"))
