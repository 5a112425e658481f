"""A learning curve: how the accuracy grows with the number of labels, and what more of them would bring.

Sources: R. L. Figueroa, Q. Zeng-Treitler, S. Kandula and L. H. Ngo, BMC Medical Informatics and Decision Making 12
(2012) 8, the inverse power law.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_POINTS = 5
_EXPONENTS = np.geomspace(0.02, 3.0, 200)
_DRAWS = 500


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The curve accuracy = a - b n^(-c) with b ≥ 0. `draws` are further curves (draws, 3), which give the interval."""

    a: float
    b: float
    c: float
    draws: NDArray[np.float64]

    def accuracy(self, number: float) -> float:
        """Return the accuracy to expect with a number of labels."""
        return float(np.clip(self.a - self.b * number**-self.c, 0, 1))

    def interval(self, number: float) -> tuple[float, float]:
        """Return the limits, of 95 %, of the accuracy to expect with a number of labels."""
        a, b, c = self.draws.T
        low, high = np.quantile(np.clip(a - b * number**-c, 0, 1), (0.025, 0.975)).tolist()
        return low, high


def fit_learning_curve(
    numbers: Sequence[float], accuracies: Sequence[float], tested: int, seed: int = 0
) -> LearningCurve | None:
    """Return the curve through accuracies that were measured on `tested` posts. Return None for few points.

    The interval is of a parametric bootstrap: each accuracy is drawn again as a share of the tested posts.
    """
    if len({*numbers}) < MIN_POINTS:
        return None
    sizes, measured = np.array(numbers, np.float64), np.array(accuracies, np.float64)
    drawn = np.random.default_rng(seed).binomial(tested, measured, size=(_DRAWS, len(measured))) / tested
    fitted = _fit(sizes, np.vstack([measured, drawn]))
    a, b, c = fitted[0].tolist()
    return LearningCurve(a, b, c, fitted[1:])


def _fit(numbers: NDArray[np.float64], accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a, b and c of least squares (curves, 3) for accuracies (curves, points).

    For each exponent c of a grid, a and b are those of a straight line in n^(-c), and the best exponent is taken.
    """
    best = np.full((len(accuracies), 4), np.inf)
    for exponent in _EXPONENTS.tolist():
        powers = numbers**-exponent
        centered = powers - powers.mean()
        slope = np.minimum(0.0, accuracies @ centered / (centered @ centered))  # an accuracy does not fall
        level = accuracies.mean(axis=1) - slope * powers.mean()
        error = ((accuracies - level[:, None] - slope[:, None] * powers) ** 2).sum(axis=1)
        is_better = error < best[:, 3]
        best[is_better] = np.stack([level, -slope, np.full_like(level, exponent), error], axis=1)[is_better]
    curves: NDArray[np.float64] = best[:, :3]
    return curves
