"""Numbers as text: shares, rates, sizes, durations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

NO_FIGURE = "–"


def percent(share: float | None, digits: int = 1) -> str:
    """Return `97.5%` for 0.975."""
    return NO_FIGURE if share is None or not math.isfinite(share) else f"{100 * share:.{digits}f}%"


def points(half_width: float | None) -> str:
    """Return `4.2` percentage points for 0.042."""
    return NO_FIGURE if half_width is None else f"{100 * half_width:.1f}"


def signed_points(difference: float | None) -> str:
    """Return `+4.2` percentage points for 0.042."""
    return NO_FIGURE if difference is None else f"{100 * difference:+.1f}"


def interval(ends: tuple[float, float] | None, shown: Callable[[float], str]) -> str:
    """Return `0.4 – 2.0` for both ends as `shown` gives them, or a dash."""
    return NO_FIGURE if ends is None else " – ".join(map(shown, ends))


def p_value(p: float | None) -> str:
    """Return the p of a test with three digits, `<0.001` for a smaller one."""
    if p is None:
        return NO_FIGURE
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def confidence(share: float | None, uncertain: bool) -> str:
    """Return the probability of a predicted label as a percentage, which does not contradict the threshold.

    Thresholds are mostly whole or half percents, so an uncertain one is not rounded up to one of these."""
    if share is not None and uncertain and math.isfinite(share):
        tenths = round(1000 * share)
        if tenths % 5 == 0 and tenths > 1000 * share:
            share = (tenths - 1) / 1000
    return percent(share)


def number(value: float | None, digits: int = 3) -> str:
    """Return `1,234.500`, or a dash for a missing number and for NaN."""
    return NO_FIGURE if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def per_second(rate: float | None, unit: str = "") -> str:
    """Return `1,234 tokens/s`, or nothing while the rate is unknown."""
    return "" if rate is None else f"{rate:,.0f}{unit}/s"


def duration(seconds: float) -> str:
    """Return `0:07`, `12:30` or `3:04:05`."""
    if not math.isfinite(seconds):
        return NO_FIGURE
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """Return a number of bytes in the unit that leaves one to three digits before the point."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.95 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def figure(value: object) -> float | None:
    """Return a value from a file if it is a finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # JSON has integers that no float holds
        return None


def mapping(value: object) -> Mapping[str, Any]:
    """Return a value from a file if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Any]:
    """Return a value from a file if it is a list, otherwise an empty one."""
    return value if isinstance(value, list | tuple) else ()
