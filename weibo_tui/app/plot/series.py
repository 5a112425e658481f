"""The values of one curve as they come in, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan, nan

SMOOTHING = 0.95
"""How much of the smoothed curve stays with each new value; about its last twenty values count."""
MOST = 1024
"""Stretches that are kept of a curve: more than a wide terminal has dots in a row. An even number."""


@dataclass(slots=True)
class Bucket:
    """Neighbouring points taken together, one point at first; `x` is that of the last.

    `low` and `high` bound the values and `least_positive` those above zero, `smooth` is the smoothed curve behind
    them; each is NaN where there are none. `broken` says that a gap lies among the points: the curve then starts
    anew here.
    """

    x: float
    low: float
    high: float
    least_positive: float
    smooth: float
    broken: bool

    def take_in(self, later: Bucket) -> None:
        """Become one with the stretch behind this one."""
        self.x = later.x
        self.broken |= later.broken
        if isnan(later.low):
            return
        self.low = later.low if isnan(self.low) else min(self.low, later.low)
        self.high = later.high if isnan(self.high) else max(self.high, later.high)
        if not self.least_positive < later.least_positive and not isnan(later.least_positive):
            self.least_positive = later.least_positive
        self.smooth = later.smooth


class Series:
    """A curve: points in the order of x, their bounds, and the curve smoothed exponentially.

    However many points are added, at most MOST stretches are kept: two neighbours become one when there is no more
    room, and the lowest and the highest value of each stretch stay, so that no spike is lost.
    """

    def __init__(self, name: str, colour: int = 0, smoothing: float = SMOOTHING) -> None:
        """`colour` counts through the theme's colours and stays with the curve; `smoothing` is from 0, none, to 1."""
        self.name = name
        self.colour = colour
        self.smoothing = smoothing
        self.stretches: list[Bucket] = []
        self.first = nan
        self._forget()

    def _forget(self) -> None:
        self.low, self.high, self.least_positive = inf, -inf, inf
        self.value = self.smooth = nan
        self._points_each = 1
        self._points_in_last = 0
        self._weight_of_start = 1.0

    def add(self, x: float, y: float | None) -> None:
        """Append a point; `y` is None, NaN or infinite for a gap, which counts for no bound.

        An `x` that is there already, or lies behind the last, takes the curve back to it: a run that was killed
        repeats the steps since its checkpoint. A point whose `x` is not finite has no place and is left out.
        """
        if not isfinite(x):
            return
        if self.stretches and x <= self.stretches[-1].x:
            self._go_back(x)
        x, y = float(x), nan if y is None or not isfinite(y) else float(y)
        self.value = y
        if isnan(y):
            point = Bucket(x, nan, nan, nan, nan, broken=True)
        else:
            self._count_in(y)
            point = Bucket(x, y, y, y if y > 0 else nan, self.smooth, broken=False)
        if not self.stretches:
            self.first = x
        if self._points_in_last < self._points_each and self.stretches:
            self.stretches[-1].take_in(point)
            self._points_in_last += 1
        else:
            if len(self.stretches) == MOST:
                self._halve()
            self.stretches.append(point)
            self._points_in_last = 1

    def _count_in(self, y: float) -> None:
        self.low = min(self.low, y)
        self.high = max(self.high, y)
        if y > 0:
            self.least_positive = min(self.least_positive, y)
        # The start, which was no value at all, has lost its weight to the values (the correction that Adam knows).
        self._weight_of_start *= self.smoothing
        share = (1 - self.smoothing) / (1 - self._weight_of_start)
        smooth = y if isnan(self.smooth) else (1 - share) * self.smooth + share * y
        self.smooth = min(max(smooth, self.low), self.high)

    def _halve(self) -> None:
        kept, taken = self.stretches[::2], self.stretches[1::2]
        for stretch, later in zip(kept, taken, strict=True):
            stretch.take_in(later)
        self.stretches = kept
        self._points_each *= 2

    def _go_back(self, x: float) -> None:
        while self.stretches and self.stretches[-1].x >= x:
            self.stretches.pop()
        points_each = self._points_each
        self._forget()
        if not self.stretches:
            return
        self._points_each = self._points_in_last = points_each
        for stretch in self.stretches:
            if not isnan(stretch.low):
                self.low = min(self.low, stretch.low)
                self.high = max(self.high, stretch.high)
                self.smooth = stretch.smooth
                self._weight_of_start *= self.smoothing**points_each
            if not isnan(stretch.least_positive):
                self.least_positive = min(self.least_positive, stretch.least_positive)
