"""How Python values are put into SQLite columns, and come back the same."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def timestamp(moment: datetime | None = None) -> str:
    """``moment`` (now, if none is given) as ISO-8601 UTC to the millisecond: ``2026-01-31T12:00:00.000Z``.

    Always of one width, so that the order of the strings is the order of the moments.
    """
    utc = (moment or datetime.now(UTC)).astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def pack(text: str) -> str | bytes:
    """``text`` for a TEXT column; `unpack` gives it back exactly, whatever it holds."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate is no UTF-8, and SQLite's binding refuses it. A BLOB is kept as it is, whatever the
        # column's type.
        return text.encode("utf-8", "surrogatepass")
    return text


def unpack(value: str | bytes) -> str:
    """The text that `pack` was given."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


def to_json(value: Any) -> str:
    """``value`` as JSON in pure ASCII: lone surrogates survive as escapes, numbers not finite become null."""
    return json.dumps(_finite(value), allow_nan=False, default=os.fspath)


def from_json(text: str) -> Any:
    """The value that `to_json` was given."""
    return json.loads(text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
