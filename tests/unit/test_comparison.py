"""McNemar's test, Holm's adjustment and the interval of a paired difference, against slow references."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from weibo_tui.engine.comparison import holm, mcnemar, paired_difference


@pytest.mark.parametrize(("b", "c"), [(1, 0), (5, 5), (2, 11), (9, 4), (40, 71), (300, 210)])
def test_mcnemar_equals_sum_of_binomials(b: int, c: int) -> None:
    total, fewer = b + c, min(b, c)
    outcomes = [comb(total, k) / 2**total for k in range(fewer + 1)]
    expected = 1 - outcomes[-1] / 2 if b == c else 2 * sum(outcomes) - outcomes[-1]
    assert mcnemar(b, c) == pytest.approx((min(1, 2 * sum(outcomes)), expected), rel=1e-10)


def test_mcnemar_of_a_worked_example() -> None:
    # Fagerland et al. (2013), table 2: airway hyper-responsiveness before and after transplantation, 1 and 7 changes.
    assert mcnemar(1, 7) == pytest.approx((0.070, 0.039), abs=5e-4)


def test_mcnemar_is_1_for_classifiers_that_never_differ() -> None:
    assert mcnemar(0, 0) == (1.0, 1.0)


def test_mcnemar_of_many_posts_is_finite() -> None:
    exact, mid = mcnemar(80_000, 88_000)
    assert 0 < mid < exact < 1e-80


def test_holm_adjusts_in_steps_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_difference_equals_bootstrap_over_groups() -> None:
    chance = np.random.default_rng(3)
    groups = chance.integers(150, size=400)
    first, second = chance.random(150)[groups] < 0.9, chance.random(150)[groups] < 0.7
    found = paired_difference(first, second, groups)
    members = [np.flatnonzero(groups == text) for text in np.unique(groups)]
    drawn = []
    for _draw in range(2000):
        posts = np.concatenate([members[text] for text in chance.integers(len(members), size=len(members))])
        drawn.append(first[posts].mean() - second[posts].mean())
    assert found[0] == pytest.approx(first.mean() - second.mean())
    assert found[1:] == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.015)


def test_difference_covers_the_truth() -> None:
    chance = np.random.default_rng(4)
    covered = 0
    for _sample in range(400):
        draw = chance.random(300)
        first, second = draw < 0.9, (draw > 0.05) & (draw < 0.92)  # 5 % and 2 % differ: 3 points in the end
        _difference, low, high = paired_difference(first, second, np.arange(300))
        covered += low <= 0.03 <= high
    assert covered >= 368  # of 380 to expect


def test_interval_of_equal_predictions_has_a_width() -> None:
    hits = np.ones(20, np.bool_)
    difference, low, high = paired_difference(hits, hits, np.arange(20))
    assert difference == 0
    assert (low, high) == pytest.approx((-0.168, 0.168), abs=1e-3)  # Clopper and Pearson for 0 of 20
    copies = np.zeros(20, np.int64)
    assert paired_difference(hits, ~hits, copies) == pytest.approx((1, 0.025, 1))


def test_interval_of_copies_is_wider() -> None:
    first, second = np.repeat(np.arange(20) % 10 < 9, 5), np.repeat(np.arange(20) % 10 < 7, 5)
    apart = paired_difference(first, second, np.arange(100))
    together = paired_difference(first, second, np.repeat(np.arange(20), 5))
    assert apart[0] == together[0] == pytest.approx(0.2)
    assert together[2] - together[1] > 1.8 * (apart[2] - apart[1])  # as of 20 posts instead of 100
