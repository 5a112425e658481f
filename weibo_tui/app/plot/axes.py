"""Axes of curves: from where to where, which values are named there, and how numbers are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from math import ceil, floor, isfinite, log10
from sys import float_info

_FLAT = 1e-6  # a span smaller than this part of its numbers is none: the labels would have too many digits
_LEAST_SPAN = 1e-300
_ROUNDING = 1e-9
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

Tick = tuple[float, str]
"""A place on an axis, and its label."""


@dataclass(frozen=True, slots=True)
class Axis:
    """`low` to `high`, and ticks within; of a logarithmic axis all places are decimal logarithms."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    def scale(self, dots: int) -> tuple[float, float]:
        """(a, b), so that a place p stands a + b·p dots from the low end; `high` is `dots` - 1 away."""
        # Halves, because the span of the largest numbers has no float.
        factor = (dots - 1) / 2 / (self.high / 2 - self.low / 2)
        return -self.low * factor, factor


def linear(low: float, high: float, most: int) -> Axis:
    """An axis that holds `low` to `high`, with about `most` ticks at 1, 2 or 5 × 10^k.

    It begins and ends a little further out, at a rounder number, so that it stands still for most values that come
    in. Where all values are one, that one is the only tick, in the middle.
    """
    if not is_span(low, high, _FLAT):
        size = max(abs(low), abs(high))
        around = size / 10 if size > _LEAST_SPAN else 1.0
        middle = low / 2 + high / 2
        return Axis(max(low - around, -float_info.max), min(high + around, float_info.max), ((middle, short(middle)),))
    low, high = _rounded(low, high)
    steps = _steps(floor(log10(high / most - low / most)))
    return Axis(low, high, _fitting((_multiples(*step, low, high) for step in steps), most))


def logarithmic(low: float, high: float, most: int) -> Axis:
    """An axis of logarithms that holds `low` > 0 to `high`, with about `most` ticks: at decades, at 1, 2 and 5 of
    each where there is room, and at any round numbers within a single one."""
    begin, end = log10(low), log10(high)
    if not is_span(low, high, _FLAT):
        return Axis(begin - 0.5, end + 0.5, ((begin / 2 + end / 2, short(low)),))
    begin, end = _rounded(begin, end)
    places: list[Iterable[Tick]] = []
    if high / 10 < low:
        places.append((log10(place), label) for place, label in linear(low, high, most).ticks if place > 0)
    decades = range(floor(begin), ceil(end) + 1)
    places.append((decade + log10(digit), _power(digit, decade)) for decade in decades for digit in (1, 2, 5))
    for apart in (1, 2, 5, 10, 20, 50, 100, 200):
        places.append([(float(decade), _power(1, decade)) for decade in decades if decade % apart == 0])
    within = (tuple(tick for tick in ticks if begin <= tick[0] <= end) for ticks in places)
    return Axis(begin, end, _fitting(within, most))


def is_span(low: float, high: float, part: float = _ROUNDING) -> bool:
    """Whether `low` and `high` differ by more than `part` of their size, so that there is something between them."""
    return high / 2 - low / 2 > max(max(abs(low), abs(high)) * part / 2, _LEAST_SPAN)


def short(value: float) -> str:
    """A number in few characters: four digits that count, but whole numbers below ten million in full."""
    size = abs(value)
    if size < 1e7 and value == int(value):
        return str(int(value))
    if 1e-4 <= size < 1e5:
        return f"{value:.4g}" if size < 1e4 else f"{value:.0f}"
    for unit, sign in _UNITS:
        if unit <= size < 1000 * unit:
            return f"{value / unit:.4g}{sign}"
    return _scientific(value, 3)


def _fitting(choices: Iterable[tuple[Tick, ...]], most: int) -> tuple[Tick, ...]:
    """The first of `choices`, which grow coarser, that has no more than `most`; the one before it, if it has
    fewer than three."""
    finer: tuple[Tick, ...] = ()
    for ticks in choices:
        if finer and len(ticks) < min(most, 3):
            break
        finer = ticks
        if len(ticks) <= most:
            break
    return finer


def _rounded(low: float, high: float) -> tuple[float, float]:
    """A little further down and up, to numbers with about two digits less than the span has."""
    unit = float(f"1e{floor(log10(high / 20 - low / 20))}")
    down, up = floor(low / unit + _ROUNDING) * unit, ceil(high / unit - _ROUNDING) * unit
    return max(down, -float_info.max), min(up, float_info.max)


def _steps(exponent: int) -> Iterator[tuple[int, int]]:
    """(digit, exponent) of 1, 2, 5 × 10^k, upwards."""
    for power in count(exponent):
        for digit in (1, 2, 5):
            yield digit, power


def _multiples(digit: int, exponent: int, low: float, high: float) -> tuple[Tick, ...]:
    """The multiples of a step from `low` to `high`."""
    step = float(f"{digit}e{exponent}")
    numbers = range(ceil(low / step - _ROUNDING), floor(high / step + _ROUNDING) + 1)
    places = [number * step for number in numbers if isfinite(number * step)]
    largest = max(map(abs, places), default=0.0)
    return tuple((place, _label(place, exponent, largest)) for place in places)


def _label(value: float, exponent: int, largest: float) -> str:
    """A multiple of a step of 10^`exponent`, as all up to `largest` are written."""
    if value == 0:
        return "0"
    if not 1e-3 <= largest < 1e15:
        return _scientific(value, max(floor(log10(abs(value)) + _ROUNDING) - exponent, 0))
    unit, sign = 1.0, ""
    if largest >= 1e5:
        unit, sign = next(pair for pair in _UNITS if pair[0] <= largest)
        exponent -= round(log10(unit))
    return f"{value / unit:.{max(-exponent, 0)}f}{sign}"


def _power(digit: int, exponent: int) -> str:
    value = float(f"{digit}e{exponent}")
    return _label(value, exponent, value) if -4 < exponent < 15 else f"{digit}e{exponent}"


def _scientific(value: float, digits: int) -> str:
    mantissa, _e, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if digits else mantissa}e{int(exponent)}"
