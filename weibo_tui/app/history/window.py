"""The part of the history that is in memory: a few hundred entries, extended at either end as the cursor nears it.

The functions that read the history run in the records thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from weibo_tui.storage.history import Analysis, Entry, History, HistoryFilter

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
    """Neighboring entries, newest first, and whether there are more at either end.

    `first` is the number of entries newer than all of these, None until they are counted.
    """

    entries: list[Entry] = field(default_factory=list)
    more_newer: bool = False
    more_older: bool = False
    first: int | None = 0

    def index(self, key: Key) -> int | None:
        """Return the index of the entry with this key."""
        return next((index for index, entry in enumerate(self.entries) if key_of(entry) == key), None)

    def add_older(self, page: list[Entry]) -> int:
        """Add the page after the last entry. Return by how many rows the other entries move."""
        self.more_older = len(page) == PAGE
        entries = self.entries + page
        dropped = max(len(entries) - MAX_ENTRIES, 0)
        self.entries = entries[dropped:]
        self.more_newer = self.more_newer or dropped > 0
        if self.first is not None:
            self.first += dropped
        return -dropped

    def add_newer(self, page: list[Entry]) -> int:
        """Add the page before the first entry. Return by how many rows the other entries move."""
        self.more_newer = len(page) == PAGE
        entries = page + self.entries
        self.more_older = self.more_older or len(entries) > MAX_ENTRIES
        self.entries = entries[:MAX_ENTRIES]
        # Entries that were added since the count make it too small.
        if self.first is not None:
            self.first = max(self.first - len(page), 0) if self.more_newer else 0
        return len(page)


def load_newest(history: History, query: HistoryFilter) -> HistoryBuffer:
    """Load the newest entries that match."""
    entries = history.page(PAGE, filter=query)
    return HistoryBuffer(entries, more_older=len(entries) == PAGE)


def load_oldest(history: History, query: HistoryFilter) -> HistoryBuffer:
    """Load the oldest entries that match."""
    before_all = Analysis("", "", None, {}, False, "", False, 0, 0, 0.0, created_at="", source="", id=0)
    entries = history.page(PAGE, filter=query, after=before_all)
    full = len(entries) == PAGE
    return HistoryBuffer(entries, more_newer=full, first=None if full else 0)


def load_around(history: History, entry: Entry, query: HistoryFilter) -> HistoryBuffer:
    """Load the entries around the place of `entry`, which is among them if it matches and still exists."""
    newer = history.page(PAGE, filter=query, after=entry)
    rest = history.page(PAGE + 1, filter=query, before=newer[-1] if newer else None)
    more_newer = len(newer) == PAGE
    return HistoryBuffer(newer + rest, more_newer, len(rest) > PAGE, first=None if more_newer else 0)


def reload(history: History, entry: Entry, at_top: bool, query: HistoryFilter) -> HistoryBuffer:
    """Load the newest entries where `at_top` is set and `entry` is among them, otherwise those around `entry`."""
    buffer = load_newest(history, query)
    return buffer if at_top and buffer.index(key_of(entry)) is not None else load_around(history, entry, query)


def count_newer(history: History, entry: Entry, query: HistoryFilter) -> int | None:
    """Return the number of matching entries newer than `entry`, None if its timestamp is damaged."""
    try:
        moment = datetime.fromisoformat(entry.created_at).astimezone(UTC) + timedelta(milliseconds=1)
    except ValueError:
        return None
    since = query.since if isinstance(query.since, datetime) else None
    count = history.count(replace(query, since=moment if since is None else max(moment, since.astimezone(UTC))))
    # The posts of a batch may have the same millisecond; their ids order them.
    newest = entry
    while page := history.page(PAGE, filter=query, after=newest):
        same_moment = sum(other.created_at == entry.created_at for other in page)
        count += same_moment
        if same_moment < len(page):
            break
        newest = page[0]
    return count
