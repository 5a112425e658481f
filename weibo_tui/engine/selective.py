"""Selective prediction: which posts a model answers if it may leave out those of low confidence.

Sources: R. El-Yaniv and Y. Wiener, JMLR 11 (2010), the curve of risk over coverage. J. Traub et al., arXiv 2407.01032,
the area under the generalized curve (AUGRC).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from weibo_tui.engine.uncertainty import accuracy_interval, effective_size

MAX_POINTS = 100
"""Points of a curve."""
WISHED_ACCURACIES = (0.90, 0.95, 0.98, 0.99)
MIN_ANSWERED = 30
"""Posts. The accuracy of fewer, the surest ones, says little about others."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class AnsweringPoint(TypedDict):
    """The lowest threshold of confidence from which on the answers have at least the wished `accuracy`.

    `coverage` is the share of posts that are answered, `n` their number, and `low` and `high` the 95 % interval of
    their accuracy.
    """

    accuracy: float
    threshold: float
    coverage: float
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Posts in descending order of confidence, in runs of equal confidence, which a threshold cannot tell apart.

    `answered` and `errors` (runs,) count the posts up to the end of each run, and `thresholds` (runs,) are their
    confidences.
    """

    answered: Integers
    errors: Integers
    thresholds: Floats
    _order: Integers

    @classmethod
    def of(cls, confidence: Floats, correct: NDArray[np.bool_]) -> RiskCoverage:
        """Return the curve of confidences (n,) and hits (n,), n > 0."""
        order = np.argsort(-confidence, kind="stable")
        ordered = confidence[order]
        ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
        return cls(ends + 1, np.cumsum(~correct[order])[ends], ordered[ends], order)

    @property
    def n(self) -> int:
        """The number of posts."""
        return int(self.answered[-1])

    def points(self) -> tuple[tuple[float, float, float], ...]:
        """Return coverage, risk and threshold of at most MAX_POINTS runs, evenly spread, in ascending coverage.

        The risk is the share of errors among the answered posts.
        """
        steps = min(MAX_POINTS, self.n)
        wished = np.arange(1, steps + 1) * self.n / steps
        runs = np.unique(np.searchsorted(self.answered, np.ceil(wished)))
        rows = (self.answered[runs] / self.n, self.errors[runs] / self.answered[runs], self.thresholds[runs])
        return tuple(zip(*(row.tolist() for row in rows), strict=True))

    def augrc(self) -> float:
        """Return the area under the generalized risk: 1/n Σ_k 1/n Σ_{i≤k} err_i over posts in descending confidence.

        The generalized risk is the share of all posts that are answered wrongly. The order within a run is random, so
        it grows evenly there. The area is between 0 and 0.5, for the errors are the last posts at best.
        """
        sizes = np.diff(self.answered, prepend=0)
        before = np.append(0, self.errors[:-1])
        growth = (self.errors - before) * (sizes + 1) / 2
        return float((before * sizes + growth).sum() / self.n**2)

    def answering(self, texts: Integers) -> tuple[AnsweringPoint, ...]:
        """Return the threshold for each wished accuracy that at least MIN_ANSWERED posts reach.

        Posts with equal `texts` (n,) count as in `effective_size`.
        """
        accuracies = 1 - self.errors / self.answered
        points = []
        for wished in WISHED_ACCURACIES:
            runs = np.flatnonzero((accuracies >= wished) & (self.answered >= MIN_ANSWERED))
            if not len(runs):
                continue
            run = int(runs[-1])
            answered = int(self.answered[run])
            low, high = accuracy_interval(float(accuracies[run]), effective_size(texts[self._order[:answered]]))
            points.append(
                AnsweringPoint(
                    accuracy=wished,
                    threshold=float(self.thresholds[run]),
                    coverage=answered / self.n,
                    n=answered,
                    low=low,
                    high=high,
                )
            )
        return tuple(points)
