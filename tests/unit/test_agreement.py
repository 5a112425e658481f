"""Kappa, AC1 and their intervals, against worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from annotating import Table

from weibo_tui.engine.agreement import agreement
from weibo_tui.storage.answers import Answers
from weibo_tui.storage.database import Database
from weibo_tui.workbench.annotation import Annotation
from weibo_tui.workbench.annotation_results import agreements

# Gwet (2008), table 2: 118 of 125 pairs are (+, +), 5 (+, -), 2 (-, +), none (-, -).
RARE = [("+", "+")] * 118 + [("+", "-")] * 5 + [("-", "+")] * 2


def test_kappa_of_worked_example() -> None:
    # Cohen's example in most textbooks: 20 and 15 agree, 5 and 10 do not.
    pairs = [("yes", "yes")] * 20 + [("no", "no")] * 15 + [("yes", "no")] * 5 + [("no", "yes")] * 10
    found = agreement(pairs)
    assert (found.n, found.agreeing, found.share) == (50, 35, 0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.kappa_ci is not None
    assert found.kappa_ci[0] < 0.4 < found.kappa_ci[1]
    # The standard error by the delta method is 0.127, so that the interval is some 0.5 wide.
    assert found.kappa_ci[1] - found.kappa_ci[0] == pytest.approx(0.5, abs=0.06)


def test_ac1_does_not_fall_where_a_label_is_rare() -> None:
    found = agreement(RARE)
    assert found.kappa == pytest.approx(-0.0234, abs=1e-4)
    q = (123 + 120) / 250
    expected = 2 * q * (1 - q)
    assert found.ac1 == pytest.approx((118 / 125 - expected) / (1 - expected))
    assert found.ac1 == pytest.approx(0.9408, abs=1e-4)


def test_agreement_of_several_labels_equals_sklearn() -> None:
    from sklearn.metrics import cohen_kappa_score

    chance = np.random.default_rng(5)
    one = chance.integers(4, size=300)
    other = np.where(chance.random(300) < 0.6, one, chance.integers(4, size=300))
    found = agreement([*zip(map(str, one), map(str, other), strict=True)])
    assert found.kappa == pytest.approx(cohen_kappa_score(one, other))


@pytest.mark.parametrize(("pairs", "kappa"), [([], None), ([("a", "a")] * 9, None), ([("a", "b")], 0.0)])
def test_agreement_of_degenerate_answers_is_missing(pairs: list[tuple[str, str]], kappa: float | None) -> None:
    found = agreement(pairs)
    assert found.n == len(pairs)
    assert found.kappa == kappa
    if len(pairs) < 2:
        assert found.kappa_ci is None


def test_bootstrap_interval_covers_the_true_kappa() -> None:
    # With labels half and half and 80 % repeated, kappa is 0.8 - 0.5 over 0.5, in an endless population.
    chance = np.random.default_rng(7)
    covered = 0
    for _sample in range(200):
        one = chance.integers(2, size=150)
        other = np.where(chance.random(150) < 0.8, one, 1 - one)
        interval = agreement([*zip(map(str, one), map(str, other), strict=True)]).kappa_ci
        assert interval is not None
        covered += interval[0] <= 0.6 <= interval[1]
    assert covered >= 182  # of 190 to expect


def test_repeats_and_annotators_are_compared(database: Database) -> None:
    answers = Answers(database)
    table = Table([f"{number} 下雨" for number in range(500)])
    ada, bob = (Annotation(table, answers, "sample", name) for name in ("ada", "bob"))
    for _answer in range(320):
        task = ada.next()
        assert task is not None
        ada.answer(task, "negative" if task.is_repeat and task.row % 2 else "positive")
    for _answer in range(10):
        task = bob.next()
        assert task is not None
        bob.answer(task, "positive")
    again, between = agreements(answers.entries(table.info.posts))
    assert (again.first, again.second, between.first, between.second) == ("ada", "ada", "ada", "bob")
    assert 10 <= again.agreement.n <= 40
    assert 0 < again.agreement.agreeing < again.agreement.n
    assert (between.agreement.n, between.agreement.agreeing) == (10, 10)
