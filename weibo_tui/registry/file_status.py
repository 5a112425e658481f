"""The size, shape and missing files of a stored base or adapter, without loading it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.atomic import read_bounded
from weibo_tui.registry.bases import CONFIG, Bases
from weibo_tui.registry.cards import Card
from weibo_tui.registry.store import ModelStore


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
