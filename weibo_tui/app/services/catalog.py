"""What there is to work with: the bases and adapters, and which of each is used where none is named."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from weibo_tui.errors import WeiboTuiError
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.legacy_project import LegacyProject


@dataclass(frozen=True, slots=True)
class Catalog:
    """Cards by name; `base` and `adapter` are empty where none is chosen or there is none. `own_bases` and
    `own_adapters` name those that do not come with the program."""

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
            tuple(card.name for card in wb.bases.own()),
            tuple(card.name for card in wb.adapters.own()),
        )

    @property
    def only_bundled(self) -> bool:
        """Whether what comes with the program can judge, and nothing of one's own is there."""
        return bool(self.adapters) and not self.own_bases and not self.own_adapters

    def base_from(self, repository: str) -> BaseCard | None:
        """The base that was fetched from a repository of the Hub."""
        return next((card for card in self.bases if card.made.get("repository") == repository), None)

    def base_of(self, originals: LegacyProject) -> str:
        """The base that was taken in from the folder which the original project left; empty where none was."""
        source = "" if originals.base is None else str(originals.base.absolute())
        return next((card.name for card in self.bases if source and card.source == source), "")

    def labels(self, adapter: str) -> tuple[str, ...]:
        """The labels of an adapter, in order; none where it is gone."""
        return next((card.labels for card in self.adapters if card.name == adapter), ())
