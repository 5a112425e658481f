"""Inspecting models as files without loading them: stored ones, and those to be imported."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.atomic import read_bounded
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.registry import archives, cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import CONFIG, Bases
from weibo_tui.registry.cards import CARD, MAX_CARD_SIZE, AdapterCard, BaseCard, Card
from weibo_tui.registry.store import ModelStore

_LIMITS = {CARD: MAX_CARD_SIZE, **Adapters.files, **Bases.files}


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a base: blocks, width of the hidden states, attention heads, positions, vocabulary size."""

    layers: int
    width: int
    heads: int
    positions: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class FileStatus:
    """The `size` in bytes of all files, the `missing` ones that the card expects, and the `shape` of a base."""

    size: int
    missing: tuple[str, ...]
    shape: Shape | None = None


def file_status(store: ModelStore[Card], name: str) -> FileStatus:
    """Return the status of `name`, from file names and sizes and config.json. Raises UserInputError where there is no
    such name."""
    folder = store.path(name)
    size = 0
    with suppress(OSError):  # another process may be deleting it
        size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    missing = tuple(file for file in store.files if not (folder / file).is_file())
    return FileStatus(size, missing, _read_shape(folder / CONFIG) if CONFIG in store.files else None)


def _read_shape(config: Path) -> Shape | None:
    """Read the shape from a config.json of this program, without the engine, because listing must not import torch."""
    try:
        values = json.loads(read_bounded(config, Bases.files[CONFIG]))
        sizes = [values[key] for key in ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size")]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return None
    return Shape(*sizes) if all(type(value) is int and 0 < value < 10**9 for value in sizes) else None


def detect_card(source: Path) -> AdapterCard | BaseCard | None:
    """Return the card in `source`, an archive or a folder; None for a Hugging Face folder, which has no card.

    Reads the card only and checks nothing else. Raises UserInputError for anything else."""
    if not source.exists():
        raise UserInputError(_("File not found: {path}. Check the name.").format(path=source))
    if source.is_dir() and not (source / CARD).is_file():
        if (source / CONFIG).is_file():
            return None
        message = _(
            "{path} contains neither an adapter nor a base. Give a folder that contains card.json or config.json."
        )
        raise UserInputError(message.format(path=source))
    data = archives.read(source, _LIMITS, CARD)
    try:
        # Only an adapter's card names a base.
        return cards.parse(data, AdapterCard) if b'"base_fingerprint"' in data else cards.parse(data, BaseCard)
    except ValueError as error:
        message = _("Invalid card in {source}: {reason}. Export it again from its source.")
        raise UserInputError(message.format(source=source, reason=error)) from error
