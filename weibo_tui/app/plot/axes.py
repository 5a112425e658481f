"""Axes of charts: their range, their ticks, and how numbers are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from math import ceil, floor, isfinite, log10
from sys import float_info

_FLAT = 1e-6  # a span below this share of its numbers counts as zero: labels would have too many digits
_MIN_SPAN = 1e-300
_ROUNDING = 1e-9
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

Tick = tuple[float, str]
"""A position on an axis, and its label."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A range from `low` to `high` and its ticks. On a logarithmic axis all positions are decimal logarithms."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    def scale(self, dots: int) -> tuple[float, float]:
        """Return (a, b), so that position p is a + b·p dots from the low end, and `high` is `dots` - 1 dots from it."""
        # Halves, because the span of the largest numbers overflows a float.
        factor = (dots - 1) / 2 / (self.high / 2 - self.low / 2)
        return -self.low * factor, factor


def linear(low: float, high: float, max_ticks: int) -> Axis:
    """Return an axis from `low` to `high` with about `max_ticks` ticks at multiples of 1, 2 or 5 × 10^k.

    It starts and ends a little further out, at rounder numbers, so that it does not move with most new values. If all
    values are equal, their value is the only tick, in the middle.
    """
    if not is_span(low, high, _FLAT):
        size = max(abs(low), abs(high))
        margin = size / 10 if size > _MIN_SPAN else 1.0
        middle = low / 2 + high / 2
        return Axis(
            max(low - margin, -float_info.max), min(high + margin, float_info.max), ((middle, format_number(middle)),)
        )
    low, high = _round_out(low, high)
    steps = _steps(floor(log10(high / max_ticks - low / max_ticks)))
    return Axis(low, high, _choose_ticks((_multiples(*step, low, high) for step in steps), max_ticks))


def logarithmic(low: float, high: float, max_ticks: int) -> Axis:
    """Return a logarithmic axis from `low` > 0 to `high` with about `max_ticks` ticks.

    They are at decades, at 1, 2 and 5 of each if there is room, or at round numbers within a single decade."""
    start, end = log10(low), log10(high)
    if not is_span(low, high, _FLAT):
        return Axis(start - 0.5, end + 0.5, ((start / 2 + end / 2, format_number(low)),))
    start, end = _round_out(start, end)
    choices: list[Iterable[Tick]] = []
    if high / 10 < low:
        choices.append(
            (log10(position), label) for position, label in linear(low, high, max_ticks).ticks if position > 0
        )
    decades = range(floor(start), ceil(end) + 1)
    choices.append((decade + log10(digit), _power(digit, decade)) for decade in decades for digit in (1, 2, 5))
    for distance in (1, 2, 5, 10, 20, 50, 100, 200):
        choices.append([(float(decade), _power(1, decade)) for decade in decades if decade % distance == 0])
    within = (tuple(tick for tick in ticks if start <= tick[0] <= end) for ticks in choices)
    return Axis(start, end, _choose_ticks(within, max_ticks))


def is_span(low: float, high: float, part: float = _ROUNDING) -> bool:
    """Return True if `low` and `high` differ by more than `part` of their size."""
    return high / 2 - low / 2 > max(max(abs(low), abs(high)) * part / 2, _MIN_SPAN)


def format_number(value: float) -> str:
    """Return a number with four significant digits, and whole numbers below ten million in full."""
    size = abs(value)
    if size < 1e7 and value == int(value):
        return str(int(value))
    if 1e-4 <= size < 1e5:
        return f"{value:.4g}" if size < 1e4 else f"{value:.0f}"
    for unit, suffix in _UNITS:
        if unit <= size < 1000 * unit:
            return f"{value / unit:.4g}{suffix}"
    return _scientific(value, 3)


def _choose_ticks(choices: Iterable[tuple[Tick, ...]], max_ticks: int) -> tuple[Tick, ...]:
    """Return the first of `choices`, from fine to coarse, with at max_ticks `max_ticks` ticks.

    Return the one before it if it has fewer than three."""
    finer: tuple[Tick, ...] = ()
    for ticks in choices:
        if finer and len(ticks) < min(max_ticks, 3):
            break
        finer = ticks
        if len(ticks) <= max_ticks:
            break
    return finer


def _round_out(low: float, high: float) -> tuple[float, float]:
    """Round down and up, to about two digits of the span."""
    unit = float(f"1e{floor(log10(high / 20 - low / 20))}")
    down, up = floor(low / unit + _ROUNDING) * unit, ceil(high / unit - _ROUNDING) * unit
    return max(down, -float_info.max), min(up, float_info.max)


def _steps(exponent: int) -> Iterator[tuple[int, int]]:
    """Yield (digit, exponent) of 1, 2, 5 × 10^k, ascending."""
    for power in count(exponent):
        for digit in (1, 2, 5):
            yield digit, power


def _multiples(digit: int, exponent: int, low: float, high: float) -> tuple[Tick, ...]:
    """Return the multiples of a step from `low` to `high`."""
    step = float(f"{digit}e{exponent}")
    numbers = range(ceil(low / step - _ROUNDING), floor(high / step + _ROUNDING) + 1)
    positions = [number * step for number in numbers if isfinite(number * step)]
    largest = max(map(abs, positions), default=0.0)
    return tuple((position, _label(position, exponent, largest)) for position in positions)


def _label(value: float, exponent: int, largest: float) -> str:
    """Format a multiple of a step of 10^`exponent` in the same way as all others up to `largest`."""
    if value == 0:
        return "0"
    if not 1e-3 <= largest < 1e15:
        return _scientific(value, max(floor(log10(abs(value)) + _ROUNDING) - exponent, 0))
    unit, suffix = 1.0, ""
    if largest >= 1e5:
        unit, suffix = next(pair for pair in _UNITS if pair[0] <= largest)
        exponent -= round(log10(unit))
    return f"{value / unit:.{max(-exponent, 0)}f}{suffix}"


def _power(digit: int, exponent: int) -> str:
    value = float(f"{digit}e{exponent}")
    return _label(value, exponent, value) if -4 < exponent < 15 else f"{digit}e{exponent}"


def _scientific(value: float, digits: int) -> str:
    mantissa, _e, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if digits else mantissa}e{int(exponent)}"
