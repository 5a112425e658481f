"""Entries of the history, how each kind is a row of its table, and the filter that selects some of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from weibo_tui.locale import gettext as _
from weibo_tui.storage.codec import DECODE_ERRORS, pack, timestamp, to_json, unpack, unpack_name

ANALYSIS_COLUMNS = (
    "id, text, label, confidence, probabilities, uncertain, adapter, truncated, characters, characters_read, "
    "milliseconds, created_at, source, error, corrected"
)
FILE_COLUMNS = "id, path, out, adapter, rows, failed, counts, created_at"

FILE_SOURCE = "file"
"""The source that labeled files are found under."""

# In place of a time that is not text. SQLite sorts this row as the newest too.
_UNKNOWN_TIME = "9999-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Analysis:
    """One prediction for one post. A post that failed has an `error`, the label "" and the confidence None."""

    text: str
    label: str
    confidence: float | None
    probabilities: dict[str, float]
    uncertain: bool
    adapter: str
    truncated: bool
    characters: int
    characters_read: int
    milliseconds: float
    created_at: str
    """From `weibo_tui.storage.codec.timestamp`, by which the history is sorted."""
    source: str
    """Where the post came from: `cli`, `stdin`, `app` or `python`."""
    error: str | None = None
    id: int | None = None
    """Assigned by the history."""
    corrected: str | None = None
    """The label that a user gave instead, or to confirm the prediction."""

    @property
    def effective_label(self) -> str:
        """The user's label if there is one, otherwise the predicted one."""
        return self.label if self.corrected is None else self.corrected


@dataclass(frozen=True, slots=True)
class LabeledFile:
    """A file that was labeled, as one entry. `counts` are rows by label, `failed` rows without one."""

    path: Path
    out: Path
    adapter: str
    rows: int
    failed: int
    counts: dict[str, int]
    created_at: str
    id: int | None = None


Entry = Analysis | LabeledFile


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Conditions on entries. A field that is None, or an empty text, is no condition.

    Labeled files match by adapter, date and source alone: with any other condition, none match.
    """

    text: str = ""
    """Occurs in the post, in upper or lower case. White space counts as it is."""
    label: str | None = None
    """`Analysis.effective_label`; "" is that of failed posts."""
    adapter: str | None = None
    source: str | None = None
    """`file` matches labeled files only."""
    since: date | None = None
    """A day in UTC, as entries are dated, or a datetime, which without a zone is local time."""
    until: date | None = None
    """Likewise, inclusive: a day to its end."""
    confidence_from: float | None = None
    confidence_to: float | None = None
    """Both inclusive."""
    uncertain: bool | None = None
    corrected: bool | None = None
    """True for entries with a user's label."""

    @property
    def earliest(self) -> str | None:
        """`since` as a timestamp."""
        return None if self.since is None else _day_time(self.since, "00:00:00.000")

    @property
    def latest(self) -> str | None:
        """`until` as a timestamp."""
        return None if self.until is None else _day_time(self.until, "23:59:59.999")

    @property
    def matches_analyses(self) -> bool:
        """True if an analysis can match at all."""
        return self.source != FILE_SOURCE

    @property
    def matches_files(self) -> bool:
        """True if a labeled file can match at all."""
        of_posts = (self.label, self.confidence_from, self.confidence_to, self.uncertain, self.corrected)
        return not self.text and self.source in (None, FILE_SOURCE) and all(field is None for field in of_posts)


EVERYTHING = HistoryFilter()

SortColumn = Literal["time", "label", "confidence", "text", "adapter", "source"]
"""The values that a list can be sorted by; `label` is `Analysis.effective_label`."""


@dataclass(frozen=True, slots=True)
class HistoryOrder:
    """The order of a list. Entries with the same value are in the order of their times, in the same direction."""

    column: SortColumn = "time"
    descending: bool = True

    @property
    def reversed(self) -> HistoryOrder:
        return replace(self, descending=not self.descending)


NEWEST_FIRST = HistoryOrder()
OLDEST_FIRST = NEWEST_FIRST.reversed


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """Values in the history that a filter can select, sorted. `labels` are effective ones, "" that of failed posts."""

    labels: tuple[str, ...]
    adapters: tuple[str, ...]
    sources: tuple[str, ...]


def _day_time(day: date, time: str) -> str:
    return timestamp(day) if isinstance(day, datetime) else f"{day.isoformat()}T{time}Z"


def entry_row(entry: Entry, columns: str) -> tuple[Any, ...]:
    """Return the values of ANALYSIS_COLUMNS or FILE_COLUMNS, which are the names of the fields."""
    return tuple(_encode(getattr(entry, column)) for column in columns.split(", "))


def _encode(value: Any) -> Any:
    if isinstance(value, dict):
        return to_json(value)
    return pack(str(value)) if isinstance(value, str | Path) else value


def read_analysis(row: Sequence[Any]) -> Analysis:
    """Return the analysis of a row of ANALYSIS_COLUMNS. If the disk damaged it, its error says so."""
    try:
        return _decode_analysis(row)
    except DECODE_ERRORS:
        message = _("this entry is damaged")
        unknown = Analysis("", "", None, {}, False, "", False, 0, 0, 0.0, _time(row[11]), "", message)
        return replace(unknown, id=int(row[0]), text=_legible(row[1]))


def _decode_analysis(row: Sequence[Any]) -> Analysis:
    confidence, probabilities, error = row[3], _decode_by_label(row[4], _is_share), row[13]
    if not _is_share(confidence) and (confidence is not None or error is None):
        raise ValueError("no confidence")
    if not isfinite(row[10]):
        raise ValueError("no duration")
    return Analysis(
        id=int(row[0]),
        text=unpack(row[1]),
        label=unpack_name(row[2]),
        confidence=None if confidence is None else float(confidence),
        probabilities=probabilities,
        uncertain=bool(row[5]),
        adapter=unpack_name(row[6]),
        truncated=bool(row[7]),
        characters=int(row[8]),
        characters_read=int(row[9]),
        milliseconds=float(row[10]),
        created_at=_decode_time(row[11]),
        source=unpack_name(row[12]),
        error=None if error is None else unpack(error),
        corrected=None if row[14] is None else unpack_name(row[14]),
    )


def read_file(row: Sequence[Any]) -> LabeledFile:
    """Return the labeled file of a row of FILE_COLUMNS. If the disk damaged it, its adapter's name says so."""
    try:
        return LabeledFile(
            id=int(row[0]),
            path=Path(unpack(row[1])),
            out=Path(unpack(row[2])),
            adapter=unpack_name(row[3]),
            rows=int(row[4]),
            failed=int(row[5]),
            counts=_decode_by_label(row[6], lambda count: type(count) is int),
            created_at=_decode_time(row[7]),
        )
    except DECODE_ERRORS:
        path, out = (Path(_legible(value)) for value in row[1:3])
        return LabeledFile(path, out, _("this entry is damaged"), 0, 0, {}, _time(row[7]), int(row[0]))


def _decode_time(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no time")
    return unpack_name(value)


def _time(value: Any) -> str:
    return value if isinstance(value, str) else _UNKNOWN_TIME


def _legible(value: Any) -> str:
    """Return what can be shown of a text that the disk may have damaged."""
    try:
        return unpack(value)
    except DECODE_ERRORS:
        return repr(value)


def _decode_by_label(text: str, is_valid: Callable[[Any], bool]) -> dict[str, Any]:
    """Return the numbers by label that a row holds as JSON. Raise ValueError for other JSON."""
    numbers = json.loads(text)
    if not isinstance(numbers, dict) or not all(map(is_valid, numbers.values())):
        raise ValueError("no numbers by label")
    return {unpack_name(label): number for label, number in numbers.items()}


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1
