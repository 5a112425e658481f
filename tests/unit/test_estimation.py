"""Intervals of shares: coverage in repeated samples, edge cases, and figures of the literature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from weibo_tui.engine.estimation import (
    MAX_DEVIATION,
    Interval,
    Stratum,
    answers_for,
    answers_without_model,
    deviation,
    difference,
    estimate_share,
    forecast_half_width,
)

ENDLESS = 10**12
Z = 1.959963984540054
ROUNDING = 1e-12


@dataclass(frozen=True)
class Cell:
    """A file of `rows` with a share of positive rows, a model of some accuracy, and samples of n rows.

    With `one_sided` errors the model misses positive rows and errs in others only when these are used up. Its
    scores are .95 and .05, so that it is as sure of its errors.
    """

    share: float
    accuracy: float
    n: int
    rows: int
    one_sided: bool

    def counts(self) -> list[int]:
        """Return the rows that are (predicted, actual): --, -+, +-, ++."""
        positive, wrong = round(self.share * self.rows), round((1 - self.accuracy) * self.rows)
        missed = min(positive, wrong) if self.one_sided else round((1 - self.accuracy) * positive)
        false = wrong - missed
        return [self.rows - positive - false, missed, false, positive - missed]


@dataclass(frozen=True)
class Coverage:
    """The share of the samples whose interval has the true share, and the mean half-width, of three methods."""

    ours: float
    half_width: float
    wilson: float
    wilson_half_width: float
    ppi: float
    ppi_half_width: float


def strata(counts: tuple[int, ...], rows: list[int]) -> list[Stratum]:
    return [Stratum(sum(rows[at : at + 2]), counts[at] + counts[at + 1], counts[at + 1]) for at in (0, 2)]


def ppi_wald(counts: tuple[int, ...], rows: list[int]) -> Interval:
    """Return the interval of prediction-powered inference (Angelopoulos et al. 2023), which is not in the program."""
    scores, truth = np.array([0.05, 0.05, 0.95, 0.95]), np.array([0, 1, 0, 1])
    number, total = np.array(counts), np.array(rows)
    n = number.sum()
    rectifier = (number * (truth - scores)).sum() / n
    variance = (number * (truth - scores - rectifier) ** 2).sum() / (n - 1)
    share = (total * scores).sum() / total.sum() + rectifier
    half = Z * sqrt(variance / n * (1 - n / total.sum()))
    return Interval(share, share - half, share + half)


def cover(cell: Cell, draws: int) -> Coverage:
    rows = cell.counts()
    rng = np.random.default_rng(19)
    samples = Counter(map(tuple, rng.multivariate_hypergeometric(rows, cell.n, size=draws).tolist()))
    truth = (rows[1] + rows[3]) / cell.rows
    totals = np.zeros(6)
    for counts, times in samples.items():
        parts = strata(counts, rows)
        one = [Stratum(cell.rows, cell.n, parts[0].hits + parts[1].hits)]
        for at, interval in enumerate((estimate_share(parts), estimate_share(one), ppi_wald(counts, rows))):
            covers = interval.low - ROUNDING <= truth <= interval.high + ROUNDING
            totals[2 * at : 2 * at + 2] += times * covers, times * interval.half_width
    return Coverage(*(totals / draws).tolist())


def grid() -> Iterator[Cell]:
    """Yield 12 shares and accuracies, each with a small, a finite and a confidently wrong case."""
    for share, accuracy in product((0.05, 0.1, 0.3, 0.5), (0.75, 0.9, 0.98)):
        yield Cell(share, accuracy, 50, 20_000, one_sided=False)
        yield Cell(share, accuracy, 100, 600, one_sided=False)
        yield Cell(share, accuracy, 300, 20_000, one_sided=True)


@pytest.mark.slow
def test_coverage_holds_where_ppi_wald_fails() -> None:
    results = {cell: cover(cell, 2000) for cell in grid()}
    print("\nshare  accuracy    n    rows  errors       ours         Wilson       PPI-Wald")
    for cell, found in results.items():
        kind = "one-sided" if cell.one_sided else "both"
        figures = ((found.ours, found.half_width), (found.wilson, found.wilson_half_width))
        shown = (
            f"{coverage:.3f} ({100 * half:4.1f})" for coverage, half in (*figures, (found.ppi, found.ppi_half_width))
        )
        print(f"{cell.share:5}  {cell.accuracy:8}  {cell.n:3}  {cell.rows:6}  {kind:9}", *shown, sep="  ")
    assert min(found.ours for found in results.values()) >= 0.94
    assert sum(found.ppi < 0.94 for found in results.values()) > len(results) / 3
    for cell, found in results.items():
        # Of 5 % an accuracy of .90 says little: the best that its strata allow is .864 of Wilson's half-width.
        if cell.accuracy >= 0.9 and cell.share > 0.05 and not cell.one_sided:
            assert found.half_width <= 0.85 * found.wilson_half_width, cell


def test_coverage_of_few_samples_holds() -> None:
    for cell in (
        Cell(0.05, 0.98, 100, 20_000, one_sided=False),
        Cell(0.3, 0.75, 50, 20_000, one_sided=False),
        Cell(0.5, 0.9, 300, 600, one_sided=False),
        Cell(0.3, 0.98, 50, 20_000, one_sided=True),
    ):
        assert cover(cell, 500).ours >= 0.93, cell
    assert cover(cell, 500).ppi < 0.93


def complete(draw: st.DrawFn) -> Stratum:
    rows = draw(st.integers(1, 50))
    return Stratum(rows, rows, draw(st.integers(0, rows)))


@st.composite
def sampled(draw: st.DrawFn) -> list[Stratum]:
    """Draw strata, of which at least one has an answer."""
    result = []
    for _each in range(draw(st.integers(1, 5))):
        rows = draw(st.integers(0, 2000))
        answers = draw(st.integers(0, min(rows, 300)))
        result.append(Stratum(rows, answers, draw(st.integers(0, answers))))
    return [*result, Stratum(100, 1 + len(result), 1)]


@given(sampled())
def test_interval_contains_share_and_is_a_share(parts: list[Stratum]) -> None:
    found = estimate_share(parts)
    assert 0 <= found.low <= found.share <= found.high <= 1
    wide = estimate_share(parts, 0.99)
    assert (wide.share, wide.low <= found.low, wide.high >= found.high) == (found.share, True, True)
    mirrored = estimate_share([Stratum(part.rows, part.answers, part.answers - part.hits) for part in parts])
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low))


@given(st.lists(st.composite(complete)(), min_size=1, max_size=4))
def test_interval_of_all_rows_is_exact(parts: list[Stratum]) -> None:
    found = estimate_share(parts)
    exact = sum(part.hits for part in parts) / sum(part.rows for part in parts)
    assert (found.share, found.low, found.high) == pytest.approx((exact,) * 3)
    assert found.half_width == 0


def test_interval_without_answers_is_refused() -> None:
    for parts in ([], [Stratum(10, 0, 0)], [Stratum(10, 0, 0), Stratum(20, 0, 0)]):
        with pytest.raises(ValueError, match="no answers"):
            estimate_share(parts)


def test_one_stratum_is_wilson_of_scipy() -> None:
    for hits, n in ((0, 5), (3, 20), (50, 50), (17, 300)):
        found = estimate_share([Stratum(ENDLESS, n, hits)])
        reference = stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=1e-9)


def test_small_strata_are_merged_unless_fully_answered() -> None:
    large = Stratum(1000, 60, 30)
    assert estimate_share([large, Stratum(200, 4, 4)]) == estimate_share([Stratum(1200, 64, 34)])
    assert estimate_share([large, Stratum(100, 2, 1), Stratum(100, 0, 0), Stratum(0, 0, 0), Stratum(90, 3, 0)]) == (
        estimate_share([large, Stratum(290, 5, 1)])
    )
    assert estimate_share([large, Stratum(4, 4, 0)]).share == pytest.approx(0.5 * 1000 / 1004)


def test_difference_is_the_published_one() -> None:
    # Newcombe 1998, table II, example (a), method 10: 56 of 70 against 48 of 80.
    found = difference(*(estimate_share([Stratum(ENDLESS, n, hits)]) for hits, n in ((56, 70), (48, 80))))
    assert (found.share, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@given(sampled(), st.floats(0.001, 0.3))
def test_answers_needed_are_the_fewest_that_do(parts: list[Stratum], half_width: float) -> None:
    total = sum(part.rows for part in parts)
    needed = answers_for(parts, half_width)
    assert forecast_half_width(parts, needed) <= half_width + ROUNDING
    if needed > sum(part.answers for part in parts):
        assert forecast_half_width(parts, needed - 1) > half_width
    assert forecast_half_width(parts, total + 1) == pytest.approx(0, abs=1e-6)
    assert forecast_half_width(parts, 0) == estimate_share(parts).half_width


def test_answers_without_model_are_those_of_wilson() -> None:
    # z² p (1 - p) / h² is 1,067 for p = .5 and h = .03; in a small file it is n / (1 + n / N).
    assert answers_without_model(0.5, ENDLESS, 0.03) == pytest.approx(1067, abs=4)
    assert answers_without_model(0.5, 5000, 0.03) == pytest.approx(1067 / (1 + 1067 / 5000), abs=4)
    assert answers_without_model(0.5, 20, 0.03) == 20
    assert answers_without_model(0.0, 1, 0.03) == 1


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40))
def test_deviation_is_the_largest_difference(pairs: list[tuple[int, bool]]) -> None:
    values, is_sampled = (np.array(column) for column in zip(*pairs, strict=True))
    sampled = values[is_sampled]
    expected = max(
        (abs((sampled <= value).mean() - (values <= value).mean()) for value in values) if len(sampled) else [0.0]
    )
    assert deviation(values, is_sampled) == pytest.approx(sqrt(len(sampled)) * expected)


def test_deviation_tells_random_samples_from_others() -> None:
    rng = np.random.default_rng(3)
    rows = np.arange(5000)

    def found(chosen: NDArray[np.int64]) -> float:
        return deviation(rows, np.isin(rows, chosen))

    assert max(found(rng.choice(5000, 100, replace=False)) for _each in range(200)) < MAX_DEVIATION
    assert min(map(found, (np.arange(30), np.arange(2400, 2500), np.arange(4950, 5000)))) > MAX_DEVIATION
    assert found(rows) == 0
