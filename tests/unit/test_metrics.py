"""The score card against scikit-learn, on random and on degenerate inputs."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, binomtest
from sklearn import metrics

from weibo_tui.engine.metrics import ScoreCard, accuracy_interval, calibration_error, effective_size, score

KEYS = [
    *("n", "failed", "accuracy", "accuracy_ci", "macro_f1", "mcc", "per_label", "labels", "confusion"),
    *("ece", "brier", "emoticons"),
]
EvaluationResult = tuple[NDArray[np.int64], NDArray[Any], list[str]]


@st.composite
def scored(draw: st.DrawFn) -> EvaluationResult:
    """Truth, probabilities and names; also with labels that never occur, or are never predicted."""
    count = draw(st.integers(2, 5))
    n = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = rng.choice(rng.choice(count, size=draw(st.integers(1, count))), size=n)
    # Small concentrations give sure verdicts, down to probabilities of exactly 0 and 1; great ones give ties.
    p = rng.dirichlet(np.full(count, draw(st.sampled_from([1e-3, 0.3, 1.0, 100.0]))), size=n)
    if draw(st.booleans()):
        p = np.roll(np.sort(p, axis=1), draw(st.integers(0, count - 1)), axis=1)  # one label only is predicted
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return truth, p.astype(dtype), [f"label {i}" for i in range(count)]


def read_back(card: ScoreCard) -> dict[str, Any]:
    """What another program reads; a NaN is an error."""
    found: dict[str, Any] = json.loads(json.dumps(card.to_json(), allow_nan=False))
    return found


@given(scored())
def test_figures_are_those_of_scikit_learn(case: EvaluationResult) -> None:
    truth, p, names = case
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        card = read_back(score(truth, p, names))
    verdict, labels = p.argmax(axis=1), range(len(names))
    assert card["n"] == len(truth)
    assert card["accuracy"] == metrics.accuracy_score(truth, verdict)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's own, about labels that are not there
        assert card["macro_f1"] == pytest.approx(metrics.f1_score(truth, verdict, labels=labels, average="macro"))
        assert card["mcc"] == pytest.approx(metrics.matthews_corrcoef(truth, verdict))
        report = metrics.classification_report(truth, verdict, labels=labels, target_names=names, output_dict=True)
    assert card["confusion"] == metrics.confusion_matrix(truth, verdict, labels=labels).tolist()
    for name in names:
        expected = {key.replace("f1-score", "f1"): value for key, value in report[name].items()}
        assert card["per_label"][name] == pytest.approx(expected)


@given(scored())
def test_calibration_figures_are_those_of_their_definitions(case: EvaluationResult) -> None:
    truth, p, names = case
    card = score(truth, p, names)
    p = p.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)

    distance = sum(((row - np.eye(len(names))[label]) ** 2).sum() for row, label in zip(p, truth, strict=True))
    assert card.brier == pytest.approx(distance / len(truth) / (2 if len(names) == 2 else 1))

    error = 0.0
    for k in range(15):
        inside = [i for i, row in enumerate(p) if k / 15 < row.max() <= (k + 1) / 15]
        if inside:
            hits = np.mean([p[i].argmax() == truth[i] for i in inside])
            error += len(inside) / len(truth) * abs(hits - np.mean([p[i].max() for i in inside]))
    assert card.ece == pytest.approx(error)


def test_calibration_error_of_a_case_done_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.61, 1.0])
    correct = np.array([True, False, True, True])
    # The last bin holds three, 2 of them right at a mean of 2.9/3; the bin of 0.61 holds one, right.
    assert calibration_error(confidence, correct) == pytest.approx(abs(2 - 2.9) / 4 + abs(1 - 0.61) / 4)


@given(scored())
def test_the_interval_holds_the_accuracy(case: EvaluationResult) -> None:
    truth, p, names = case
    card = score(truth, p, names)
    assert card.accuracy is not None
    assert card.accuracy_ci is not None
    assert 0 <= card.accuracy_ci[0] <= card.accuracy <= card.accuracy_ci[1] <= 1


@pytest.mark.parametrize("n", [1, 5, 30, 1000])
def test_accuracy_interval_is_scipys_corrected_wilson(n: int) -> None:
    for hits in {0, 1, n // 2, n - 1, n}:
        expected = binomtest(hits, n).proportion_ci(method="wilsoncc")
        assert accuracy_interval(hits / n, n) == pytest.approx(tuple(expected), abs=1e-9)


@pytest.mark.parametrize("n", [5, 10, 30, 100, 1000])
@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.99])
def test_accuracy_interval_covers_the_truth_in_94_percent(n: int, accuracy: float) -> None:
    intervals = [accuracy_interval(hits / n, n) for hits in range(n + 1)]
    covering = [hits for hits, (low, high) in enumerate(intervals) if low <= accuracy <= high]
    assert binom.pmf(covering, n, accuracy).sum() >= 0.94


def test_interval_of_five_hits_in_five_is_not_certainty() -> None:
    card = score([0] * 5, [[0.9, 0.1]] * 5, ["a", "b"])
    assert card.accuracy == 1.0
    assert card.accuracy_ci == pytest.approx((0.4629, 1.0), abs=1e-4)


def test_interval_counts_copies_of_a_text_once() -> None:
    truth = [0] * 10 + [1] * 10
    p = [[0.9, 0.1]] * 18 + [[0.1, 0.9]] * 2
    once = score(truth, p, ["a", "b"], texts=np.arange(20))
    copied = score(truth * 50, p * 50, ["a", "b"], texts=np.tile(np.arange(20), 50))
    assert copied.accuracy_ci == pytest.approx(once.accuracy_ci)
    assert once.accuracy_ci == score(truth, p, ["a", "b"]).accuracy_ci


@pytest.mark.parametrize("copies", [[500, *[1] * 500], [*[3] * 10, *[1] * 90], [20, *[1] * 10], [100], range(1, 30)])
@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.99])
def test_interval_covers_the_truth_with_any_copies(copies: list[int], accuracy: float) -> None:
    sizes = np.array(copies)
    n = effective_size(np.repeat(np.arange(len(sizes)), sizes))
    right = np.random.default_rng(0).random((4000, len(sizes))) < accuracy
    measured, draws = np.unique(right @ sizes / sizes.sum(), return_counts=True)
    intervals = [accuracy_interval(float(one), n) for one in measured]
    covering = [low <= accuracy <= high for low, high in intervals]
    assert np.average(covering, weights=draws) >= 0.94


@pytest.mark.parametrize("names", [["negative", "positive"], ["喜", "怒", "哀"]])
def test_no_posts_give_no_figures(names: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        card = read_back(score([], np.empty((0, len(names))), names, failed=3))
    assert [*card] == KEYS
    assert (card["n"], card["failed"]) == (0, 3)
    for key in ("accuracy", "accuracy_ci", "macro_f1", "mcc", "ece", "brier"):
        assert card[key] is None
    assert card["confusion"] == [[0] * len(names)] * len(names)
    nothing = {"precision": None, "recall": None, "f1": None, "support": 0}
    assert card["per_label"] == dict.fromkeys(names, nothing)


def test_json_has_the_keys_that_other_programs_rely_on() -> None:
    card = read_back(score([0, 1], [[0.9, 0.1], [0.6, 0.4]], ["negative", "positive"], failed=1))
    assert [*card] == KEYS
    assert card["labels"] == ["negative", "positive"]
    assert card["confusion"] == [[1, 0], [1, 0]]
    assert [*card["per_label"]["positive"]] == ["precision", "recall", "f1", "support"]
    assert card["emoticons"] == {"with": None, "without": None, "only": None}
    assert len(card["accuracy_ci"]) == 2
