"""The part of the history that is in memory: a few hundred entries, extended at either end as the cursor nears it.

The functions that read the history run in the records thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from weibo_tui.storage.history import Analysis, Entry, History, HistoryFilter, HistoryOrder

PAGE = 100
"""Entries that are read at a time."""

MAX_ENTRIES = 3 * PAGE
"""Entries in memory; those far from the cursor are dropped when more come."""

Key = tuple[bool, int | None]
"""Identifies an entry: whether it is an analysis, and its id."""


def key_of(entry: Entry) -> Key:
    return isinstance(entry, Analysis), entry.id


@dataclass
class HistoryBuffer:
    """Neighboring entries of the list, and whether there are more at either end.

    `first` is the number of entries before all of these, None until they are counted.
    """

    entries: list[Entry] = field(default_factory=list)
    more_before: bool = False
    more_after: bool = False
    first: int | None = 0

    def index(self, key: Key) -> int | None:
        """Return the index of the entry with this key."""
        return next((index for index, entry in enumerate(self.entries) if key_of(entry) == key), None)

    def add_after(self, page: list[Entry]) -> int:
        """Add the page after the last entry. Return by how many rows the other entries move."""
        self.more_after = len(page) == PAGE
        entries = self.entries + page
        dropped = max(len(entries) - MAX_ENTRIES, 0)
        self.entries = entries[dropped:]
        self.more_before = self.more_before or dropped > 0
        if self.first is not None:
            self.first += dropped
        return -dropped

    def add_before(self, page: list[Entry]) -> int:
        """Add the page before the first entry. Return by how many rows the other entries move."""
        self.more_before = len(page) == PAGE
        entries = page + self.entries
        self.more_after = self.more_after or len(entries) > MAX_ENTRIES
        self.entries = entries[:MAX_ENTRIES]
        # Entries that were added since the count make it too small.
        if self.first is not None:
            self.first = max(self.first - len(page), 0) if self.more_before else 0
        return len(page)


def load_first(history: History, query: HistoryFilter, order: HistoryOrder) -> HistoryBuffer:
    """Load the first entries that match."""
    entries = history.page(PAGE, filter=query, order=order)
    return HistoryBuffer(entries, more_after=len(entries) == PAGE)


def load_last(history: History, query: HistoryFilter, order: HistoryOrder) -> HistoryBuffer:
    """Load the last entries that match."""
    entries = history.page(PAGE, filter=query, order=order, last=True)
    full = len(entries) == PAGE
    return HistoryBuffer(entries, more_before=full, first=None if full else 0)


def load_around(history: History, entry: Entry, query: HistoryFilter, order: HistoryOrder) -> HistoryBuffer:
    """Load the entries around the place of `entry`, which is among them if it matches and still exists."""
    before = history.page(PAGE, filter=query, after=entry, order=order)
    rest = history.page(PAGE + 1, filter=query, before=before[-1] if before else None, order=order)
    more_before = len(before) == PAGE
    return HistoryBuffer(before + rest, more_before, len(rest) > PAGE, first=None if more_before else 0)


def reload(history: History, entry: Entry, at_top: bool, query: HistoryFilter, order: HistoryOrder) -> HistoryBuffer:
    """Load the first entries where `at_top` is set and `entry` is among them, otherwise those around `entry`."""
    buffer = load_first(history, query, order)
    return buffer if at_top and buffer.index(key_of(entry)) is not None else load_around(history, entry, query, order)
