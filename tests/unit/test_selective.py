"""Risk and coverage: the curve, its area, and the thresholds for wished accuracies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from weibo_tui.engine.selective import MAX_POINTS, MIN_ANSWERED, RiskCoverage


def slow_area(correct: NDArray[np.bool_]) -> float:
    """Return AUGRC as the double sum of its definition, for posts in descending confidence."""
    n = len(correct)
    return sum(sum(not right for right in correct[:k]) / n for k in range(1, n + 1)) / n


@settings(max_examples=50)
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_area_equals_the_double_sum(hits: list[bool]) -> None:
    correct = np.array(hits)
    confidence = np.linspace(1, 0.5, len(hits))
    order = np.random.default_rng(0).permutation(len(hits))
    curve = RiskCoverage.of(confidence[order], correct[order])
    assert curve.augrc() == pytest.approx(slow_area(correct))


def test_area_of_equal_confidences_is_the_mean_of_all_orders() -> None:
    confidence = np.array([0.9, 0.8, 0.8, 0.8, 0.8, 0.7])
    correct = np.array([True, False, True, True, True, False])
    orders = [np.concatenate([correct[:1], np.roll(correct[1:5], turn), correct[5:]]) for turn in range(4)]
    expected = np.mean([slow_area(order) for order in orders])
    assert RiskCoverage.of(confidence, correct).augrc() == pytest.approx(expected)


def test_curve_has_the_risk_of_each_threshold() -> None:
    random = np.random.default_rng(1)
    confidence = np.round(0.5 + random.random(1000) / 2, 2)  # with many equal ones
    correct = random.random(1000) < confidence
    points = RiskCoverage.of(confidence, correct).points()
    assert 10 < len(points) <= MAX_POINTS
    for coverage, risk, threshold in points:
        answered = confidence >= threshold
        assert coverage == pytest.approx(answered.mean())
        assert risk == pytest.approx((~correct[answered]).mean())
    assert [point[0] for point in points] == sorted(point[0] for point in points)
    assert points[-1][0] == 1


def test_answering_has_the_lowest_threshold_for_an_accuracy() -> None:
    random = np.random.default_rng(2)
    confidence = 0.5 + random.random(2000) / 2
    correct = random.random(2000) < confidence
    rows = RiskCoverage.of(confidence, correct).answering(np.arange(2000))
    assert rows
    for row in rows:
        answered = confidence >= row["threshold"]
        assert correct[answered].mean() >= row["accuracy"]
        assert answered.sum() == row["n"] and row["coverage"] == pytest.approx(row["n"] / 2000)
        assert row["low"] < correct[answered].mean() <= row["high"]
        lower = np.unique(confidence[confidence < row["threshold"]])
        assert all(correct[confidence >= threshold].mean() < row["accuracy"] for threshold in lower[::50])


def test_answering_leaves_out_what_few_posts_reach() -> None:
    confidence = np.linspace(1, 0.5, 100)
    correct = np.arange(100) % 2 == 0
    correct[: MIN_ANSWERED - 1] = True
    rows = RiskCoverage.of(confidence, correct).answering(np.arange(100))
    assert [row["accuracy"] for row in rows] == [0.9, 0.95]


@pytest.mark.parametrize("correct", [[True], [False], [True] * 40, [False] * 40])
def test_curve_of_degenerate_posts(correct: list[bool]) -> None:
    curve = RiskCoverage.of(np.ones(len(correct)), np.array(correct))
    assert curve.points() == ((1.0, float(not correct[0]), 1.0),)
    assert len(curve.answering(np.arange(len(correct)))) == (4 if len(correct) > 1 and correct[0] else 0)
