"""Score cards as figures and texts that are ready to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weibo_tui.locale import gettext as _
from weibo_tui.locale import with_note
from weibo_tui.presentation.numbers import figure, interval, mapping, number, percent, sequence
from weibo_tui.presentation.score_parts import Interval, ScoreParts


@dataclass(frozen=True, slots=True)
class ScoreFigures:
    """Figures of a score card. What is missing or malformed is None or empty, and shown as a dash."""

    posts: int
    failed: int
    accuracy: float | None
    without_emoticons: float | None
    only_emoticons: float | None
    macro_f1: str
    mcc: str
    ece: str
    brier: str
    labels: Sequence[str]
    per_label: Mapping[str, Sequence[str]]
    """Precision, recall, F1 and number of posts of each label."""
    confusion: Sequence[Sequence[int]]
    """A row for each actual label, a column for each predicted one."""


def score_figures(score: Mapping[str, Any]) -> ScoreFigures:
    """Read a score card (`ScoreCard.to_dict`), also one from another program."""
    emoticons = mapping(score.get("emoticons"))
    labels = [label for label in sequence(score.get("labels")) if isinstance(label, str)]
    per_label = mapping(score.get("per_label"))
    return ScoreFigures(
        posts=int(figure(score.get("n")) or 0),
        failed=int(figure(score.get("failed")) or 0),
        accuracy=figure(score.get("accuracy")),
        without_emoticons=figure(emoticons.get("without")),
        only_emoticons=figure(emoticons.get("only")),
        macro_f1=percent(figure(score.get("macro_f1"))),
        mcc=number(figure(score.get("mcc"))),
        ece=number(figure(score.get("ece"))),
        brier=number(figure(score.get("brier"))),
        labels=labels,
        per_label={label: _label_cells(mapping(per_label.get(label))) for label in labels},
        confusion=_counts(score.get("confusion"), len(labels)),
    )


def with_interval(value: str, ends: Interval | None, shown: Callable[[float], str]) -> str:
    """Return a figure with its interval, if it has one, as in `95.1% (94.0% – 96.2%)`."""
    return value if ends is None else with_note(value, interval(ends, shown))


def with_null(ece: str, parts: ScoreParts) -> str:
    """Return an ECE with the mean and the 95th percentile of a perfectly calibrated model's."""
    if parts.ece_null is None:
        return ece
    mean, limit = map(number, parts.ece_null)
    return with_note(ece, _("perfectly calibrated: {mean}, 95% below {limit}").format(mean=mean, limit=limit))


def _label_cells(values: Mapping[str, Any]) -> list[str]:
    shares = [percent(figure(values.get(name))) for name in ("precision", "recall", "f1")]
    return [*shares, number(figure(values.get("support")), 0)]


def _counts(rows: object, labels: int) -> list[list[int]]:
    """Return the confusion matrix, or nothing if it is not square."""
    matrix = [[figure(count) for count in sequence(row)] for row in sequence(rows)]
    if len(matrix) != labels or any(len(row) != labels or None in row for row in matrix):
        return []
    return [[int(count or 0) for count in row] for row in matrix]
