"""The score card compared with scikit-learn and scipy, on random and degenerate inputs."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from weibo_tui.engine.metrics import accuracy_interval, calibration_error, effective_size, score
from weibo_tui.engine.score_card import ScoreCard

KEYS = [
    *("n", "failed", "accuracy", "accuracy_ci", "macro_f1", "macro_f1_ci", "mcc", "mcc_ci", "interval_methods"),
    *("per_label", "labels", "confusion", "ece", "ece_null", "reliability", "confidences", "brier"),
    *("risk_coverage", "augrc", "answering", "emoticons", "sources", "lengths"),
    *("baselines", "seeds", "faithfulness"),
]
Case = tuple[NDArray[np.int64], NDArray[Any], list[str]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw truth, probabilities and names, also with labels that never occur or are never predicted."""
    count = draw(st.integers(2, 5))
    n = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = rng.choice(rng.choice(count, size=draw(st.integers(1, count))), size=n)
    # Small concentrations give probabilities down to exactly 0 and 1, large ones give ties.
    p = rng.dirichlet(np.full(count, draw(st.sampled_from([1e-3, 0.3, 1.0, 100.0]))), size=n)
    if draw(st.booleans()):
        p = np.roll(np.sort(p, axis=1), draw(st.integers(0, count - 1)), axis=1)  # one label is always predicted
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return truth, p.astype(dtype), [f"label {i}" for i in range(count)]


def to_json(card: ScoreCard) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(json.dumps(card.to_dict(), allow_nan=False))
    return result


@given(cases())
@settings(max_examples=25)
def test_score_equals_scikit_learn_and_definitions(case: Case) -> None:
    from sklearn import metrics

    truth, p, names = case
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        card = to_json(score(truth, p, names, failed=3))
    predicted, labels = p.argmax(axis=1), range(len(names))
    assert (card["n"], card["failed"]) == (len(truth), 3)
    assert card["accuracy"] == metrics.accuracy_score(truth, predicted)
    assert 0 <= card["accuracy_ci"][0] <= card["accuracy"] <= card["accuracy_ci"][1] <= 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, about labels that do not occur
        assert card["macro_f1"] == pytest.approx(metrics.f1_score(truth, predicted, labels=labels, average="macro"))
        assert card["mcc"] == pytest.approx(metrics.matthews_corrcoef(truth, predicted))
        report = metrics.classification_report(truth, predicted, labels=labels, target_names=names, output_dict=True)
    assert card["confusion"] == metrics.confusion_matrix(truth, predicted, labels=labels).tolist()
    for name in names:
        expected = {key.replace("f1-score", "f1"): value for key, value in report[name].items()}
        assert card["per_label"][name] == pytest.approx(expected)

    p = p.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    distance = sum(((row - np.eye(len(names))[label]) ** 2).sum() for row, label in zip(p, truth, strict=True))
    assert card["brier"] == pytest.approx(distance / len(truth) / (2 if len(names) == 2 else 1))
    error = 0.0
    for k in range(15):
        inside = [i for i, row in enumerate(p) if k / 15 < row.max() <= (k + 1) / 15]
        if inside:
            hits = np.mean([p[i].argmax() == truth[i] for i in inside])
            error += len(inside) / len(truth) * abs(hits - np.mean([p[i].max() for i in inside]))
    assert card["ece"] == pytest.approx(error)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.61, 1.0])
    correct = np.array([True, False, True, True])
    # The last bin has three posts, 2 of them right at a mean of 2.9/3; the bin of 0.61 has one, which is right.
    assert calibration_error(confidence, correct) == pytest.approx(abs(2 - 2.9) / 4 + abs(1 - 0.61) / 4)


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


@pytest.mark.parametrize("names", [["negative", "positive"], ["喜", "怒", "哀"]])
def test_score_without_posts_is_undefined(names: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        card = to_json(score([], np.empty((0, len(names))), names, failed=3))
    assert [*card] == KEYS
    assert (card["n"], card["failed"]) == (0, 3)
    for key in ("accuracy", "accuracy_ci", "macro_f1", "mcc", "ece", "brier"):
        assert card[key] is None
    assert card["confusion"] == [[0] * len(names)] * len(names)
    undefined = {"precision": None, "recall": None, "f1": None, "support": 0}
    assert card["per_label"] == dict.fromkeys(names, undefined)


def test_score_json_keys() -> None:
    card = to_json(score([0, 1], [[0.9, 0.1], [0.6, 0.4]], ["negative", "positive"], failed=1))
    assert [*card] == KEYS
    assert card["labels"] == ["negative", "positive"]
    assert card["confusion"] == [[1, 0], [1, 0]]
    assert [*card["per_label"]["positive"]] == ["precision", "recall", "f1", "support"]
    assert card["emoticons"] == {"with": None, "without": None, "only": None}
    assert len(card["accuracy_ci"]) == 2
