"""The values of one curve as they come in, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan, nan

SMOOTHING = 0.95
"""Weight of the smoothed curve at each new value. About the last twenty values count."""
MAX_BUCKETS = 1024
"""Buckets kept of a curve, more than a wide terminal has dots in a row. An even number."""


@dataclass(slots=True)
class Bucket:
    """Neighboring points of a curve, at first a single one; `x` is that of the last.

    `low` and `high` are the bounds of the values, `min_positive` is the smallest value above zero, `smooth` the
    smoothed curve at the last point. Each is NaN if there is no such value. `after_gap` says that a gap is among the
    points, so that the curve starts again here.
    """

    x: float
    low: float
    high: float
    min_positive: float
    smooth: float
    after_gap: bool

    def merge(self, later: Bucket) -> None:
        """Add the points of the next bucket."""
        self.x = later.x
        self.after_gap |= later.after_gap
        if isnan(later.low):
            return
        self.low = later.low if isnan(self.low) else min(self.low, later.low)
        self.high = later.high if isnan(self.high) else max(self.high, later.high)
        if not self.min_positive < later.min_positive and not isnan(later.min_positive):
            self.min_positive = later.min_positive
        self.smooth = later.smooth


class Series:
    """A curve: points in the order of x, their bounds, and an exponentially smoothed curve.

    At most MAX_BUCKETS are kept, however many points are added: when there are more, two neighbors are merged. The
    lowest and highest value of each bucket stay, so that no spike is lost.
    """

    def __init__(self, name: str, color: int = 0, smoothing: float = SMOOTHING) -> None:
        """`color` counts the theme's colors and stays with the curve. `smoothing` is from 0 (none) to 1."""
        self.name = name
        self.color = color
        self.smoothing = smoothing
        self.buckets: list[Bucket] = []
        self.first = nan
        self._reset_bounds()

    def _reset_bounds(self) -> None:
        self.low, self.high, self.min_positive = inf, -inf, inf
        self.value = self.smooth = nan
        self._points_per_bucket = 1
        self._points_in_last = 0
        self._weight_of_start = 1.0

    def add(self, x: float, y: float | None) -> None:
        """Append a point; `y` is None, NaN or infinite for a gap.

        An `x` at or before the last one removes the points from there on: a killed run repeats the steps since its
        checkpoint. A point whose `x` is not finite is ignored.
        """
        if not isfinite(x):
            return
        if self.buckets and x <= self.buckets[-1].x:
            self._rewind(x)
        x, y = float(x), nan if y is None or not isfinite(y) else float(y)
        self.value = y
        if isnan(y):
            point = Bucket(x, nan, nan, nan, nan, after_gap=True)
        else:
            self._update_bounds(y)
            point = Bucket(x, y, y, y if y > 0 else nan, self.smooth, after_gap=False)
        if not self.buckets:
            self.first = x
        if self._points_in_last < self._points_per_bucket and self.buckets:
            self.buckets[-1].merge(point)
            self._points_in_last += 1
        else:
            if len(self.buckets) == MAX_BUCKETS:
                self._halve()
            self.buckets.append(point)
            self._points_in_last = 1

    def _update_bounds(self, y: float) -> None:
        self.low = min(self.low, y)
        self.high = max(self.high, y)
        if y > 0:
            self.min_positive = min(self.min_positive, y)
        # Correct the bias of the start, which had no value, as Adam does.
        self._weight_of_start *= self.smoothing
        share = (1 - self.smoothing) / (1 - self._weight_of_start)
        smooth = y if isnan(self.smooth) else (1 - share) * self.smooth + share * y
        self.smooth = min(max(smooth, self.low), self.high)

    def _halve(self) -> None:
        even, odd = self.buckets[::2], self.buckets[1::2]
        for bucket, later in zip(even, odd, strict=True):
            bucket.merge(later)
        self.buckets = even
        self._points_per_bucket *= 2

    def _rewind(self, x: float) -> None:
        while self.buckets and self.buckets[-1].x >= x:
            self.buckets.pop()
        points = self._points_per_bucket
        self._reset_bounds()
        if not self.buckets:
            return
        self._points_per_bucket = self._points_in_last = points
        for bucket in self.buckets:
            if not isnan(bucket.low):
                self.low = min(self.low, bucket.low)
                self.high = max(self.high, bucket.high)
                self.smooth = bucket.smooth
                self._weight_of_start *= self.smoothing**points
            if not isnan(bucket.min_positive):
                self.min_positive = min(self.min_positive, bucket.min_positive)
