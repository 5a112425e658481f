"""Adapters: folders of exactly two files, `adapter.safetensors` and `card.json`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from weibo_tui.errors import BadInput, Damaged
from weibo_tui.files import atomic_folder, sha256
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.registry import archives, cards
from weibo_tui.registry.cards import CARD, AdapterCard, check_name
from weibo_tui.registry.shelf import Shelf

if TYPE_CHECKING:
    from weibo_tui.engine.adapter import Adapter
    from weibo_tui.registry.bases import OpenBase

WEIGHTS = "adapter.safetensors"


class Adapters(Shelf[AdapterCard]):
    """The folder of adapters."""

    kind = AdapterCard
    unknown = N_("There is no adapter '{name}': take one of {there}.")
    none_yet = N_("There is no adapter '{name}' and no other yet: train one with 'weibo-tui train'.")

    def load(self, name: str, base: OpenBase) -> tuple[Adapter, AdapterCard]:
        """The adapter on its own base. Raises BadInput for any other base, and for a card that asks for what the
        base has not; Damaged where the files are broken."""
        from weibo_tui.engine.adapter import Adapter, AdapterConfig
        from weibo_tui.registry.weights import read_tensors

        card = self.card(name)
        if card.base_fingerprint != base.card.fingerprint:
            raise BadInput(
                _(
                    "The adapter '{name}' belongs to the base '{wanted}' ({fingerprint}…), not to '{base}': add "
                    "that base, or train on this one."
                ).format(name=name, wanted=card.base, fingerprint=card.base_fingerprint[:12], base=base.card.name)
            )
        config = AdapterConfig(
            card.width, card.blocks, len(card.labels), card.bottleneck, card.activation, card.dropout
        )
        trunk = base.trunk.config
        if (
            card.width != trunk.width
            or max(card.blocks, default=0) >= trunk.layers
            or not 1 <= card.max_length <= trunk.positions
        ):
            raise BadInput(
                _(
                    "The card of the adapter '{name}' does not fit its base '{base}': import the adapter again, or "
                    "train it anew."
                ).format(name=name, base=base.card.name)
            )
        tensors = read_tensors(self.folder / name / WEIGHTS, card.weights_sha256)
        return Adapter.load(config, tensors), card

    def save(self, adapter: Adapter, card: AdapterCard, overwrite: bool = False) -> AdapterCard:
        """Keep an adapter under its card's name. Raises BadInput where the name is taken."""
        import safetensors.torch

        self.check_free(card.name, overwrite)
        with atomic_folder(self.folder / card.name, replace=overwrite) as folder:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in adapter.state_dict().items()}
            safetensors.torch.save_file(tensors, folder / WEIGHTS)
            card = dataclasses.replace(card, weights_sha256=sha256(folder / WEIGHTS))
            (folder / CARD).write_bytes(cards.write(card))
        return card

    def check_free(self, name: str, overwrite: bool = False) -> None:
        """Raise BadInput where `name` is no name, or is taken and may not be overwritten."""
        if (self.folder / check_name(name)).exists() and not overwrite:
            raise BadInput(
                _("An adapter named '{name}' is there already: choose another --name, or give --overwrite.").format(
                    name=name
                )
            )

    def export(self, name: str, out: Path) -> None:
        """Write an adapter as one `.zip` or `.tar.gz`, the same bytes each time."""
        folder = self.path(name)
        archives.write(out, {file: folder / file for file in (WEIGHTS, CARD)})

    def take_in(self, source: Path, name: str | None, overwrite: bool = False) -> AdapterCard:
        """Import an exported archive or an adapter's folder, checked on the way in."""
        files = archives.read(source, {WEIGHTS: archives.LARGEST_WEIGHTS, CARD: cards.LARGEST_CARD})
        try:
            card = cards.parse(files[CARD], AdapterCard)
        except ValueError as error:
            raise BadInput(
                _("{source} holds no usable adapter card: {reason}; export it again where it was made.").format(
                    source=source, reason=error
                )
            ) from error
        card = dataclasses.replace(card, name=name or card.name)
        self.check_free(card.name, overwrite)
        with atomic_folder(self.folder / card.name, replace=overwrite) as folder:
            (folder / WEIGHTS).write_bytes(files[WEIGHTS])
            if sha256(folder / WEIGHTS) != card.weights_sha256:
                raise Damaged(
                    _(
                        "{source} is damaged: the weights are not those its card names; export it again where it "
                        "was made."
                    ).format(source=source)
                )
            (folder / CARD).write_bytes(cards.write(card))
        return card
