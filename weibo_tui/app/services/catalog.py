"""The installed base models and adapters, and the default of each."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weibo_tui.errors import WeiboTuiError

if TYPE_CHECKING:
    from weibo_tui.registry.cards import AdapterCard, BaseCard
    from weibo_tui.workbench.legacy_project import LegacyProject
    from weibo_tui.workbench.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Catalog:
    """Cards sorted by name. `base` and `adapter` are the defaults, or empty.

    `own_bases` and `own_adapters` name those that are not bundled with the program."""

    bases: tuple[BaseCard, ...] = ()
    adapters: tuple[AdapterCard, ...] = ()
    base: str = ""
    adapter: str = ""
    own_bases: tuple[str, ...] = ()
    own_adapters: tuple[str, ...] = ()

    @classmethod
    def load(cls, wb: Workbench) -> Catalog:
        base = adapter = ""
        with suppress(WeiboTuiError):
            base = wb.base_name()
        with suppress(WeiboTuiError):
            adapter = wb.adapter_name()
        return cls(
            tuple(wb.bases.list()),
            tuple(wb.adapters.list()),
            base,
            adapter,
            tuple(card.name for card in wb.bases.user_models()),
            tuple(card.name for card in wb.adapters.user_models()),
        )

    @property
    def only_bundled(self) -> bool:
        """True if the bundled models can predict and the user has none of their own."""
        return bool(self.adapters) and not self.own_bases and not self.own_adapters

    def base_from(self, repository: str) -> BaseCard | None:
        """Return the base model that was downloaded from a repository of the Hub."""
        return next((card for card in self.bases if card.made.get("repository") == repository), None)

    def base_of(self, legacy: LegacyProject) -> str:
        """Return the name of the base model imported from the original project, or an empty string."""
        source = "" if legacy.base is None else str(legacy.base.absolute())
        return next((card.name for card in self.bases if source and card.source == source), "")

    def card(self, adapter: str) -> AdapterCard | None:
        """Return the card of an adapter, None if it does not exist."""
        return next((card for card in self.adapters if card.name == adapter), None)

    def labels(self, adapter: str) -> tuple[str, ...]:
        """Return the labels of an adapter in order, empty if it does not exist."""
        card = self.card(adapter)
        return () if card is None else card.labels
