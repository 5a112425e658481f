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

from weibo_tui.engine.metrics import part_scores, score
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
    assert card["ece"] == pytest.approx(abs((predicted == truth).mean() - p.max(axis=1).mean()))  # below 100 posts
    for name, low in (("macro_f1", 0), ("mcc", -1)):
        assert (card[f"{name}_ci"] is None) == (name not in card["interval_methods"])
        if card[f"{name}_ci"] is not None:
            assert low <= card[f"{name}_ci"][0] <= card[f"{name}_ci"][1] <= 1
    assert sum(row["n"] for row in card["reliability"]) == len(truth)
    assert np.sum(card["confidences"], axis=0).tolist() == [(predicted == truth).sum(), (predicted != truth).sum()]
    assert card["risk_coverage"][-1][:2] == pytest.approx([1, 1 - card["accuracy"]])


@pytest.mark.parametrize("names", [["negative", "positive"], ["喜", "怒", "哀"]])
def test_score_without_posts_is_undefined(names: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        card = to_json(score([], np.empty((0, len(names))), names, failed=3))
    assert [*card] == KEYS
    assert (card["n"], card["failed"]) == (0, 3)
    for key in ("accuracy", "accuracy_ci", "macro_f1", "macro_f1_ci", "mcc", "mcc_ci", "ece", "ece_null", "brier"):
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


def test_part_scores_are_scores_of_the_parts() -> None:
    actual, predicted = np.array([0, 0, 1, 1, 1, 0]), np.array([0, 1, 1, 1, 0, 0])
    parts = part_scores(("a", "none", "b"), np.array([0, 0, 0, 0, 2, 2]), actual, predicted, np.arange(6))
    assert [(part["name"], part["n"], part["accuracy"]) for part in parts] == [("a", 4, 0.75), ("b", 2, 0.5)]
    assert parts[0]["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert parts[0]["low"] < 0.75 < parts[0]["high"]


def test_part_with_one_label_has_its_f1() -> None:
    actual, predicted = np.zeros(4, np.int64), np.array([0, 0, 0, 1])
    (part,) = part_scores(("a",), np.zeros(4, np.int64), actual, predicted, np.arange(4))
    assert part["macro_f1"] == pytest.approx(6 / 7)  # the other label does not occur


def test_score_is_the_same_again_and_read_back() -> None:
    random = np.random.default_rng(0)
    p = random.dirichlet([0.2, 0.2], size=3000)
    truth = (random.random(3000) < p[:, 1]).astype(int)
    first, second = (score(truth, p, ["a", "b"]) for _time in range(2))
    assert first == second  # the draws are seeded
    assert len(first.reliability) == 15
    assert len(first.risk_coverage) == 100
    assert first.ece is not None and first.ece_null is not None
    assert first.ece < first.ece_null[1]
    assert ScoreCard.from_dict(to_json(first)) == first
