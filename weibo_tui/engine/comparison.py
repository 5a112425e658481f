"""Comparison of two classifiers on the same posts: McNemar's test, and the difference of their accuracies.

Sources: Q. McNemar, Psychometrika 12 (1947) 153-157, the test. M. W. Fagerland et al., BMC Medical Research Methodology
13 (2013) 91, its mid-p value. S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70, several tests at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from weibo_tui.engine.uncertainty import DRAWS

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Accuracy of the first classifier minus that of the second, with its 95 % interval and McNemar's test.

    `first_only` and `second_only` are the numbers of posts that only this classifier gets right. The interval counts
    copies of a text once, the test counts each of them: with many copies its p is too small.
    """

    difference: float
    difference_ci: tuple[float, float]
    first_only: int
    second_only: int
    p: float
    mid_p: float


def compare_hits(first: NDArray[np.bool_], second: NDArray[np.bool_], groups: NDArray[np.int64]) -> PairedTest:
    """Compare the hits (n,) of two classifiers on the same posts, n > 0; `groups` as in `paired_difference`."""
    difference, low, high = paired_difference(first, second, groups)
    first_only, second_only = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    return PairedTest(difference, (low, high), first_only, second_only, *mcnemar(first_only, second_only))


def mcnemar(first_only: int, second_only: int) -> tuple[float, float]:
    """Return the exact two-sided p of McNemar's test and its mid-p.

    `first_only` and `second_only` are the numbers of posts that only this classifier gets right. If both are equally
    accurate, each of these posts is a toss of a fair coin. The mid-p counts the observed outcome half: the exact test
    rejects too rarely.
    """
    from scipy.special import bdtr, gammaln

    total, fewer = first_only + second_only, min(first_only, second_only)
    if not total:  # they never differ, and there is nothing to test
        return 1.0, 1.0
    observed = float(np.exp(gammaln(total + 1) - gammaln(fewer + 1) - gammaln(total - fewer + 1) - total * np.log(2)))
    if first_only == second_only:  # both tails contain the observed outcome, which would count twice
        return 1.0, 1.0 - observed / 2
    exact = 2 * float(bdtr(fewer, total, 0.5))
    return min(1.0, exact), exact - observed


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for several tests by Holm's step-down method, in the same order."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(np.argsort(p_values, kind="stable").tolist()):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = largest
    return adjusted


def paired_difference(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Return accuracy of `first` minus accuracy of `second` and its 95 % interval, for hits (n,), n > 0.

    Posts with equal numbers in `groups` (n,) are copies of a text, which are right or wrong together, so the bootstrap
    draws groups. Where all groups have the same difference there is nothing to draw: the limits are then those of
    Clopper and Pearson for an event that happened in no group.
    """
    _texts, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    gains = np.bincount(group, weights=first.astype(np.float64) - second).astype(np.int64)
    # Groups of equal size and gain are interchangeable: the draws need only the number of each kind.
    kinds, counts = np.unique(np.stack([gains, sizes], axis=1), axis=0, return_counts=True)
    difference = float(gains.sum() / sizes.sum())
    if np.ptp(kinds[:, 0] / kinds[:, 1]) == 0:
        margin = 1 - 0.025 ** (1 / len(sizes))
        return difference, max(-1.0, difference - margin), min(1.0, difference + margin)
    drawn = np.random.default_rng(0).multinomial(len(sizes), counts / len(sizes), size=DRAWS) @ kinds
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975)).tolist()
    return difference, low, high
