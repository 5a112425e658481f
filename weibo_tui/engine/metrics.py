"""Metrics of predictions: the score card with accuracies and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weibo_tui.engine.reliability import calibration_error, confidence_histogram, null_calibration_error, reliability
from weibo_tui.engine.score_card import ScoreCard
from weibo_tui.engine.selective import RiskCoverage
from weibo_tui.engine.uncertainty import accuracy_interval, bootstrap_intervals, effective_size


class PartScore(TypedDict):
    """Score of a part of the posts. Its macro F1 is the mean over the labels that occur in it."""

    name: str
    n: int
    accuracy: float
    low: float
    high: float
    macro_f1: float


def score(
    truth: ArrayLike,
    probabilities: ArrayLike,
    names: Sequence[str],
    failed: int = 0,
    texts: NDArray[np.int64] | None = None,
) -> ScoreCard:
    """Return the score card of `probabilities` (n, labels) for labels `truth` (n,).

    It is without accuracies by emoticons, parts of the posts and comparisons. `truth` has indices into `names`; rows
    of `probabilities` sum to 1; n may be 0. Equal numbers in `texts` (n,) mark copies of a text; by default all texts
    differ.
    """
    from sklearn import metrics

    labels = np.arange(len(names))
    actual = np.asarray(truth, dtype=np.int64)
    p = np.asarray(probabilities, dtype=np.float64).reshape(-1, len(names))
    if not len(actual):
        return _empty_score(names, failed)
    p = p / p.sum(axis=1, keepdims=True)  # scikit-learn refuses float32's rounding errors
    predicted, confidence = p.argmax(axis=1), p.max(axis=1)
    correct = predicted == actual
    groups = np.arange(len(actual)) if texts is None else texts
    accuracy, macro_f1 = accuracy_and_macro_f1(actual, predicted, len(names))
    # With a single label scikit-learn warns and returns 0.
    mcc = metrics.matthews_corrcoef(actual, predicted) if len(np.union1d(actual, predicted)) > 1 else 0.0
    intervals = dict(zip(("macro_f1", "mcc"), bootstrap_intervals(actual, predicted, len(names), groups), strict=True))
    known = {name: interval for name, interval in intervals.items() if interval is not None}
    ends = {name: (interval.low, interval.high) for name, interval in known.items()}
    curve = RiskCoverage.of(confidence, correct)
    return ScoreCard(
        n=len(actual),
        failed=failed,
        accuracy=accuracy,
        accuracy_ci=accuracy_interval(accuracy, effective_size(groups)),
        macro_f1=macro_f1,
        macro_f1_ci=ends.get("macro_f1"),
        mcc=float(mcc),
        mcc_ci=ends.get("mcc"),
        interval_methods={name: interval.method for name, interval in known.items()},
        per_label=_label_scores(actual, predicted, names),
        labels=tuple(names),
        confusion=tuple(map(tuple, metrics.confusion_matrix(actual, predicted, labels=labels).tolist())),
        ece=calibration_error(confidence, correct),
        ece_null=null_calibration_error(confidence, groups),
        reliability=reliability(confidence, correct, groups),
        confidences=confidence_histogram(confidence, correct),
        brier=float(metrics.brier_score_loss(actual, p, labels=labels)),
        risk_coverage=curve.points(),
        augrc=curve.augrc(),
        answering=curve.answering(groups),
    )


def _empty_score(names: Sequence[str], failed: int) -> ScoreCard:
    undefined: dict[str, float | None] = {"precision": None, "recall": None, "f1": None, "support": 0}
    confusion = tuple((0,) * len(names) for _name in names)
    per_label = {name: dict(undefined) for name in names}
    return ScoreCard(n=0, failed=failed, per_label=per_label, labels=tuple(names), confusion=confusion)


def _label_scores(
    actual: NDArray[np.int64], predicted: NDArray[np.int64], names: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    from sklearn import metrics

    columns = metrics.precision_recall_fscore_support(
        actual, predicted, labels=np.arange(len(names)), zero_division=0.0
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        name: dict(zip(("precision", "recall", "f1", "support"), row, strict=True))
        for name, row in zip(names, rows, strict=True)
    }


def accuracy_and_macro_f1(
    truth: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], labels: int
) -> tuple[float, float]:
    """Return both for label indices (n,), n > 0. The F1 is the mean over `labels`, 0 for those that never occur."""
    return float((truth == predicted).mean()), _mean_f1(truth, predicted, np.arange(labels))


def _mean_f1(truth: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], labels: NDArray[np.int64]) -> float:
    from sklearn import metrics

    return float(metrics.f1_score(truth, predicted, labels=labels, average="macro", zero_division=0.0))


def part_scores(
    names: Sequence[str],
    parts: NDArray[np.int64],
    actual: NDArray[np.int64],
    predicted: NDArray[np.int64],
    texts: NDArray[np.int64],
) -> tuple[PartScore, ...]:
    """Return the score of each part of the posts that has posts, where `parts` (n,) are indices into `names`.

    `actual` and `predicted` (n,) are label indices; `texts` is as in `score`.
    """
    scores = []
    for part, name in enumerate(names):
        posts = np.flatnonzero(parts == part)
        if not len(posts):
            continue
        labels = np.unique(actual[posts])
        accuracy = float((actual[posts] == predicted[posts]).mean())
        low, high = accuracy_interval(accuracy, effective_size(texts[posts]))
        f1 = _mean_f1(actual[posts], predicted[posts], labels)
        scores.append(PartScore(name=name, n=len(posts), accuracy=accuracy, low=low, high=high, macro_f1=f1))
    return tuple(scores)
