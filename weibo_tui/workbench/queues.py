"""The two queues of posts to annotate, which never share a text: a random sample, and posts to learn from.

The sample is the beginning of a random order of all rows. Once posts are chosen to learn from, the sample ends at a
fixed rank, and no text of a row before it is ever chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from weibo_tui.engine import teaching

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SampleQueue:
    """The rows in random order, up to the rank at which the sample ends."""

    def __init__(self, order: NDArray[np.int32], end: int | None) -> None:
        self._order = order
        self._next = 0
        self.end = len(order) if end is None else min(end, len(order))

    def rank(self, row: int) -> int:
        """Return the rank of a row that has a text."""
        return int(np.flatnonzero(self._order == row)[0])

    def rewind(self) -> None:
        """Begin again at the first rank, because a row before the last one may have lost its answer."""
        self._next = 0

    def next(self, answered: Collection[int]) -> tuple[int, int] | None:
        """Return the first row that is not among the answered ones, with its rank. Return None at the end."""
        while self._next < self.end and int(self._order[self._next]) in answered:
            self._next += 1
        return None if self._next >= self.end else (int(self._order[self._next]), self._next)


class TeachQueue:
    """The rows from which a model learns most, in batches. Each text is in it once."""

    def __init__(
        self,
        order: NDArray[np.int32],
        end: int,
        text_keys: NDArray[np.int64],
        predicted: NDArray[np.integer],
        margins: NDArray[np.floating],
        read_text: Callable[[int], str],
    ) -> None:
        """`order` is that of the sample, which ends at the rank `end`. The other arrays are of all rows (rows,)."""
        rest = order[end:]
        keys = text_keys[rest - 1]
        rest = rest[np.sort(np.unique(keys, return_index=True)[1])]
        self._rows = rest[~np.isin(text_keys[rest - 1], text_keys[order[:end] - 1])]
        self._text_keys, self._predicted, self._margins = text_keys, predicted, margins
        self._read_text = read_text
        self._batch: list[int] = []

    def left(self, answered: Collection[int]) -> int:
        """Return the number of rows whose text has no answer yet."""
        return len(self._unanswered(answered))

    def next(self, answered: Collection[int], taught: int) -> int | None:
        """Return the next row whose text is not that of an answered row. `taught` is the number of answers so far."""
        self._batch = [row for row in self._batch if row not in answered]
        if not self._batch:
            rows = self._unanswered(answered)
            first = teaching.FIRST - taught
            self._batch = self._first(rows, first) if first > 0 else self._uncertain(rows)
        return self._batch[0] if self._batch else None

    def _unanswered(self, answered: Collection[int]) -> NDArray[np.int32]:
        known = self._text_keys[np.fromiter(answered, np.int64, len(answered)) - 1]
        return self._rows[~np.isin(self._text_keys[self._rows - 1], known)]

    def _first(self, rows: NDArray[np.int32], number: int) -> list[int]:
        chosen = teaching.first_posts(self._predicted[rows - 1].tolist(), number)
        return [int(rows[index]) for index in chosen]

    def _uncertain(self, rows: NDArray[np.int32]) -> list[int]:
        """Return a batch of uncertain rows and a few random ones, in random order."""
        monitor, others = rows[: teaching.MONITOR], rows[teaching.MONITOR :]
        uncertain = others[teaching.uncertain_posts(self._margins[others - 1])]
        features = teaching.text_features(self._texts(uncertain))
        chosen = teaching.most_uncertain_of_clusters(features, teaching.BATCH - teaching.MONITOR)
        batch = {*monitor.tolist(), *uncertain[chosen].tolist()}
        return [row for row in rows.tolist() if row in batch]

    def _texts(self, rows: NDArray[np.int32]) -> Sequence[str]:
        return [self._read_text(row) for row in rows.tolist()]
