"""The part of the history that is in memory: a few hundred rows, loaded further at either end as one comes near it.

The questions stand here too. They are for the records' thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from weibo_tui.storage.history import Analysis, Entry, History, HistoryFilter

PAGE = 100
"""Entries that one question asks for."""

KEPT = 3 * PAGE
"""Entries that are kept; those far from the cursor go when more come."""

Key = tuple[bool, int | None]
"""Tells an entry from all others: whether it is an analysis, and its id among those."""


def key_of(entry: Entry) -> Key:
    return isinstance(entry, Analysis), entry.id


@dataclass
class HistoryBuffer:
    """Neighbouring entries, newest first, and whether there are more on either side.

    `first` is the number of entries that are newer than all of these; None while nobody has counted them.
    """

    entries: list[Entry] = field(default_factory=list)
    more_newer: bool = False
    more_older: bool = False
    first: int | None = 0

    def index(self, key: Key) -> int | None:
        """Where the entry with this key stands."""
        return next((place for place, entry in enumerate(self.entries) if key_of(entry) == key), None)

    def add_older(self, page: list[Entry]) -> int:
        """Take in the page behind the last entry; by how much the entries moved up for it."""
        self.more_older = len(page) == PAGE
        entries = self.entries + page
        dropped = max(len(entries) - KEPT, 0)
        self.entries = entries[dropped:]
        self.more_newer = self.more_newer or dropped > 0
        if self.first is not None:
            self.first += dropped
        return -dropped

    def add_newer(self, page: list[Entry]) -> int:
        """Take in the page before the first entry; by how much the entries moved down for it."""
        self.more_newer = len(page) == PAGE
        entries = page + self.entries
        self.more_older = self.more_older or len(entries) > KEPT
        self.entries = entries[:KEPT]
        # Entries that came since they were counted make it too few: never fewer than none.
        if self.first is not None:
            self.first = max(self.first - len(page), 0) if self.more_newer else 0
        return len(page)


def newest(history: History, asked: HistoryFilter) -> HistoryBuffer:
    """The newest entries that match."""
    entries = history.page(PAGE, filter=asked)
    return HistoryBuffer(entries, more_older=len(entries) == PAGE)


def oldest(history: History, asked: HistoryFilter) -> HistoryBuffer:
    """The oldest entries that match."""
    before_all = Analysis("", "", None, {}, False, "", False, 0, 0, 0.0, created_at="", source="", id=0)
    entries = history.page(PAGE, filter=asked, after=before_all)
    full = len(entries) == PAGE
    return HistoryBuffer(entries, more_newer=full, first=None if full else 0)


def around(history: History, entry: Entry, asked: HistoryFilter) -> HistoryBuffer:
    """The entries around the place of `entry`, which is among them if it matches and still is there."""
    newer = history.page(PAGE, filter=asked, after=entry)
    rest = history.page(PAGE + 1, filter=asked, before=newer[-1] if newer else None)
    more_newer = len(newer) == PAGE
    return HistoryBuffer(newer + rest, more_newer, len(rest) > PAGE, first=None if more_newer else 0)


def again(history: History, entry: Entry, at_top: bool, asked: HistoryFilter) -> HistoryBuffer:
    """The entries as they are now: the newest, where those were shown and `entry` still is among them."""
    window = newest(history, asked)
    return window if at_top and window.index(key_of(entry)) is not None else around(history, entry, asked)


def newer_than(history: History, entry: Entry, asked: HistoryFilter) -> int | None:
    """How many entries that match are newer than `entry`; None where its moment cannot be read."""
    try:
        moment = datetime.fromisoformat(entry.created_at).astimezone(UTC) + timedelta(milliseconds=1)
    except ValueError:
        return None
    since = asked.since if isinstance(asked.since, datetime) else None
    found = history.count(replace(asked, since=moment if since is None else max(moment, since.astimezone(UTC))))
    # A batch of posts may be judged within one millisecond; those are told apart by their ids.
    place = entry
    while page := history.page(PAGE, filter=asked, after=place):
        together = sum(one.created_at == entry.created_at for one in page)
        found += together
        if together < len(page):
            break
        place = page[0]
    return found
