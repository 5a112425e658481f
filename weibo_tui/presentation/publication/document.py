"""Contents of a publication: tables, pictures and sentences, before they take a format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from weibo_tui.presentation.pictures.svg import Picture


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts. The first cell of a row is its heading."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


Part: TypeAlias = Table | Picture | str
"""A table, a picture, or a sentence."""


@dataclass(frozen=True, slots=True)
class Document:
    """A publication with a title. `numbers` are rows for a spreadsheet, `value` is everything, as JSON holds it."""

    title: str
    parts: Sequence[Part]
    numbers: Sequence[Mapping[str, Any]]
    value: Any

    @property
    def pictures(self) -> Sequence[Picture]:
        return [part for part in self.parts if isinstance(part, Picture)]

    def columns(self) -> Iterator[str]:
        """Yield the names of the columns of `numbers`, in the order of their first rows."""
        yield from dict.fromkeys(name for row in self.numbers for name in row)
