"""What the history holds, and how each kind of entry is a row of its table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from weibo_tui.locale import gettext as _
from weibo_tui.storage.codec import UNREADABLE, from_json, pack, to_json, unpack, unpack_name

ANALYSIS_COLUMNS = (
    "id, text, label, confidence, probabilities, uncertain, adapter, truncated, characters, characters_read, "
    "milliseconds, created_at, source, error, corrected"
)
FILE_COLUMNS = "id, path, out, adapter, rows, failed, counts, created_at"
# In place of a moment that is no text. SQLite puts such a row before all others too, where the newest are.
UNKNOWN_MOMENT = "9999-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Analysis:
    """One verdict on one post. A post that failed has an ``error``, the label "" and the confidence None."""

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
    """As `weibo_tui.storage.codec.timestamp` gives it: the history's order stands on it."""
    source: str
    """Where the post came from: ``cli``, ``stdin``, ``app`` or ``python``."""
    error: str | None = None
    id: int | None = None
    """Given by the history."""
    corrected: str | None = None
    """The label that a person gave instead, or to confirm the verdict."""

    @property
    def settled_label(self) -> str:
        """The label that counts: the corrected one where there is one, else the verdict."""
        return self.label if self.corrected is None else self.corrected


@dataclass(frozen=True, slots=True)
class LabeledFile:
    """A file that was labelled, as one entry: ``counts`` are rows by label, ``failed`` those without one."""

    path: Path
    out: Path
    adapter: str
    rows: int
    failed: int
    counts: dict[str, int]
    created_at: str
    id: int | None = None


Entry = Analysis | LabeledFile


def analysis_row(analysis: Analysis) -> tuple[Any, ...]:
    """The values of ANALYSIS_COLUMNS."""
    return (
        analysis.id,
        pack(analysis.text),
        pack(analysis.label),
        analysis.confidence,
        to_json(analysis.probabilities),
        analysis.uncertain,
        pack(analysis.adapter),
        analysis.truncated,
        analysis.characters,
        analysis.characters_read,
        analysis.milliseconds,
        analysis.created_at,
        analysis.source,
        _packed(analysis.error),
        _packed(analysis.corrected),
    )


def read_analysis(row: Sequence[Any]) -> Analysis:
    """The analysis whose ANALYSIS_COLUMNS these are; one that the disk damaged has an error that says so."""
    try:
        return _analysis(row)
    except UNREADABLE:
        said, text = _("the disk damaged this entry"), _readable(row[1])
        return Analysis(
            id=int(row[0]),
            text=text,
            label="",
            confidence=None,
            probabilities={},
            uncertain=False,
            adapter="",
            truncated=False,
            characters=0,
            characters_read=0,
            milliseconds=0.0,
            created_at=_moment(row[11]),
            source="",
            error=said,
        )


def _analysis(row: Sequence[Any]) -> Analysis:
    """Return the analysis of a row. Raise ValueError where a screen could not show it."""
    confidence, probabilities = row[3], _by_label(row[4], _is_share)
    if not (confidence is None and row[13] is not None) and not _is_share(confidence):
        raise ValueError("the confidence is no share")
    if not isfinite(row[10]) or not isinstance(row[11], str):
        raise ValueError("the times are none")
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
        created_at=unpack_name(row[11]),
        source=unpack_name(row[12]),
        error=None if row[13] is None else unpack(row[13]),
        corrected=None if row[14] is None else unpack_name(row[14]),
    )


def file_row(file: LabeledFile) -> tuple[Any, ...]:
    """The values of FILE_COLUMNS."""
    return (
        file.id,
        pack(str(file.path)),
        pack(str(file.out)),
        pack(file.adapter),
        file.rows,
        file.failed,
        to_json(file.counts),
        file.created_at,
    )


def read_file(row: Sequence[Any]) -> LabeledFile:
    """The labelled file whose FILE_COLUMNS these are; one that the disk damaged says so in its adapter's place."""
    try:
        return _labelled_file(row)
    except UNREADABLE:
        path, out = (Path(_readable(value)) for value in row[1:3])
        return LabeledFile(path, out, _("the disk damaged this entry"), 0, 0, {}, _moment(row[7]), int(row[0]))


def _labelled_file(row: Sequence[Any]) -> LabeledFile:
    if not isinstance(row[7], str):
        raise ValueError("the moment is none")
    return LabeledFile(
        id=int(row[0]),
        path=Path(unpack(row[1])),
        out=Path(unpack(row[2])),
        adapter=unpack_name(row[3]),
        rows=int(row[4]),
        failed=int(row[5]),
        counts=_by_label(row[6], lambda count: type(count) is int),
        created_at=unpack_name(row[7]),
    )


def _moment(value: Any) -> str:
    return value if isinstance(value, str) else UNKNOWN_MOMENT


def _readable(value: Any) -> str:
    """What can be shown of a text that the disk may have damaged."""
    try:
        return unpack(value)
    except UNREADABLE:
        return repr(value)


def _by_label(text: str, is_sound: Callable[[Any], bool]) -> dict[str, Any]:
    """Return the figures by label that a row holds as JSON. Raise ValueError for other JSON."""
    figures = from_json(text)
    if not isinstance(figures, dict) or not all(map(is_sound, figures.values())):
        raise ValueError("the figures are none")
    return {unpack_name(label): figure for label, figure in figures.items()}


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def _packed(text: str | None) -> str | bytes | None:
    return None if text is None else pack(text)
