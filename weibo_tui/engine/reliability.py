"""Calibration of confidences: the reliability diagram, the expected calibration error and its null distribution.

Sources: M. P. Naeini, G. F. Cooper and M. Hauskrecht, AAAI 2015, the error. K. Nguyen and B. O'Connor, EMNLP 2015, bins
of as many posts each. A finite sample has an error above 0 also for a perfectly calibrated model, and a larger one the
fewer posts there are (J. Vaicenavicius et al., AISTATS 2019), so the error is reported together with that model's.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from weibo_tui.engine.uncertainty import accuracy_interval, effective_size

MAX_BINS = 15
POSTS_PER_BIN = 50
NULL_DRAWS = 1000
HISTOGRAM_BINS = 20
_MAX_DRAWN = 4_000_000
"""Numbers that are drawn at a time."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class ReliabilityBin(TypedDict):
    """Posts of similar confidence: their mean confidence, and their accuracy with its 95 % interval."""

    confidence: float
    accuracy: float
    low: float
    high: float
    n: int


def reliability(confidence: Floats, correct: Booleans, texts: Integers) -> tuple[ReliabilityBin, ...]:
    """Return the bins of a reliability diagram for confidences (n,), n > 0, in ascending confidence.

    All bins have about as many posts. Posts with equal `texts` (n,) count as in `effective_size`.
    """
    order = np.argsort(confidence, kind="stable")
    bins = []
    for posts in np.split(order, _starts(confidence[order])[1:]):
        accuracy = float(correct[posts].mean())
        low, high = accuracy_interval(accuracy, effective_size(texts[posts]))
        mean = float(confidence[posts].mean())
        bins.append(ReliabilityBin(confidence=mean, accuracy=accuracy, low=low, high=high, n=len(posts)))
    return tuple(bins)


def _starts(ordered: Floats) -> Integers:
    """Return the index of the first post of each bin, for ascending confidences.

    Equal confidences are in one bin, because otherwise the error would depend on the order of the posts.
    """
    bins = min(MAX_BINS, max(1, len(ordered) // POSTS_PER_BIN))
    starts = np.arange(bins) * len(ordered) // bins
    return np.unique(np.searchsorted(ordered, ordered[starts]))


def calibration_error(confidence: Floats, correct: Booleans) -> float:
    """Return the expected calibration error of confidences (n,) and hits (n,), n > 0, in the bins of `reliability`."""
    order = np.argsort(confidence, kind="stable")
    excess = np.add.reduceat((correct - confidence)[order], _starts(confidence[order]))
    return float(np.abs(excess).sum() / len(confidence))


def null_calibration_error(confidence: Floats, texts: Integers, seed: int = 0) -> tuple[float, float]:
    """Return the mean and the 95th percentile of the calibration error of a perfectly calibrated model.

    It has these confidences (n,), n > 0, and each post is right with the probability of its confidence. Posts with
    equal `texts` (n,) are right or wrong together.
    """
    order = np.argsort(confidence, kind="stable")
    ordered = confidence[order]
    starts = _starts(ordered)
    expected = np.add.reduceat(ordered, starts)
    distinct, groups = np.unique(texts[order], return_inverse=True)
    random = np.random.default_rng(seed)
    errors = []
    step = max(1, _MAX_DRAWN // len(ordered))
    for start in range(0, NULL_DRAWS, step):
        numbers = random.random((min(step, NULL_DRAWS - start), len(distinct)), np.float32)
        correct = numbers[:, groups.reshape(-1)] < ordered
        hits = np.add.reduceat(correct, starts, axis=1, dtype=np.int64)
        errors.append(np.abs(hits - expected).sum(axis=1) / len(ordered))
    drawn = np.concatenate(errors)
    return float(drawn.mean()), float(np.quantile(drawn, 0.95))


def confidence_histogram(confidence: Floats, correct: Booleans) -> tuple[tuple[int, int], ...]:
    """Return the numbers of right and of wrong predictions in HISTOGRAM_BINS equal bins of confidence from 0 to 1."""
    bins = np.minimum((confidence * HISTOGRAM_BINS).astype(np.int64), HISTOGRAM_BINS - 1)
    right = np.bincount(bins[correct], minlength=HISTOGRAM_BINS)
    wrong = np.bincount(bins[~correct], minlength=HISTOGRAM_BINS)
    return tuple(zip(right.tolist(), wrong.tolist(), strict=True))
