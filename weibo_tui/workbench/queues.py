"""The two queues of posts to annotate, which never share a text: a random sample, and posts to learn from.

The sample is the beginning of a random order of all rows. Once posts are chosen to learn from, the sample ends at a
fixed rank, and no text of a row before it is ever chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import numpy as np

from weibo_tui.engine import teaching

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIRST_OF = 20_000
"""Rows, in random order, among which the first posts of each label are looked for."""


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
    """The rows to train on, in batches: random, or those from which a model learns most. Each text is in it once."""

    def __init__(
        self,
        order: NDArray[np.int32],
        end: int,
        text_keys: NDArray[np.int64],
        predicted: NDArray[np.integer],
        margins: NDArray[np.floating] | None,
        read_text: Callable[[int], str],
    ) -> None:
        """`order` is that of the sample, which ends at the rank `end`. The other arrays are of all rows (rows,).

        Without `margins` all rows are random."""
        rest = order[end:]
        rest = rest[np.sort(np.unique(text_keys[rest - 1], return_index=True)[1])]
        self._rows = rest[~np.isin(text_keys[rest - 1], text_keys[order[:end] - 1])]
        keys = text_keys[self._rows - 1]
        self._by_key = np.argsort(keys)
        self._sorted_keys = keys[self._by_key]
        self._text_keys, self._predicted, self._margins = text_keys, predicted, margins
        self._read_text = read_text
        self._batch: list[int] = []

    def left(self, answered: Collection[int]) -> int:
        """Return the number of rows whose text has no answer yet."""
        return len(self._rows) - len(self._places(answered))

    def next(self, answered: Collection[int], taught: int) -> int | None:
        """Return the next row whose text is not that of an answered row. `taught` is the number of answers so far."""
        self._batch = [row for row in self._batch if row not in answered]
        if not self._batch:
            is_left = np.ones(len(self._rows), np.bool_)
            is_left[self._places(answered)] = False
            rows = self._rows[is_left]
            first = teaching.FIRST - taught
            self._batch = self._first(rows, first) if first > 0 else self._next_batch(rows)
        return self._batch[0] if self._batch else None

    def _places(self, answered: Collection[int]) -> NDArray[np.int64]:
        """Return the places of the rows whose text is that of an answered row."""
        numbers = np.fromiter(answered, np.int64, len(answered))
        keys = np.unique(self._text_keys[numbers - 1])
        found = np.searchsorted(self._sorted_keys, keys)
        is_known = np.append(self._sorted_keys, 0)[found] == keys if len(keys) else np.zeros(0, np.bool_)
        return self._by_key[found[is_known & (found < len(self._rows))]]

    def _first(self, rows: NDArray[np.int32], number: int) -> list[int]:
        some = rows[:_FIRST_OF]
        chosen = teaching.first_posts(self._predicted[some - 1].tolist(), number)
        return [int(row) for row in some[chosen]]

    def _next_batch(self, rows: NDArray[np.int32]) -> list[int]:
        """Return a batch of random rows, or of random and uncertain ones, in random order."""
        if self._margins is None:
            return [int(row) for row in rows[: teaching.BATCH]]
        drawn, others = rows[: teaching.RANDOM], rows[teaching.RANDOM :]
        uncertain = others[teaching.uncertain_posts(self._margins[others - 1])]
        features = teaching.text_features([self._read_text(row) for row in uncertain.tolist()])
        chosen = teaching.most_uncertain_of_clusters(features, teaching.BATCH - teaching.RANDOM)
        batch = np.concatenate([drawn, uncertain[chosen]])
        return [int(row) for row in rows[np.isin(rows, batch)]]
