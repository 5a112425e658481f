"""The bases and adapters of the models screen, with the state of their files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

from weibo_tui.app.explanation import user_message
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.errors import WeiboTuiError
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.registry.file_status import FileStatus, file_status
from weibo_tui.registry.store import ModelStore
from weibo_tui.workbench.workbench import Workbench

Kind = Literal["base", "adapter"]
Card = TypeVar("Card", BaseCard, AdapterCard)


@dataclass(frozen=True, slots=True)
class ModelItem(Generic[Card]):
    """A base or an adapter.

    `files` is None if its files cannot be read, `default` marks the one that is used if none is named, `bundled`
    a bundled one, which cannot be changed.
    """

    kind: Kind
    card: Card
    files: FileStatus | None
    default: bool
    bundled: bool

    @property
    def name(self) -> str:
        return self.card.name


@dataclass(frozen=True, slots=True)
class CorruptModel:
    """A folder with an unusable card; `problem` says why, and what to do."""

    kind: Kind
    name: str
    problem: str
    bundled: bool


IntactModel: TypeAlias = ModelItem[BaseCard] | ModelItem[AdapterCard]
ModelEntry: TypeAlias = IntactModel | CorruptModel


@dataclass(frozen=True, slots=True)
class Inventory:
    """All bases and adapters, sorted by name, and the corrupt ones."""

    bases: tuple[ModelItem[BaseCard], ...] = ()
    adapters: tuple[ModelItem[AdapterCard], ...] = ()
    corrupt: tuple[CorruptModel, ...] = ()

    @classmethod
    def load(cls, wb: Workbench, catalog: Catalog) -> Inventory:
        """Read the state of the files of the catalog's models, and find corrupt models."""
        bases, adapters = wb.bases, wb.adapters
        return cls(
            tuple(_item("base", bases, card, catalog.base) for card in catalog.bases),
            tuple(_item("adapter", adapters, card, catalog.adapter) for card in catalog.adapters),
            (*_corrupt("base", bases), *_corrupt("adapter", adapters)),
        )

    def entries(self, kind: Kind) -> Iterator[ModelEntry]:
        """Yield the bases or the adapters, the corrupt ones last."""
        yield from self.bases if kind == "base" else self.adapters
        yield from (entry for entry in self.corrupt if entry.kind == kind)

    def names(self, kind: Kind) -> list[str]:
        """Return the names in use."""
        return [entry.name for entry in self.entries(kind)]

    def bases_like(self, fingerprint: str) -> list[ModelItem[BaseCard]]:
        """Return the bases with this fingerprint; the same base may be here under several names."""
        return [item for item in self.bases if item.card.fingerprint == fingerprint]

    def base_of(self, card: AdapterCard) -> ModelItem[BaseCard] | None:
        """Return the base of an adapter, which may have another name here than in the adapter's card."""
        bases = self.bases_like(card.base_fingerprint)
        return next((item for item in bases if item.name == card.base), bases[0] if bases else None)

    def adapters_of(self, base: BaseCard) -> list[str]:
        """Return the names of the adapters of this base."""
        return [item.name for item in self.adapters if item.card.base_fingerprint == base.fingerprint]


def _item(kind: Kind, store: ModelStore[Card], card: Card, default: str) -> ModelItem[Card]:
    files = None
    with suppress(WeiboTuiError):  # removed since it was listed
        files = file_status(store, card.name)
    return ModelItem(kind, card, files, card.name == default, store.is_bundled(card.name))


def _corrupt(kind: Kind, store: ModelStore[Card]) -> Iterator[CorruptModel]:
    return (
        CorruptModel(kind, name, user_message(error), store.is_bundled(name)) for name, error in store.corrupt_models()
    )
