"""Detecting what a path to be imported holds: an exported adapter, an exported base, or a Hugging Face folder."""

from __future__ import annotations

from pathlib import Path

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.registry import archives, cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import CONFIG, Bases
from weibo_tui.registry.cards import CARD, MAX_CARD_SIZE, AdapterCard, BaseCard

_LIMITS = {CARD: MAX_CARD_SIZE, **Adapters.files, **Bases.files}


def detect_card(source: Path) -> AdapterCard | BaseCard | None:
    """Return the card in `source`, an archive or a folder; None for a Hugging Face folder, which has no card.

    Reads the card only and checks nothing else. Raises UserInputError for anything else."""
    if not source.exists():
        raise UserInputError(_("{path} is not there: check the name.").format(path=source))
    if source.is_dir() and not (source / CARD).is_file():
        if (source / CONFIG).is_file():
            return None
        message = _("{path} holds neither an adapter nor a base: name a folder with card.json or config.json in it.")
        raise UserInputError(message.format(path=source))
    data = archives.read(source, _LIMITS, CARD)
    try:
        # Only an adapter's card names a base.
        return cards.parse(data, AdapterCard) if b'"base_fingerprint"' in data else cards.parse(data, BaseCard)
    except ValueError as error:
        message = _("{source} holds no usable card: {reason}; export it again where it was made.")
        raise UserInputError(message.format(source=source, reason=error)) from error
