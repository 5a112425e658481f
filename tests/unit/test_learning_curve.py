"""Learning curves: exact points, noisy ones, and too few."""

from __future__ import annotations

import numpy as np
import pytest

from weibo_tui.engine.learning_curve import fit_learning_curve

SIZES = [50, 100, 200, 400, 800, 1600]


def curve(number: float) -> float:
    return float(0.92 - 1.5 * number**-0.5)


def test_curve_goes_through_exact_points() -> None:
    found = fit_learning_curve(SIZES, [*map(curve, SIZES)], tested=10_000)
    assert found is not None
    assert found.a == pytest.approx(0.92, abs=0.005)
    for number in (75, 1000, 3200):
        assert found.accuracy(number) == pytest.approx(curve(number), abs=0.003)


def test_interval_holds_the_accuracy_of_noisy_points() -> None:
    chance = np.random.default_rng(2)
    held = 0
    for _round in range(100):
        measured = chance.binomial(500, [*map(curve, SIZES)]) / 500
        found = fit_learning_curve(SIZES, measured.tolist(), tested=500)
        assert found is not None
        low, high = found.interval(800)
        held += low <= curve(800) <= high
    assert held >= 88


def test_falling_accuracies_give_a_flat_curve() -> None:
    found = fit_learning_curve(SIZES, [0.9, 0.88, 0.87, 0.86, 0.85, 0.84], tested=500)
    assert found is not None
    assert found.b == 0
    assert found.accuracy(10) == found.accuracy(10_000) == pytest.approx(np.mean([0.9, 0.88, 0.87, 0.86, 0.85, 0.84]))


@pytest.mark.parametrize("sizes", [[], SIZES[:4], [100] * 6])
def test_few_points_give_no_curve(sizes: list[int]) -> None:
    assert fit_learning_curve(sizes, [0.8] * len(sizes), tested=500) is None
