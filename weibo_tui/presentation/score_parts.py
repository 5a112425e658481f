"""Parts of a score card that tables and pictures show, as numbers that are checked one by one.

A card may come from another program, or from a version without these parts: what is missing or malformed is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from weibo_tui.presentation.numbers import figure, mapping, sequence

MAX_ROWS = 200
"""Rows of a part that are read; the program writes at most 100."""
MAX_COUNT = 10**12
"""Posts; a card from another program may claim any number."""
Interval = tuple[float, float]
PartT = TypeVar("PartT")


@dataclass(frozen=True, slots=True)
class Bin:
    """Posts of similar confidence: its mean, and their accuracy with its interval."""

    confidence: float
    accuracy: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Subset:
    """Some of the posts, such as those of a file, and how they were predicted."""

    name: str
    n: int
    accuracy: float | None
    accuracy_ci: Interval | None
    macro_f1: float | None


@dataclass(frozen=True, slots=True)
class Answering:
    """The posts whose confidence is at least `threshold`: their accuracy, their share and their number."""

    accuracy: float
    threshold: float
    coverage: float
    n: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """A simple model on the same posts. `difference` is the adapter's accuracy minus its own."""

    name: str
    accuracy: float | None
    accuracy_ci: Interval | None
    macro_f1: float | None
    difference: float | None
    difference_ci: Interval | None
    adapter_only: int | None
    baseline_only: int | None
    p: float | None
    mid_p: float | None


@dataclass(frozen=True, slots=True)
class Seeds:
    """Trainings that differ in their seed: the seed that was kept, and the figures of each, by the figure's name."""

    seeds: Sequence[int]
    kept: int | None
    figures: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """All of them; see `ScoreCard`."""

    accuracy_ci: Interval | None
    macro_f1_ci: Interval | None
    mcc_ci: Interval | None
    ece_null: tuple[float, float] | None
    augrc: float | None
    reliability: Sequence[Bin]
    confidences: Sequence[tuple[int, int]]
    risk_coverage: Sequence[tuple[float, float, float]]
    answering: Sequence[Answering]
    sources: Sequence[Subset]
    lengths: Sequence[Subset]
    baselines: Sequence[Baseline]
    seeds: Seeds | None


def score_parts(score: Mapping[str, Any]) -> ScoreParts:
    """Read the parts of a score card (`ScoreCard.to_dict`)."""
    return ScoreParts(
        accuracy_ci=_pair(score.get("accuracy_ci")),
        macro_f1_ci=_pair(score.get("macro_f1_ci")),
        mcc_ci=_pair(score.get("mcc_ci")),
        ece_null=_pair(score.get("ece_null")),
        augrc=figure(score.get("augrc")),
        reliability=_rows(score.get("reliability"), _bin),
        confidences=_rows(score.get("confidences"), _right_and_wrong),
        risk_coverage=sorted(_rows(score.get("risk_coverage"), _point)),
        answering=_rows(score.get("answering"), _answering),
        sources=_rows(score.get("sources"), _subset),
        lengths=_rows(score.get("lengths"), _subset),
        baselines=_rows(score.get("baselines"), _baseline),
        seeds=_seeds(score.get("seeds")),
    )


def _bin(row: object) -> Bin | None:
    confidence, accuracy, low, high, n = _figures(row, "confidence", "accuracy", "low", "high", "n")
    if None in (confidence, accuracy, low, high, n):
        return None
    low, high = sorted((_share(low), _share(high)))
    return Bin(_share(confidence), _share(accuracy), low, high, _count(n))


def _right_and_wrong(row: object) -> tuple[int, int] | None:
    right, wrong = [*map(figure, sequence(row)), None, None][:2]
    return None if right is None or wrong is None else (_count(right), _count(wrong))


def _point(row: object) -> tuple[float, float, float] | None:
    coverage, risk, threshold = [*map(figure, sequence(row)[:3]), None, None, None][:3]
    if coverage is None or risk is None or threshold is None:
        return None
    return _share(coverage), _share(risk), _share(threshold)


def _answering(row: object) -> Answering | None:
    accuracy, threshold, coverage, n = _figures(row, "accuracy", "threshold", "coverage", "n")
    if None in (accuracy, threshold, coverage, n):
        return None
    return Answering(_share(accuracy), _share(threshold), _share(coverage), _count(n))


def _subset(row: object) -> Subset | None:
    values = mapping(row)
    name = values.get("name")
    if not isinstance(name, str):
        return None
    n, accuracy, macro_f1 = _figures(row, "n", "accuracy", "macro_f1")
    ends = _pair((values.get("low"), values.get("high")))
    return Subset(name, _count(n), _share_or_none(accuracy), ends, _share_or_none(macro_f1))


def _baseline(row: object) -> Baseline | None:
    values = mapping(row)
    name = values.get("name")
    if not isinstance(name, str):
        return None
    accuracy, macro_f1, difference, p, mid_p = _figures(row, "accuracy", "macro_f1", "difference", "p", "mid_p")
    adapter_only, baseline_only = _figures(row, "adapter_only", "baseline_only")
    return Baseline(
        name=name,
        accuracy=_share_or_none(accuracy),
        accuracy_ci=_pair(values.get("accuracy_ci")),
        macro_f1=_share_or_none(macro_f1),
        difference=_signed(difference),
        difference_ci=_pair(values.get("difference_ci")),
        adapter_only=None if adapter_only is None else _count(adapter_only),
        baseline_only=None if baseline_only is None else _count(baseline_only),
        p=_share_or_none(p),
        mid_p=_share_or_none(mid_p),
    )


def _seeds(value: object) -> Seeds | None:
    """Return the trainings, or None unless there are two with the same figures of each."""
    values = mapping(value)
    seeds = [int(seed) for seed in map(figure, sequence(values.get("seeds"))[:MAX_ROWS]) if seed is not None]
    figures = {}
    for name in ("accuracy", "macro_f1", "mcc", "baseline_difference"):
        read = (_signed(figure(one)) for one in sequence(values.get(name))[:MAX_ROWS])
        numbers = [one for one in read if one is not None]
        if len(numbers) == len(seeds):
            figures[name] = numbers
    kept = figure(values.get("kept"))
    return Seeds(seeds, None if kept is None else int(kept), figures) if len(seeds) > 1 and figures else None


# Single values


def _rows(value: object, read: Callable[[object], PartT | None]) -> Sequence[PartT]:
    return [part for part in map(read, sequence(value)[:MAX_ROWS]) if part is not None]


def _figures(row: object, *names: str) -> Iterator[float | None]:
    values = mapping(row)
    return (figure(values.get(name)) for name in names)


def _pair(ends: object) -> tuple[float, float] | None:
    low, high = [*(_signed(figure(end)) for end in sequence(ends)[:2]), None, None][:2]
    return None if low is None or high is None else (low, high)


def _signed(value: float | None) -> float | None:
    return None if value is None else min(max(value, -1.0), 1.0)


def _share(value: float | None) -> float:
    return min(max(value or 0.0, 0.0), 1.0)


def _share_or_none(value: float | None) -> float | None:
    return None if value is None else _share(value)


def _count(value: float | None) -> int:
    return int(min(max(value or 0, 0), MAX_COUNT))
