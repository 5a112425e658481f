"""Intervals compared with scipy and with the truth of simulated data, also where posts are copies of others."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from weibo_tui.engine.metrics import score
from weibo_tui.engine.uncertainty import (
    accuracy_interval,
    bootstrap_intervals,
    effective_size,
    macro_f1,
    matthews,
)

Counts = NDArray[np.float64]


def test_accuracy_interval_equals_scipy() -> None:
    from scipy.stats import binomtest

    for n in (1, 5, 30, 1000):
        for hits in {0, 1, n // 2, n - 1, n}:
            expected = binomtest(hits, n).proportion_ci(method="wilsoncc")
            assert accuracy_interval(hits / n, n) == pytest.approx(tuple(expected), abs=1e-9)


def test_accuracy_interval_counts_copies_once() -> None:
    truth = [0] * 10 + [1] * 10
    p = [[0.9, 0.1]] * 18 + [[0.1, 0.9]] * 2
    once = score(truth, p, ["a", "b"], texts=np.arange(20))
    copied = score(truth * 50, p * 50, ["a", "b"], texts=np.tile(np.arange(20), 50))
    assert copied.accuracy_ci == pytest.approx(once.accuracy_ci)
    assert once.accuracy_ci == score(truth, p, ["a", "b"]).accuracy_ci


@pytest.mark.parametrize("copies", [[500, *[1] * 500], [*[3] * 10, *[1] * 90], [20, *[1] * 10], [100], range(1, 30)])
@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.99])
def test_accuracy_interval_covers_truth_with_copies(copies: list[int], accuracy: float) -> None:
    sizes = np.array(copies)
    n = effective_size(np.repeat(np.arange(len(sizes)), sizes))
    right = np.random.default_rng(0).random((4000, len(sizes))) < accuracy
    measured, draws = np.unique(right @ sizes / sizes.sum(), return_counts=True)
    intervals = [accuracy_interval(float(value), n) for value in measured]
    covering = [low <= accuracy <= high for low, high in intervals]
    assert np.average(covering, weights=draws) >= 0.94


# ---- bootstrap


def counts(table: NDArray[np.int64]) -> Counts:
    """Return correct, actual and predicted numbers of a confusion matrix."""
    return np.stack([np.diag(table), table.sum(axis=1), table.sum(axis=0)]).astype(np.float64)


def test_statistics_equal_scikit_learn() -> None:
    from sklearn.metrics import f1_score, matthews_corrcoef

    random = np.random.default_rng(1)
    for labels in (2, 3, 5):
        actual, predicted = random.integers(0, labels, (2, 60))
        table = np.zeros((labels, labels), np.int64)
        np.add.at(table, (actual, predicted), 1)
        assert macro_f1(counts(table)) == pytest.approx(f1_score(actual, predicted, average="macro"))
        assert matthews(counts(table)) == pytest.approx(matthews_corrcoef(actual, predicted))
    assert np.isnan(matthews(counts(np.array([[5, 0], [3, 0]]))))
    assert macro_f1(counts(np.array([[5, 0], [0, 0]]))) == 1


def test_bootstrap_equals_scipy() -> None:
    from scipy.stats import bootstrap

    def pearson(x: Counts, y: Counts, axis: int) -> Counts:  # Matthews' correlation, for two labels
        x, y = x - x.mean(axis, keepdims=True), y - y.mean(axis, keepdims=True)
        return np.asarray((x * y).sum(axis) / np.sqrt((x**2).sum(axis) * (y**2).sum(axis)))

    random = np.random.default_rng(2)
    actual = random.integers(0, 2, 80)
    predicted = np.where(random.random(80) < 0.85, actual, 1 - actual)
    _macro, correlation = bootstrap_intervals(actual, predicted, 2, np.arange(80))
    expected = bootstrap(
        (actual, predicted), pearson, paired=True, vectorized=True, n_resamples=20_000, random_state=random
    ).confidence_interval
    assert correlation is not None and correlation.method == "bca"
    assert (correlation.low, correlation.high) == pytest.approx(tuple(expected), abs=0.02)


def test_bootstrap_draws_copies_together() -> None:
    random = np.random.default_rng(3)
    actual = random.integers(0, 3, 100)
    predicted = np.where(random.random(100) < 0.7, actual, random.integers(0, 3, 100))
    once = bootstrap_intervals(actual, predicted, 3, np.arange(100))
    copied = bootstrap_intervals(np.tile(actual, 20), np.tile(predicted, 20), 3, np.tile(np.arange(100), 20))
    assert copied == once
    apart = bootstrap_intervals(np.tile(actual, 20), np.tile(predicted, 20), 3, np.arange(2000))
    for wide, narrow in zip(once, apart, strict=True):
        assert wide is not None and narrow is not None
        assert narrow.high - narrow.low < (wide.high - wide.low) / 3


def test_bootstrap_of_copies_with_different_labels() -> None:
    actual, predicted = np.array([0, 1] * 30), np.array([0, 0] * 30)
    macro, _correlation = bootstrap_intervals(actual, predicted, 2, np.repeat(np.arange(30), 2))
    assert macro is None  # each pair is half right, and so is each draw


@pytest.mark.parametrize(
    ("actual", "predicted", "methods"),
    [
        ([0, 1] * 10, [0, 1] * 10, (None, None)),  # without an error nothing varies
        ([0], [1], (None, None)),
        ([0] * 20, [0] * 20, (None, None)),
        ([0, 1] * 10, [1, 0] * 10, (None, None)),
        ([0, 1] * 10, [0] * 20, ("bca", None)),  # one label is predicted for all posts
    ],
)
def test_bootstrap_of_degenerate_predictions(
    actual: list[int], predicted: list[int], methods: tuple[str | None, str | None]
) -> None:
    with np.errstate(all="raise"):
        intervals = bootstrap_intervals(np.array(actual), np.array(predicted), 2, np.arange(len(actual)))
    assert tuple(interval and interval.method for interval in intervals) == methods


def test_bootstrap_without_acceleration_is_percentile() -> None:
    # Either of the two texts alone has the same F1, but both together have a higher one.
    actual, predicted, texts = np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), np.array([7, 7, 9, 9])
    macro, correlation = bootstrap_intervals(actual, predicted, 2, texts)
    assert macro is not None and macro.method == "percentile"
    assert (macro.low, macro.high) == pytest.approx((1 / 3, 1 / 2))
    assert correlation is None


def test_bootstrap_of_a_rare_label_without_errors() -> None:
    actual = np.array([0] * 98 + [1] * 2)
    assert bootstrap_intervals(actual, actual, 2, np.arange(100)) == (None, None)
    predicted = np.where(np.arange(100) < 1, 1, actual)
    macro, _correlation = bootstrap_intervals(actual, predicted, 3, np.arange(100))  # the third label never occurs
    assert macro is not None
    assert 0 < macro.low < 0.6 < macro.high <= 2 / 3


SHARES = {
    "even": np.array([[0.45, 0.05], [0.05, 0.45]]),
    "rare label": np.array([[0.85, 0.03], [0.04, 0.08]]),
    "three labels": np.array([[0.5, 0.04, 0.02], [0.05, 0.2, 0.02], [0.04, 0.03, 0.1]]),
}


@pytest.mark.slow
@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize("groups", [100, 300])
@pytest.mark.parametrize("case", SHARES)
def test_bootstrap_covers_truth_of_simulated_posts(case: str, groups: int, copies: int) -> None:
    shares = SHARES[case]
    labels, random, repeats = len(shares), np.random.default_rng(4), 400
    truth = [float(statistic(counts(1000 * shares) / 1000)) for statistic in (_macro_of_shares, _matthews_of_shares)]
    covered = np.zeros(2)
    for repeat in range(repeats):
        cells = random.choice(labels**2, size=groups, p=shares.ravel() / shares.sum())
        sizes = random.integers(1, copies + 1, groups)
        posts, texts = np.repeat(cells, sizes), np.repeat(np.arange(groups), sizes)
        intervals = bootstrap_intervals(*np.divmod(posts, labels), labels, texts, seed=repeat)
        covered += [
            interval is not None and interval.low <= value <= interval.high
            for interval, value in zip(intervals, truth, strict=True)
        ]
    print(
        f"{case}, {groups} texts, up to {copies} copies: F1 {covered[0] / repeats:.3f}, MCC {covered[1] / repeats:.3f}"
    )
    assert covered.min() / repeats >= 0.91  # 0.95 but for the error of 400 repeats and of small samples


def _macro_of_shares(counts: Counts) -> float:
    correct, actual, predicted = counts
    return float((2 * correct / (actual + predicted)).mean())


def _matthews_of_shares(counts: Counts) -> float:
    correct, actual, predicted = counts
    spread = (1 - (actual**2).sum()) * (1 - (predicted**2).sum())
    return float((correct.sum() - (actual * predicted).sum()) / np.sqrt(spread))
