"""What somebody hands in to be taken in: an exported adapter, an exported base, or a model of Hugging Face's layout."""

from __future__ import annotations

from pathlib import Path

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.registry import archives, cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import CONFIG, Bases
from weibo_tui.registry.cards import CARD, LARGEST_CARD, AdapterCard, BaseCard

_WANTED = {CARD: LARGEST_CARD, **Adapters.files, **Bases.files}


def recognise(source: Path) -> AdapterCard | BaseCard | None:
    """The card of what `source`, an archive or a folder, holds; None for a Hugging Face folder, which has none.

    Reads no further than the card, and promises nothing of the rest. Raises UserInputError for anything else."""
    if not source.exists():
        raise UserInputError(_("{path} is not there: check the name.").format(path=source))
    if source.is_dir() and not (source / CARD).is_file():
        if (source / CONFIG).is_file():
            return None
        message = _("{path} holds neither an adapter nor a base: name a folder with card.json or config.json in it.")
        raise UserInputError(message.format(path=source))
    data = archives.read(source, _WANTED, CARD)
    try:
        # Only the card of an adapter names a base.
        return cards.parse(data, AdapterCard) if b'"base_fingerprint"' in data else cards.parse(data, BaseCard)
    except ValueError as error:
        message = _("{source} holds no usable card: {reason}; export it again where it was made.")
        raise UserInputError(message.format(source=source, reason=error)) from error
