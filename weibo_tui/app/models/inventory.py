"""What the models screen shows: the bases and adapters with what is known of their files, and the damaged ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

from weibo_tui.app.explanation import explain
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.errors import WeiboTuiError
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.registry.file_status import FileStatus, condition
from weibo_tui.registry.store import ModelStore
from weibo_tui.workbench import Workbench

Kind = Literal["base", "adapter"]
Card = TypeVar("Card", BaseCard, AdapterCard)


@dataclass(frozen=True, slots=True)
class ModelItem(Generic[Card]):
    """A base or an adapter; `condition` is None where its files could not be looked at. One that is `bundled` comes
    with the program, and stays as it is."""

    kind: Kind
    card: Card
    condition: FileStatus | None
    chosen: bool
    bundled: bool

    @property
    def name(self) -> str:
        return self.card.name


@dataclass(frozen=True, slots=True)
class CorruptModel:
    """A folder whose card cannot be used; `problem` says why, and what to do."""

    kind: Kind
    name: str
    problem: str
    bundled: bool


IntactModel: TypeAlias = ModelItem[BaseCard] | ModelItem[AdapterCard]
ModelEntry: TypeAlias = IntactModel | CorruptModel


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that there is, by name."""

    bases: tuple[ModelItem[BaseCard], ...] = ()
    adapters: tuple[ModelItem[AdapterCard], ...] = ()
    broken: tuple[CorruptModel, ...] = ()

    @classmethod
    def of(cls, bench: Workbench, catalog: Catalog) -> Inventory:
        """Look at the files of what is in stock, and for what is damaged and therefore is not."""
        bases, adapters = bench.bases, bench.adapters
        return cls(
            tuple(_item("base", bases, card, catalog.base) for card in catalog.bases),
            tuple(_item("adapter", adapters, card, catalog.adapter) for card in catalog.adapters),
            (*_broken("base", bases), *_broken("adapter", adapters)),
        )

    def entries(self, kind: Kind) -> Iterator[ModelEntry]:
        """The bases or the adapters, those that are damaged behind the others."""
        yield from self.bases if kind == "base" else self.adapters
        yield from (one for one in self.broken if one.kind == kind)

    def names(self, kind: Kind) -> list[str]:
        """The names that are taken."""
        return [entry.name for entry in self.entries(kind)]

    def base_of(self, card: AdapterCard) -> ModelItem[BaseCard] | None:
        """The base that an adapter stands on, whatever its name here; None where it is not here."""
        fitting = [item for item in self.bases if item.card.fingerprint == card.base_fingerprint]
        return next((item for item in fitting if item.name == card.base), fitting[0] if fitting else None)

    def standing_on(self, base: BaseCard) -> list[str]:
        """The adapters that this base, or another with its fingerprint, is for."""
        return [item.name for item in self.adapters if item.card.base_fingerprint == base.fingerprint]


def _item(kind: Kind, shelf: ModelStore[Card], card: Card, chosen: str) -> ModelItem[Card]:
    name = card.name
    return ModelItem(kind, card, _condition(shelf, name), name == chosen, shelf.is_bundled(name))


def _broken(kind: Kind, shelf: ModelStore[Card]) -> Iterator[CorruptModel]:
    return (CorruptModel(kind, name, explain(error), shelf.is_bundled(name)) for name, error in shelf.damaged())


def _condition(shelf: ModelStore[Card], name: str) -> FileStatus | None:
    with suppress(WeiboTuiError):  # it went away since it was listed
        return condition(shelf, name)
    return None
