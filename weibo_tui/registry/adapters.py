"""Adapters: folders of exactly two files, `adapter.safetensors` and `card.json`."""

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
from weibo_tui.text import short

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.adapter import Adapter
    from weibo_tui.registry.bases import OpenBase

WEIGHTS = "adapter.safetensors"
TEXTS = "training_texts"
"""Name of the tensor beside the weights that holds the sorted hashes of the texts that were trained on."""


class Adapters(ModelStore[AdapterCard]):
    """The folder of adapters."""

    kind = AdapterCard
    files: ClassVar = {WEIGHTS: 2**30}
    unknown = N_("There is no adapter '{name}': take one of {there}.")
    none_yet = N_("There is no adapter '{name}' and no other yet: train one with 'weibo-tui train'.")
    taken = N_("An adapter named '{name}' is there already: choose another --name, or give --overwrite.")
    no_card = N_("{source} holds no card of an adapter ({reason}): name what 'weibo-tui adapters export' wrote.")

    def load(self, name: str, base: OpenBase) -> tuple[Adapter, AdapterCard]:
        """The adapter on its own base. Raises UserInputError for any other base, and for a card that asks for what the
        base has not; Damaged where the files are broken."""
        card = self.card(name)
        if card.base_fingerprint != base.card.fingerprint:
            raise UserInputError(
                _(
                    "The adapter '{name}' belongs to the base '{wanted}' ({fingerprint}…), not to '{base}': add "
                    "that base, or train on this one."
                ).format(name=name, wanted=card.base, fingerprint=card.base_fingerprint[:12], base=base.card.name)
            )
        backbone = base.backbone.config
        if (
            card.width != backbone.width
            or max(card.blocks, default=0) >= backbone.layers
            or not 1 <= card.max_length <= backbone.positions
        ):
            raise UserInputError(
                _(
                    "The card of the adapter '{name}' does not fit its base '{base}': import the adapter again, or "
                    "train it anew."
                ).format(name=name, base=base.card.name)
            )
        with self.mending(name):
            return read(self.path(name), card), card

    def training_texts(self, card: AdapterCard) -> NDArray[np.int64] | None:
        """Return the sorted hashes of the texts that the adapter was trained on, None where it has no record of them.

        Adapters of earlier versions have none, nor have those that come with the program."""
        import torch

        from weibo_tui.registry.weights import read_tensors

        with self.mending(card.name):
            texts = read_tensors(self.path(card.name) / WEIGHTS, card.weights_sha256).get(TEXTS)
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
        """Keep an adapter under its card's name, with the hashes of its training `texts`. Raises UserInputError where
        the name is taken."""
        self.check_free(card.name, overwrite)
        with atomic_folder(self.folder / card.name, replace=overwrite) as folder:
            return write(folder, adapter, card, texts)

    def hashes(self, card: AdapterCard) -> Mapping[str, str]:
        return {WEIGHTS: card.weights_sha256}

    def checked(self, card: AdapterCard, folder: Path, source: Path) -> Generator[Progress, None, AdapterCard]:
        """See `ModelStore`. The weights are loaded once, in a child process, as the card says."""
        (folder / CARD).write_bytes(cards.write(card))
        yield from isolated.run(check, source, folder)
        return card

    def check(self, name: str) -> None:
        """See `ModelStore`."""
        read(self.path(name), self.card(name))


def write(folder: Path, adapter: Adapter, card: AdapterCard, texts: NDArray[np.int64] | None = None) -> AdapterCard:
    """Write an adapter into an empty folder, with the hashes of its training `texts`, and read it back; its card, with
    the hash of the weights."""
    import numpy as np
    import torch

    from weibo_tui.registry.serialization import save_tensors

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in adapter.state_dict().items()}
    if texts is not None:
        tensors[TEXTS] = torch.from_numpy(np.unique(texts))
    save_tensors(tensors, folder / WEIGHTS)
    card = dataclasses.replace(card, weights_sha256=sha256(folder / WEIGHTS))
    (folder / CARD).write_bytes(cards.write(card))
    read(folder, cards.read(folder / CARD, AdapterCard))
    return card


def read(folder: Path, card: AdapterCard) -> Adapter:
    """Load the adapter in `folder`. Raises UserInputError or CorruptFileError where its weights are not what the card
    says."""
    from weibo_tui.engine.adapter import Adapter, AdapterConfig
    from weibo_tui.registry.weights import read_tensors

    config = AdapterConfig(card.width, card.blocks, len(card.labels), card.bottleneck, card.activation, card.dropout)
    tensors = read_tensors(folder / WEIGHTS, card.weights_sha256)
    tensors.pop(TEXTS, None)
    return Adapter.load(config, tensors)


def check(source: Path, folder: Path | str) -> None:
    """Check an adapter that came from `source` and is in `folder`. Raises UserInputError where it cannot be loaded."""
    try:
        read(Path(folder), cards.read(Path(folder) / CARD, AdapterCard))
    except (UserInputError, CorruptFileError) as error:
        raise UserInputError(
            _("{source} is not a working adapter ({reason}). Export it again where it was made.").format(
                source=source, reason=short(str(error.__cause__ or error).rstrip("."), 300)
            )
        ) from error
