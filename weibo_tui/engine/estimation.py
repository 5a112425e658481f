"""Shares of a label in a file, from predicted labels of all rows and human labels of a random sample.

The sample is post-stratified by the predicted label. Its stratum intervals are Wilson's for a sample without
replacement, and are combined by the method of variance estimates recovery (MOVER).

Sources: E. B. Wilson, JASA 22 (1927) 209-212, the score interval. R. G. Newcombe, Statistics in Medicine 17 (1998)
873-890, the same combination for a difference of two proportions. G. Y. Zou and A. Donner, Statistics in Medicine 27
(2008) 1693-1702, MOVER for sums and differences. G. Y. Zou, W. Huang and X. Zhang, Computational Statistics & Data
Analysis 53 (2009) 1080-1085, for weighted sums of proportions, which is the case here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVEL = 0.95
MIN_STRATUM = 5
"""Answers of a stratum. One with fewer is merged with another."""

MAX_DEVIATION = 1.95
"""`deviation` of a random sample, which one in 1,000 samples exceeds."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Rows with one predicted label: all, those with a human answer, and the answers that are the label in question.

    In a forecast the answers are fractions.
    """

    rows: int
    answers: float
    hits: float

    def __add__(self, other: Stratum) -> Stratum:
        return Stratum(self.rows + other.rows, self.answers + other.answers, self.hits + other.hits)


@dataclass(frozen=True, slots=True)
class Interval:
    """A share and its confidence limits."""

    share: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def estimate_share(strata: Iterable[Stratum], level: float = LEVEL) -> Interval:
    """Return the share of a label with its confidence interval. Raise ValueError without an answer.

    With N_h rows, n_h answers and x_h hits in stratum h, W_h = N_h / N and p_h = x_h / n_h, the share is
    θ = Σ W_h p_h. With Wilson's limits l_h and u_h of each stratum, the limits are θ - √Σ W_h² (p_h - l_h)² and
    θ + √Σ W_h² (u_h - p_h)². With an answer for every row, the share is exact and both limits equal it.
    """
    merged = _merge_small(strata)
    total = sum(stratum.rows for stratum in merged)
    if sum(stratum.answers for stratum in merged) <= 0:
        raise ValueError("no answers")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = below = above = 0.0
    for stratum in merged:
        weight, part = stratum.rows / total, _wilson(stratum, z)
        share += weight * part.share
        below += (weight * (part.share - part.low)) ** 2
        above += (weight * (part.high - part.share)) ** 2
    share = min(1.0, share)  # a sum of weights may exceed 1 by a rounding error
    return Interval(share, max(0.0, share - sqrt(below)), min(1.0, share + sqrt(above)))


def _merge_small(strata: Iterable[Stratum]) -> list[Stratum]:
    """Merge each stratum of fewer than MIN_STRATUM answers with the next larger one, unless it is fully answered.

    It depends on the numbers of answers only, not on what they are.
    """
    ordered = [stratum for stratum in strata if stratum.rows]
    while True:
        ordered.sort(key=lambda stratum: stratum.answers)
        small = next((s for s in ordered if s.answers < min(MIN_STRATUM, s.rows)), None)
        if small is None or len(ordered) == 1:
            return ordered
        ordered.remove(small)
        ordered[0] += small


def _wilson(stratum: Stratum, z: float) -> Interval:
    """Return Wilson's score interval of a stratum of which n of N rows were drawn without replacement.

    The limits solve (p - π)² = z² π (1 - π) / n · (N - n) / (N - 1).
    """
    n, p = stratum.answers, stratum.hits / stratum.answers
    squared = z**2 * max(0.0, stratum.rows - n) / max(1, stratum.rows - 1)
    center = (p + squared / (2 * n)) / (1 + squared / n)
    distance = sqrt(squared * (p * (1 - p) / n + squared / (4 * n**2))) / (1 + squared / n)
    # At 0 and 1 the limit is p, but for a rounding error.
    return Interval(p, min(p, center - distance), max(p, center + distance))


def forecast_half_width(strata: Iterable[Stratum], answers: int, level: float = LEVEL) -> float:
    """Return the half-width to expect with `answers` in all, at random among the rows, if the shares stay the same.

    Answers that exist cannot be fewer, and there are at most as many as rows.
    """
    merged = _merge_small(strata)
    known, total = (sum(getattr(stratum, name) for stratum in merged) for name in ("answers", "rows"))
    added = 0.0 if known >= total else (min(max(answers, known), total) - known) / (total - known)
    return estimate_share(
        [
            Stratum(s.rows, grown := s.answers + added * (s.rows - s.answers), s.hits / s.answers * grown)
            for s in merged
        ],
        level,
    ).half_width


def answers_for(strata: Sequence[Stratum], half_width: float, level: float = LEVEL) -> int:
    """Return the number of answers, those that exist included, from which `forecast_half_width` is `half_width`."""
    known, total = int(sum(s.answers for s in strata)), sum(s.rows for s in strata)
    numbers = range(known, total)  # with all answers, the half-width is 0
    return known + bisect_left(
        numbers, True, key=lambda number: forecast_half_width(strata, number, level) <= half_width
    )


def answers_without_model(share: float, rows: int, half_width: float, level: float = LEVEL) -> int:
    """Return the number of answers for `half_width` where nothing is known of the rows, by Wilson's interval."""
    numbers = range(1, rows)
    alone = bisect_left(
        numbers,
        True,
        key=lambda n: estimate_share([Stratum(rows, n, share * n)], level).half_width <= half_width,
    )
    return min(rows, alone + 1)


def difference(one: Interval, other: Interval) -> Interval:
    """Return the difference of two shares of disjoint rows, one minus the other, by MOVER (Newcombe's method 10)."""
    share = one.share - other.share
    low = sqrt((one.share - one.low) ** 2 + (other.high - other.share) ** 2)
    high = sqrt((one.high - one.share) ** 2 + (other.share - other.low) ** 2)
    return Interval(share, share - low, share + high)


def deviation(values: NDArray[Any], is_sampled: NDArray[np.bool_]) -> float:
    """Return how far the sampled ones of `values` (N,) deviate from all: Kolmogorov and Smirnov's √n sup |F_n - F|.

    Its limit distribution holds for a random sample of an endless population without ties; with ties or a sample of a
    finite one it is smaller. Without a sampled value it is 0.
    """
    import numpy as np

    sampled = int(is_sampled.sum())
    if not sampled:
        return 0.0
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)  # of equal values
    found = np.cumsum(is_sampled[order])[ends] / sampled
    return float(sqrt(sampled) * np.abs(found - (ends + 1) / len(ordered)).max())
