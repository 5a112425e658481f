"""What the history holds, and how each kind of entry is a row of its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from weibo_tui.locale import gettext as _
from weibo_tui.storage.values import from_json, pack, to_json, unpack

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
    """As `weibo_tui.storage.values.timestamp` gives it: the history's order stands on it."""
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
class LabelledFile:
    """A file that was labelled, as one entry: ``counts`` are rows by label, ``failed`` those without one."""

    path: Path
    out: Path
    adapter: str
    rows: int
    failed: int
    counts: dict[str, int]
    created_at: str
    id: int | None = None


Entry = Analysis | LabelledFile


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
    except (AttributeError, TypeError, ValueError):
        said, text = _("the disk damaged this entry"), row[1]
        return Analysis(
            id=int(row[0]),
            text=text if isinstance(text, str) else repr(text),
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
    confidence, probabilities = row[3], from_json(row[4])
    if not isinstance(probabilities, dict) or not all(map(_is_share, probabilities.values())):
        raise ValueError("the probabilities are no shares")
    if not (confidence is None and row[13] is not None) and not _is_share(confidence):
        raise ValueError("the confidence is no share")
    if not isfinite(row[10]) or not isinstance(row[11], str):
        raise ValueError("the times are none")
    return Analysis(
        id=int(row[0]),
        text=unpack(row[1]),
        label=unpack(row[2]),
        confidence=None if confidence is None else float(confidence),
        probabilities=probabilities,
        uncertain=bool(row[5]),
        adapter=unpack(row[6]),
        truncated=bool(row[7]),
        characters=int(row[8]),
        characters_read=int(row[9]),
        milliseconds=float(row[10]),
        created_at=unpack(row[11]),
        source=unpack(row[12]),
        error=_unpacked(row[13]),
        corrected=_unpacked(row[14]),
    )


def file_row(file: LabelledFile) -> tuple[Any, ...]:
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


def read_file(row: Sequence[Any]) -> LabelledFile:
    """The labelled file whose FILE_COLUMNS these are; one that the disk damaged says so in its adapter's place."""
    try:
        return _labelled_file(row)
    except (AttributeError, TypeError, ValueError):
        path, out = (Path(value if isinstance(value, str) else repr(value)) for value in row[1:3])
        return LabelledFile(path, out, _("the disk damaged this entry"), 0, 0, {}, _moment(row[7]), int(row[0]))


def _labelled_file(row: Sequence[Any]) -> LabelledFile:
    counts = from_json(row[6])
    if (
        not isinstance(row[7], str)
        or not isinstance(counts, dict)
        or not all(type(count) is int for count in counts.values())
    ):
        raise ValueError("the counts are none")
    return LabelledFile(
        id=int(row[0]),
        path=Path(unpack(row[1])),
        out=Path(unpack(row[2])),
        adapter=unpack(row[3]),
        rows=int(row[4]),
        failed=int(row[5]),
        counts=counts,
        created_at=unpack(row[7]),
    )


def _moment(value: Any) -> str:
    return value if isinstance(value, str) else UNKNOWN_MOMENT


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def _packed(text: str | None) -> str | bytes | None:
    return None if text is None else pack(text)


def _unpacked(value: str | bytes | None) -> str | None:
    return None if value is None else unpack(value)
