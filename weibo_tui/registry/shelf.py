"""A folder of named folders, each with a card: what the bases and the adapters have in common."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Generic

from weibo_tui.errors import BadInput, Damaged
from weibo_tui.files import remove_folder
from weibo_tui.locale import gettext as _
from weibo_tui.registry import cards
from weibo_tui.registry.cards import CARD, Card, check_name


class Shelf(Generic[Card]):
    """The folder, and what a person is told of a name that is not there (templates, marked for translation)."""

    kind: type[Card]
    unknown: ClassVar[str]
    none_yet: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self) -> list[Card]:
        """All cards, by name; one that is damaged is passed over."""
        found = []
        for path in sorted(self.folder.glob("[!.]*/" + CARD)):
            try:
                found.append(cards.read(path, self.kind))
            except Damaged:
                continue
        return found

    def path(self, name: str) -> Path:
        """The folder of `name`, or BadInput that says which there are."""
        path = self.folder / check_name(name)
        if not (path / CARD).is_file():
            there = ", ".join(card.name for card in self.list())
            message = _(self.unknown) if there else _(self.none_yet)
            raise BadInput(message.format(name=name, there=there))
        return path

    def card(self, name: str) -> Card:
        """The card of `name`. Raises BadInput where there is none, Damaged where it cannot be used."""
        return cards.read(self.path(name) / CARD, self.kind)

    def remove(self, name: str) -> None:
        """Delete it whole."""
        remove_folder(self.path(name))
