"""Conditions on the rows of a labeled file, their orders, and the rows that are selected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NONE, CANNOT_TELL = -1, -2
"""Codes of labels: for a row without one, and for the human answer that the label cannot be told."""
CANNOT_TELL_LABEL = "\x1e"
"""The label that is written for CANNOT_TELL."""
NO_DATE = -(2**31)
MINUTES_OF_DAY = 24 * 60
OWN_ORDERS = ("row", "label", "predicted", "human", "confidence", "date", "text", "count")
"""Values of `RowOrder.column` that are no columns of the file."""


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Conditions on rows. A field that is None, or an empty text, is no condition.

    `label` is the human label or else the predicted one, `CANNOT_TELL_LABEL`, or "" for rows without any. `since` and
    `until` are days in China, both inclusive. `columns` are pairs of a column and a text that its cell contains, in any
    case. `distinct` keeps the first of the matching rows with the same text.
    """

    text: str = ""
    label: str | None = None
    predicted: str | None = None
    human: str | None = None
    confidence_from: float | None = None
    confidence_to: float | None = None
    uncertain: bool | None = None
    answered: bool | None = None
    disagreeing: bool | None = None
    flagged: bool | None = None
    since: date | None = None
    until: date | None = None
    columns: tuple[tuple[str, str], ...] = ()
    distinct: bool = False


ALL_ROWS = RowFilter()


@dataclass(frozen=True, slots=True)
class RowOrder:
    """The order of rows: by one of OWN_ORDERS, or by a column of the file, with empty cells last.

    Rows with the same value are in the order of the file, or descending in the opposite one.
    """

    column: str = "row"
    descending: bool = False

    @property
    def reversed(self) -> RowOrder:
        return replace(self, descending=not self.descending)


FILE_ORDER = RowOrder()


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows in an order: their numbers (total,), from 1."""

    numbers: NDArray[np.int32]

    @property
    def total(self) -> int:
        return len(self.numbers)

    def position(self, number: int) -> int | None:
        """Return the place of a row, from 0. Return None if it is not selected."""
        found = (self.numbers == number).nonzero()[0]
        return int(found[0]) if len(found) else None


@dataclass(slots=True)
class HumanLabels:
    """Human labels of the rows: codes (rows,) in `names`, NONE, or CANNOT_TELL; and which rows are flagged (rows,)."""

    names: list[str]
    codes: NDArray[np.int16]
    flagged: NDArray[np.bool_]

    def code(self, label: str) -> int | None:
        """Return the code of a label, None for one that no row has."""
        if label in ("", CANNOT_TELL_LABEL):
            return CANNOT_TELL if label else NONE
        return self.names.index(label) if label in self.names else None
