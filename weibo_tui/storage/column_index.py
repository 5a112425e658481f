"""The values of a column as numbers in their sorted order, so that rows are sorted and filtered on an array.

Numbers sort as numbers, before texts, which sort in any case. Values are compared by their first MAX_VALUE characters.
"""

from __future__ import annotations

import re
import tempfile
from array import array
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from weibo_tui.storage.search import fold

MAX_VALUE = 100
"""Characters of a value that are compared."""
EMPTY = -1
"""The code of an empty cell."""
_SEPARATOR = 0xFF  # no byte of UTF-8
_MAX_KNOWN = 50_000  # different values that are kept in memory
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ColumnIndex:
    """The codes of the rows (rows,), EMPTY or the place of the value in `values`, which holds them in their order.

    `values` is the folded values in UTF-8, each followed by _SEPARATOR, and `ends` the places of these. `is_long` is
    true if some value is longer than MAX_VALUE, so that its end is missing.
    """

    codes: NDArray[np.int16] | NDArray[np.int32]
    values: NDArray[np.uint8]
    ends: NDArray[np.int32]
    is_long: bool


class ColumnIndexer:
    """Collects the cells of a column. Many different values go to a temporary file."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {"": 0}
        self._codes = array("i")
        self._file: IO[bytes] | None = None
        self._rows = 0
        self._is_long = False

    def add(self, cell: str) -> None:
        """Add the cell of the next row."""
        self._rows += 1
        if len(cell) > MAX_VALUE:
            self._is_long, cell = True, cell[:MAX_VALUE]
        if self._file is not None:
            self._file.write(_encode(cell))
            return
        self._codes.append(self._known.setdefault(cell, len(self._known)))
        if len(self._known) > _MAX_KNOWN:
            self._spill()

    def skip(self, rows: int) -> None:
        """Add empty cells, up to this number of rows in all."""
        for _row in range(rows - self._rows):
            self.add("")

    def finish(self) -> ColumnIndex:
        """Return the index. Nothing can be added any more."""
        if self._file is None:
            values, codes = list(map(_fold, self._known)), np.frombuffer(self._codes, np.int32)
        else:
            with closing(self._file) as file:
                file.seek(0)
                values, codes = _distinct(file.read())
        self._known.clear()
        return _index(values, codes, self._is_long)

    def close(self) -> None:
        """Remove the temporary file."""
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=2**16)  # noqa: SIM115 - `finish` or `close` closes it
        known = list(map(_encode, self._known))
        for code in self._codes:
            self._file.write(known[code])
        self._known, self._codes = {}, array("i")


def _encode(cell: str) -> bytes:
    return _fold(cell).encode("utf-8", "surrogatepass") + b"\xff"


def _fold(cell: str) -> str:
    return cell.lower() if cell.isascii() else fold(cell)


def _distinct(data: bytes) -> tuple[list[str], NDArray[np.int32]]:
    """Return the different values in `data`, each followed by _SEPARATOR, and the place of each."""
    known: dict[bytes, int] = {}
    cells = data.split(b"\xff")[:-1]
    codes = np.fromiter((known.setdefault(cell, len(known)) for cell in cells), np.int32, len(cells))
    return [cell.decode("utf-8", "surrogatepass") for cell in known], codes


def _index(values: Sequence[str], codes: NDArray[np.int32], is_long: bool) -> ColumnIndex:
    """Return the index of codes that are places in `values`, in any order and with folded values repeated."""
    distinct = {*values} - {""}
    numbers = sorted(filter(is_number, distinct))
    numbers.sort(key=float)
    ordered = numbers + sorted(distinct.difference(numbers))
    places = {value: place for place, value in enumerate(ordered)} | {"": EMPTY}
    new_codes = np.array([places[value] for value in values], np.int32)[codes]
    encoded = b"".join(value.encode("utf-8", "surrogatepass") + b"\xff" for value in ordered)
    is_small = len(ordered) <= np.iinfo(np.int16).max  # which sorts ten times as fast
    data = np.frombuffer(encoded, np.uint8)
    ends = np.flatnonzero(data == _SEPARATOR).astype(np.int32)
    return ColumnIndex(new_codes.astype(np.int16) if is_small else new_codes, data, ends, is_long)


def is_number(value: str) -> bool:
    """Return whether a value sorts as a number."""
    return _NUMBER.fullmatch(value) is not None


def sort_codes(codes: NDArray[np.int16] | NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """Return the places of the rows in the order of their codes, EMPTY last, and the number of these."""
    last = np.where(codes == EMPTY, np.iinfo(codes.dtype).max, codes)
    return np.argsort(last, kind="stable").astype(np.int32), int((codes == EMPTY).sum())


class ColumnValues:
    """The `values` of a `ColumnIndex` and their `ends`, to be searched."""

    def __init__(self, values: NDArray[np.uint8], ends: NDArray[np.int32]) -> None:
        self._values = values
        self._ends = ends

    def containing(self, text: str) -> NDArray[np.bool_]:
        """Return which values contain a text, in any case (values + 1,). The last one is that of empty cells."""
        needle = np.frombuffer(_fold(text).encode("utf-8", "surrogatepass"), np.uint8)
        # The last bytes of a character differ most. Two of them leave few places, of which the rest is compared.
        matches = self._values[len(needle) - 1 :] == needle[-1]
        if len(needle) > 1:
            matches &= self._values[len(needle) - 2 : -1] == needle[-2]
        places = np.flatnonzero(matches)
        for offset, byte in enumerate(needle[:-2].tolist()):
            places = places[self._values[places + offset] == byte]
        found = np.zeros(len(self._ends) + 1, np.bool_)
        found[np.searchsorted(self._ends, places)] = True
        return found
