"""Python values as SQLite columns, and back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

DECODE_ERRORS = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError)
"""Raised by decoding a row where a value in it is not of its kind."""

MAX_NAME_LENGTH = 1000
"""Characters of a label or a name. Longer ones are never written, and would hold up the screen."""


def timestamp(moment: datetime | None = None) -> str:
    """Return `moment` (default: now) as ISO-8601 UTC to the millisecond: `2026-01-31T12:00:00.000Z`.

    The width is fixed, so that the strings sort as the moments do.
    """
    utc = (moment or datetime.now(UTC)).astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def local_time(value: str) -> str:
    """Return a timestamp in local time to the second, `2026-01-31 20:00:00`, or unchanged if it is invalid."""
    try:
        return f"{datetime.fromisoformat(value).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):
        return value


def pack(text: str) -> str | bytes:
    """Return `text` for a TEXT column. `unpack` returns it exactly."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate is not UTF-8, and SQLite's binding refuses it. A BLOB is stored as it is in any column.
        return text.encode("utf-8", "surrogatepass")
    return text


def unpack(value: str | bytes) -> str:
    """Return the text that `pack` got."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


def unpack_name(value: str | bytes) -> str:
    """Return the label or the name that `pack` got. Raise ValueError for one that no table has room for."""
    name = unpack(value)
    if len(name) > MAX_NAME_LENGTH:
        raise ValueError("too long for a name")
    return name


def to_json(value: Any) -> str:
    """Return `value` as ASCII JSON. Lone surrogates become escapes, NaN and infinity null."""
    return json.dumps(_finite(value), allow_nan=False, default=os.fspath)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
