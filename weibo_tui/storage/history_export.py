"""The columns of an exported history: the fixed ones, or readable ones with a column for each label."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from weibo_tui.storage.codec import local_time
from weibo_tui.storage.entries import Analysis

EXPORT_COLUMNS = (
    *("id", "created_at", "text", "label", "confidence", "adapter", "uncertain", "truncated", "characters"),
    *("characters_read", "milliseconds", "source", "probabilities", "error", "corrected", "label_source", "predicted"),
)
READABLE_COLUMNS = (
    *("id", "time", "text", "label", "confidence", "uncertain", "human_label", "predicted", "adapter", "source"),
    "error",
)
_DIGITS = 4


def export_columns(labels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the fixed columns, or with `labels` the readable ones."""
    return EXPORT_COLUMNS if labels is None else (*READABLE_COLUMNS, *(f"prob_{label}" for label in labels))


def export_row(analysis: Analysis, labels: Sequence[str] | None) -> list[Any]:
    """Return the cells of `export_columns`."""
    values: dict[str, Any] = {
        "label": analysis.effective_label,
        "label_source": "model" if analysis.corrected is None else "human",
        "predicted": analysis.label,
    }
    if labels is None:
        values["probabilities"] = json.dumps(analysis.probabilities, ensure_ascii=False)
        return [values[name] if name in values else getattr(analysis, name) for name in EXPORT_COLUMNS]
    values |= {
        "id": str(analysis.id),
        "time": local_time(analysis.created_at),
        "confidence": _rounded(analysis.confidence),
        "human_label": analysis.corrected,
    }
    cells = [values[name] if name in values else getattr(analysis, name) for name in READABLE_COLUMNS]
    return cells + [_rounded(analysis.probabilities.get(label)) for label in labels]


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, _DIGITS)
