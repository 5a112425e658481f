"""The dialog that asks for an adapter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from weibo_tui.app.base import Dialog
from weibo_tui.app.formatting import safe_content, safe_line
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.presentation.numbers import percent
from weibo_tui.presentation.score_card import score_figures
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.text.terminal import truncate_cells

CURRENT_MARK, DEFAULT_MARK = "✓", "*"
GAP = "  "
LAYOUTS = ((60, True), (24, True), (24, False), (0, False))
"""From wide to narrow: cells of labels, above which they are only counted, and whether there is room for the base."""


class AdapterDialog(Dialog[str]):
    """A table of the adapters. Returns the name of the chosen one, or None if it was closed.

    `current` has the cursor at first, and a mark that `mark_meaning` explains."""

    CSS = "AdapterDialog Vertical.box { width: 100; }"

    def __init__(self, question: str, catalog: Catalog, current: str, mark_meaning: str) -> None:
        super().__init__()
        self._question = question
        self._cards = catalog.adapters
        self._names = [card.name for card in catalog.adapters]
        self._current = current
        self._marks = [
            (CURRENT_MARK if name == current else " ") + (DEFAULT_MARK if name == catalog.adapter else " ")
            for name in self._names
        ]
        self._legend = f"{CURRENT_MARK} {mark_meaning}   {DEFAULT_MARK} " + _("default")

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(safe_content(self._question), classes="question")
            rows = [
                Option(ResponsiveText(partial(self._line, row)), id=name) for row, name in enumerate(self._names, 1)
            ]
            yield OptionList(Option(ResponsiveText(partial(self._line, 0)), disabled=True), *rows)
            yield Static(safe_content("\n" + self._legend, "$text-muted"))

    def on_mount(self) -> None:
        row = self._names.index(self._current) if self._current in self._names else 0
        self.query_one(OptionList).highlighted = 1 + row  # after the titles

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    def _line(self, row: int, width: int) -> Iterator[Content]:
        """Yield the line of an adapter, or of the titles for row 0."""
        mark = f"{['', *self._marks][row]:<3}"
        name, *others = [column[row] for column in _columns(self._cards, width - len(mark))]
        line = Content.assemble(mark, (name, "bold" if row else ""), GAP, GAP.join(others))
        yield line.stylize("" if row else "$text-muted")  # a colored word would not be seen under the cursor


def _columns(cards: Sequence[AdapterCard], width: int) -> list[list[str]]:
    """Return the columns that fit, with their titles, padded."""
    names = _pad([_("Adapter"), *(truncate_cells(card.name, width) for card in cards)])
    accuracies = _pad(
        [_("Test accuracy"), *(percent(score_figures(card.score).accuracy) for card in cards)], right=True
    )
    for room, with_base in LAYOUTS:
        columns = [names, accuracies, _pad([_("Labels"), *(_labels(card.labels, room) for card in cards)])]
        if with_base:
            columns.append(_pad([_("Base"), *(card.base for card in cards)]))
        if _width(columns) <= width:
            return columns
    return [names, accuracies] if _width([names, accuracies]) <= width else [names]


def _labels(labels: Sequence[str], room: int) -> str:
    names = safe_line(join_list(map(label_name, labels))).plain
    count = len(labels)
    return names if cell_len(names) <= room else ngettext("{count} label", "{count} labels", count).format(count=count)


def _pad(cells: Sequence[str], right: bool = False) -> list[str]:
    width = max(map(cell_len, cells))
    blanks = [" " * (width - cell_len(cell)) for cell in cells]
    return [blank + cell if right else cell + blank for cell, blank in zip(cells, blanks, strict=True)]


def _width(columns: Sequence[Sequence[str]]) -> int:
    return sum(cell_len(column[0]) for column in columns) + len(GAP) * (len(columns) - 1)
