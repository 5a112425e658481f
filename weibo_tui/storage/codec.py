"""How Python values are put into SQLite columns, and come back the same."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

UNREADABLE = (AttributeError, LookupError, OverflowError, TypeError, ValueError)
"""What reading a row raises where a value in it is not of its kind."""

LONGEST_NAME = 1000
"""Characters of a label or a name; longer ones are never made, and would hold up the screen."""


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


def unpack_name(value: str | bytes) -> str:
    """Return the label or the name that `pack` was given. Raise ValueError for one that no table has room for."""
    name = unpack(value)
    if len(name) > LONGEST_NAME:
        raise ValueError("too long for a name")
    return name


def to_json(value: Any) -> str:
    """``value`` as JSON in pure ASCII: lone surrogates survive as escapes, numbers not finite become null."""
    return json.dumps(_finite(value), allow_nan=False, default=os.fspath)


def from_json(text: str) -> Any:
    """Return the value that `to_json` was given. Raise one of UNREADABLE for what it never writes: text that nests too
    deeply, NaN, or a whole number beyond all floats, which no screen can show."""
    try:
        return json.loads(text, parse_int=_whole_number, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _whole_number(digits: str) -> int:
    number = int(digits)
    float(number)
    return number


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
