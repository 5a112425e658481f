"""What a card does not say of what lies beside it: how large it is, which shape it has, whether it is all there."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.atomic import read_bounded
from weibo_tui.registry.bases import CONFIG
from weibo_tui.registry.cards import Card
from weibo_tui.registry.store import ModelStore

_LARGEST_CONFIG = 2**20


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a base: blocks, width of the states, attention heads, tokens it reads, tokens it knows."""

    layers: int
    width: int
    heads: int
    positions: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class FileStatus:
    """`size` in bytes of all files on the disk; `missing` are those that the card counts on; a `shape` has a base."""

    size: int
    missing: tuple[str, ...]
    shape: Shape | None = None


def condition(shelf: ModelStore[Card], name: str) -> FileStatus:
    """The condition of `name`. Looks at names and sizes, not into weights. UserInputError where there is no such
    name."""
    folder = shelf.path(name)
    size = 0
    with suppress(OSError):  # it may be on its way out
        size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    missing = tuple(file for file in shelf.files if not (folder / file).is_file())
    return FileStatus(size, missing, _shape(folder / CONFIG) if CONFIG in shelf.files else None)


def _shape(config: Path) -> Shape | None:
    """The shape in a `config.json` as we write it; read without the engine, so that a listing needs no torch."""
    try:
        values = json.loads(read_bounded(config, _LARGEST_CONFIG))
        found = [values[key] for key in ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size")]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return None
    return Shape(*found) if all(type(value) is int and 0 < value < 10**9 for value in found) else None
