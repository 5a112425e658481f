"""Parts of a document: tables, pictures and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from weibo_tui.presentation.pictures.svg import Picture


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts. The first cell of a row is its heading."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


Part: TypeAlias = Table | Picture | str
"""A table, a picture, or a sentence."""
