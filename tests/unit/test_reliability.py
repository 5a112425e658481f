"""Calibration: the bins, the error, and the error of a perfectly calibrated model."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from weibo_tui.engine.reliability import (
    calibration_error,
    confidence_histogram,
    null_calibration_error,
    reliability,
)


def confidences(n: int, seed: int = 0) -> NDArray[np.float64]:
    """Return confidences as of a good classifier with two labels: most are high."""
    return 0.5 + 0.5 * np.random.default_rng(seed).beta(3.5, 0.65, n)


def test_bins_have_as_many_posts_each() -> None:
    confidence = confidences(1000)
    correct = np.random.default_rng(1).random(1000) < confidence
    bins = reliability(confidence, correct, np.arange(1000))
    assert [one["n"] for one in bins] == pytest.approx([1000 / 15] * 15, abs=1)
    means = [one["confidence"] for one in bins]
    assert means == sorted(means)
    assert all(one["low"] < one["accuracy"] < one["high"] or one["accuracy"] in (0, 1) for one in bins)
    error = sum(one["n"] * abs(one["accuracy"] - one["confidence"]) for one in bins) / 1000
    assert calibration_error(confidence, correct) == pytest.approx(error)


@pytest.mark.parametrize(("n", "bins"), [(1, 1), (49, 1), (99, 1), (100, 2), (749, 14), (750, 15), (9000, 15)])
def test_number_of_bins_grows_with_posts(n: int, bins: int) -> None:
    confidence = confidences(n)
    assert len(reliability(confidence, confidence > 0.7, np.arange(n))) == bins


def test_equal_confidences_are_in_one_bin() -> None:
    confidence = np.array([0.6] * 100 + [1.0] * 900)
    correct = np.arange(1000) % 10 > 0
    one, other = reliability(confidence, correct, np.arange(1000))
    assert (one["n"], other["n"]) == (100, 900)
    # The error does not depend on the order of the posts.
    order = np.argsort(correct)
    assert calibration_error(confidence[order], correct[order]) == pytest.approx(calibration_error(confidence, correct))


def test_copies_widen_the_bar_of_a_bin() -> None:
    confidence, correct = np.full(40, 0.8), np.arange(40) % 5 > 0
    (apart,), (together,) = (reliability(confidence, correct, texts) for texts in (np.arange(40), np.arange(40) // 4))
    assert together["low"] < apart["low"] < 0.8 < apart["high"] < together["high"]


@pytest.mark.parametrize(("n", "low", "high"), [(200, 0.023, 0.031), (500, 0.019, 0.027), (2000, 0.010, 0.017)])
def test_null_error_is_that_of_the_table(n: int, low: float, high: float) -> None:
    mean, most = null_calibration_error(confidences(n), np.arange(n))
    assert low <= mean <= high
    assert mean < most < 2.5 * mean


def test_null_error_is_the_mean_of_calibrated_models() -> None:
    confidence, random = confidences(300), np.random.default_rng(2)
    errors = [calibration_error(confidence, random.random(300) < confidence) for _draw in range(500)]
    mean, most = null_calibration_error(confidence, np.arange(300))
    assert mean == pytest.approx(np.mean(errors), rel=0.05)
    assert most == pytest.approx(np.quantile(errors, 0.95), rel=0.1)


def test_copies_raise_the_null_error() -> None:
    confidence = np.repeat(confidences(200), 10)
    apart, _most = null_calibration_error(confidence, np.arange(2000))
    together, _most = null_calibration_error(confidence, np.repeat(np.arange(200), 10))
    assert together > 2 * apart


def test_histogram_counts_right_and_wrong() -> None:
    histogram = confidence_histogram(np.array([0.5, 0.549, 0.96, 1.0, 1.0]), np.array([True, False, True, True, False]))
    assert len(histogram) == 20
    assert histogram[10] == (1, 1)
    assert histogram[19] == (2, 1)
    assert sum(map(sum, histogram)) == 5
