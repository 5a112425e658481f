"""A prediction as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weibo_tui.storage.history import Analysis


def to_dict(analysis: Analysis) -> dict[str, Any]:
    """Return the object that `weibo-tui predict --json` prints. Only a failed post has an `error`."""
    failed = analysis.error is not None
    value: dict[str, Any] = {
        "text": analysis.text,
        "label": None if failed else analysis.label,
        "confidence": analysis.confidence,
        "probabilities": analysis.probabilities,
        "uncertain": None if failed else analysis.uncertain,
        "adapter": analysis.adapter,
        "truncated": analysis.truncated,
    }
    return value | {"error": analysis.error} if failed else value
