"""Entries for a history, and its order and filters in plain Python to compare with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from weibo_tui.storage.codec import pack
from weibo_tui.storage.history import Analysis, Entry, HistoryFilter, HistoryOrder, LabeledFile
from weibo_tui.storage.search import fold

ANALYSIS = Analysis(
    text="雨停了，去江边走走[太阳]",
    label="positive",
    confidence=0.9375,
    probabilities={"negative": 0.0625, "positive": 0.9375},
    uncertain=False,
    adapter="weather",
    truncated=False,
    characters=13,
    characters_read=13,
    milliseconds=8.5,
    created_at="2026-01-31T12:00:00.000Z",
    source="cli",
)
FAILED = replace(
    ANALYSIS, text="http://t.cn/a", label="", confidence=None, probabilities={}, error="The post is empty."
)
FILE = LabeledFile(
    path=Path("/data/posts.csv"),
    out=Path("/data/labelled.csv"),
    adapter="weather",
    rows=5,
    failed=1,
    counts={"negative": 1, "positive": 3},
    created_at="2026-01-31T12:00:00.000Z",
)


def at(second: int) -> str:
    """Return a timestamp on the day of the entries above."""
    return f"2026-01-31T12:00:{second:02}.000Z"


def newest_first(entries: Iterable[Entry]) -> list[Entry]:
    """Sort entries as the history does."""
    return sorted(
        entries, key=lambda entry: (entry.created_at, isinstance(entry, Analysis), entry.id or 0), reverse=True
    )


def in_order(entries: Iterable[Entry], order: HistoryOrder) -> list[Entry]:
    """Sort entries as a list of this order does."""
    newest = newest_first(entries)
    if order.column == "time":
        return newest if order.descending else newest[::-1]
    values: list[tuple[bool, float | bytes, Analysis]] = []
    rest: list[Entry] = []
    for entry in newest:
        if not isinstance(entry, Analysis) or (order.column == "confidence" and entry.confidence is None):
            rest.append(entry)
        else:
            name = "effective_label" if order.column == "label" else order.column
            packed = pack(value) if isinstance(value := getattr(entry, name), str) else value
            # SQLite sorts texts by their bytes, and before all blobs.
            values.append((isinstance(packed, bytes), packed.encode() if isinstance(packed, str) else packed, entry))
    values.sort(key=lambda item: (*item[:2], item[2].created_at, item[2].id), reverse=order.descending)
    return [entry for *_value, entry in values] + sorted(rest, key=lambda entry: isinstance(entry, LabeledFile))


def matches(entry: Entry, criteria: HistoryFilter) -> bool:
    """Return whether a filter matches an entry."""
    if isinstance(entry, LabeledFile):
        of_posts = (
            criteria.label,
            criteria.confidence_from,
            criteria.confidence_to,
            criteria.uncertain,
            criteria.corrected,
        )
        if criteria.text or criteria.source not in (None, "file") or any(field is not None for field in of_posts):
            return False
    elif not _matches(entry, criteria):
        return False
    day = entry.created_at[:10]
    return (
        criteria.adapter in (None, entry.adapter)
        and (criteria.since is None or day >= criteria.since.isoformat())
        and (criteria.until is None or day <= criteria.until.isoformat())
    )


def _matches(analysis: Analysis, criteria: HistoryFilter) -> bool:
    confidence = analysis.confidence
    least, most = criteria.confidence_from, criteria.confidence_to
    return (
        fold(criteria.text) in fold(analysis.text)
        and criteria.label in (None, analysis.effective_label)
        and criteria.source in (None, analysis.source)
        and criteria.uncertain in (None, analysis.uncertain)
        and criteria.corrected in (None, analysis.corrected is not None)
        and (least is None or (confidence is not None and confidence >= least))
        and (most is None or (confidence is not None and confidence <= most))
    )
