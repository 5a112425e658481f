"""Parts of a document: tables, pictures and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from weibo_tui.presentation.numbers import NO_FIGURE
from weibo_tui.presentation.pictures.svg import Picture


@dataclass(frozen=True, slots=True)
class Table:
    """A table of figures as texts. The first cell of a row is its heading."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def filled(self) -> Table:
        """Return the table without columns that say nothing in any row."""
        columns = [
            column
            for column in range(len(self.header))
            if column == 0 or any(row[column] not in ("", NO_FIGURE) for row in self.rows)
        ]
        chosen = [[row[column] for column in columns] for row in (self.header, *self.rows)]
        return Table(self.title, chosen[0], chosen[1:])


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their texts, which describe something."""

    pairs: Sequence[tuple[str, str]]


Part: TypeAlias = Table | Facts | Picture | str
"""A part of a document; a text is a sentence."""
