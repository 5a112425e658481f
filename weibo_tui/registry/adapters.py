"""Adapters on disk: folders of two files, `adapter.safetensors` and `card.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from weibo_tui.atomic import atomic_folder, sha256
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.registry import cards, isolated
from weibo_tui.registry.cards import CARD, AdapterCard
from weibo_tui.registry.store import ModelStore
from weibo_tui.text.terminal import truncate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.adapter import Adapter
    from weibo_tui.registry.bases import OpenBase

WEIGHTS = "adapter.safetensors"
TRAINING_TEXTS = "training_texts"
"""Name of the tensor of the sorted hashes of the training texts, in the file of the weights."""


class Adapters(ModelStore[AdapterCard]):
    """The store of adapters."""

    card_type = AdapterCard
    files: ClassVar = {WEIGHTS: 2**30}
    unknown_message = N_("Adapter not found: '{name}'. Choose one of {there}.")
    empty_message = N_("Adapter not found: '{name}'. Train one with 'weibo-tui train'.")
    exists_message = N_("Adapter exists: '{name}'. Choose another --name, or use --overwrite to replace it.")
    card_message = N_("{source} has no adapter card ({reason}). Give a file written by 'weibo-tui adapters export'.")

    def load(self, name: str, base: OpenBase) -> tuple[Adapter, AdapterCard]:
        """Load an adapter for its own base. Raises UserInputError for any other base, or where its card does not fit
        the base, CorruptFileError where a file is broken."""
        card = self.card(name)
        if card.base_fingerprint != base.card.fingerprint:
            raise UserInputError(
                _(
                    "Adapter '{name}' belongs to base '{wanted}' ({fingerprint}…), not to '{base}'. Add that "
                    "base, or train an adapter on this one."
                ).format(name=name, wanted=card.base, fingerprint=card.base_fingerprint[:12], base=base.card.name)
            )
        config = base.backbone.config
        if (
            card.width != config.width
            or max(card.blocks, default=0) >= config.layers
            or not 1 <= card.max_length <= config.positions
        ):
            message = _(
                "The card of adapter '{name}' does not match its base '{base}'. Import or train the adapter again."
            )
            raise UserInputError(message.format(name=name, base=base.card.name))
        with self.bundled_errors(name):
            return read(self.path(name), card), card

    def training_texts(self, card: AdapterCard) -> NDArray[np.int64] | None:
        """Return the sorted hashes of the texts that the adapter was trained on.

        None for bundled adapters and those of earlier versions, which have no such record."""
        import torch

        from weibo_tui.registry.weights import read_tensors

        with self.bundled_errors(card.name):
            texts = read_tensors(self.path(card.name) / WEIGHTS, card.weights_sha256).get(TRAINING_TEXTS)
        if texts is None or texts.dtype != torch.int64 or texts.dim() != 1:
            return None
        hashes: NDArray[np.int64] = texts.numpy()
        return hashes

    def save(
        self,
        adapter: Adapter,
        card: AdapterCard,
        overwrite: bool = False,
        texts: NDArray[np.int64] | None = None,
    ) -> AdapterCard:
        """Save an adapter under its card's name, with the hashes of its training `texts`. Raises UserInputError where
        the name exists."""
        self.check_free(card.name, overwrite)
        with atomic_folder(self.folder / card.name, replace=overwrite) as folder:
            return write(folder, adapter, card, texts)

    def hashes(self, card: AdapterCard) -> Mapping[str, str]:
        """See `ModelStore`."""
        return {WEIGHTS: card.weights_sha256}

    def check(self, name: str) -> None:
        """See `ModelStore`."""
        read(self.path(name), self.card(name))

    def _verify_import(self, card: AdapterCard, folder: Path, source: Path) -> Generator[Progress, None, AdapterCard]:
        yield from isolated.run(check, source, folder)
        return card


def write(folder: Path, adapter: Adapter, card: AdapterCard, texts: NDArray[np.int64] | None = None) -> AdapterCard:
    """Write an adapter into an empty folder, with the hashes of its training `texts`, and load it once.

    Returns the card with the hash of the weights."""
    import numpy as np
    import torch

    from weibo_tui.registry.weights import save_tensors

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in adapter.state_dict().items()}
    if texts is not None:
        tensors[TRAINING_TEXTS] = torch.from_numpy(np.unique(texts))
    save_tensors(tensors, folder / WEIGHTS)
    card = dataclasses.replace(card, weights_sha256=sha256(folder / WEIGHTS))
    (folder / CARD).write_bytes(cards.write(card))
    read(folder, cards.read(folder / CARD, AdapterCard))
    return card


def read(folder: Path, card: AdapterCard) -> Adapter:
    """Load the adapter in `folder`. Raises UserInputError or CorruptFileError where its weights do not match the
    card."""
    from weibo_tui.engine.adapter import Adapter, AdapterConfig
    from weibo_tui.registry.weights import read_tensors

    config = AdapterConfig(card.width, card.blocks, len(card.labels), card.bottleneck, card.activation, card.dropout)
    tensors = read_tensors(folder / WEIGHTS, card.weights_sha256)
    tensors.pop(TRAINING_TEXTS, None)
    return Adapter.load(config, tensors)


def check(source: Path, folder: Path | str) -> None:
    """Load the adapter in `folder`, which was copied from `source`. Raises UserInputError where that fails."""
    try:
        read(Path(folder), cards.read(Path(folder) / CARD, AdapterCard))
    except (UserInputError, CorruptFileError) as error:
        message = _("{source} is not a working adapter ({reason}). Export it again from its source.")
        raise UserInputError(
            message.format(source=source, reason=truncate(str(error.__cause__ or error).rstrip("."), 300))
        ) from error
