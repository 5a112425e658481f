"""Estimates of the share of each label in a labeled file, with intervals from a random sample of human labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.answers import CANNOT_TELL, AnswerColumns, AnsweredTable, Counts, SampledAnswers, read_answers
from weibo_tui.datasets.label_map import assign_labels, parse_rules
from weibo_tui.datasets.labels import Labels
from weibo_tui.engine.estimation import (
    LEVEL,
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
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names, ngettext
from weibo_tui.part_folders import warn_of_missing_parts
from weibo_tui.workbench.config import EstimationConfig

if TYPE_CHECKING:
    import pandas as pd

MIN_WINDOW = 50
"""Answers of a window, and of the rest of the file, from which a window has an interval and is compared."""

MORE = (50, 100, 200)
POINTS = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """The share of a label in a file, or in one of its windows. Shares and half-widths are from 0 to 1.

    `rows` have a predicted label, `n` of them a human one too, of which `disagreements` differ. `uncorrected` is the
    share of the predicted labels alone. `share` and its 95 % interval are missing without human labels, and in a window
    with fewer than MIN_WINDOW. `cannot_tell` counts further rows for which the human answer was that. `bounds` are the
    lowest and highest limit if none or all of these have the label. `with_more` has the half-width to expect with 50,
    100 and 200 more answers. `for_half_width` is the number of answers in all for ± 3 points, and `without_model` that
    of a sample whose predicted labels are ignored. `differs` is `higher` or `lower` where a window differs from the
    rest of the file, by 95 % intervals of all windows together (Bonferroni).
    """

    label: str
    window: str | None
    rows: int
    n: int
    disagreements: int
    cannot_tell: int
    uncorrected: float
    share: float | None = None
    low: float | None = None
    high: float | None = None
    half_width: float | None = None
    bounds: tuple[float, float] | None = None
    with_more: Mapping[int, float] | None = None
    for_half_width: int | None = None
    without_model: int | None = None
    differs: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `weibo-tui estimate --json` prints."""
        return {
            "label": self.label,
            "share": self.share,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "N": self.rows,
            "uncorrected": self.uncorrected,
            "half_width": self.half_width,
            "for_half_width": {str(POINTS): self.for_half_width},
            "with_more": {str(more): (self.with_more or {}).get(more) for more in MORE},
            "without_model": {str(POINTS): self.without_model},
            "disagreements": self.disagreements,
            "cannot_tell": self.cannot_tell,
            "bounds": None if self.bounds is None else list(self.bounds),
            "window": self.window,
            "differs": self.differs,
        }


@dataclass(frozen=True, slots=True)
class EstimationResult:
    """The last event of an estimation: an estimate for each label in the whole file, then in each window.

    `by` is what the windows are by, and `unassigned` the number of rows in none. `left_out` and `labels_read_as` are
    those of `AnsweredTable`. `warnings` say why the human labels may be no random sample, or that rows are missing.
    """

    path: Path
    labels: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    by: str | None
    unassigned: int
    left_out: Mapping[str, int]
    labels_read_as: Mapping[str, str]
    warnings: tuple[str, ...]

    @property
    def of_file(self) -> tuple[Estimate, ...]:
        """The estimates of the whole file."""
        return tuple(estimate for estimate in self.estimates if estimate.window is None)

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each estimate, with the keys of `Estimate.to_dict`, such as `for_half_width.3`."""
        import pandas as pd

        return pd.json_normalize([estimate.to_dict() for estimate in self.estimates])


def estimate(config: EstimationConfig, sampled: SampledAnswers | None) -> Iterator[object]:
    """Estimate the shares of the labels in a table, by `sampled` or its own labels; see `Workbench.iter_estimate`."""
    columns = AnswerColumns(config.columns, config.predicted_column, config.by, config.date_column, config.collected_at)
    table = yield from read_answers(config.data, columns, parse_rules(config.map), sampled=sampled)
    yield estimate_table(table, config.label, config.by)


def estimate_table(table: AnsweredTable, label: str | None, by: str | None) -> EstimationResult:
    """Return the estimates of one or all labels in a table, whose windows are by `by`."""
    estimates = estimate_counts(table.windows, _find_label(table, label), has_windows=by is not None)
    return EstimationResult(
        path=table.path,
        labels=table.labels,
        estimates=tuple(estimates),
        by=by,
        unassigned=0 if by is None else sum(table.windows.get(None, {}).values()),
        left_out=table.left_out,
        labels_read_as=table.labels_read_as,
        warnings=(*warn_of_missing_parts(table.path), *_sample_warnings(table)),
    )


def _find_label(table: AnsweredTable, label: str | None) -> tuple[str, ...]:
    """Return the labels to show. Raise UserInputError for a label that does not exist."""
    if label is None:
        return table.labels
    found = assign_labels({label.strip()}, Labels(table.labels, table.labels), parse_rules(())).indices
    if not found:
        message = _("{path} has no label {label}. Its labels are {labels}.")
        names = join_names(table.labels, 20)
        raise UserInputError(message.format(path=table.path, label=label, labels=names))
    return tuple(table.labels[index] for index in found.values())


def estimate_counts(
    windows: Mapping[str | None, Counts], labels: Sequence[str], *, has_windows: bool
) -> Iterator[Estimate]:
    """Yield the estimate of each label in all windows together, and where `has_windows`, in each that has a name.

    Windows are in the order of their names.
    """
    whole: Counter[tuple[str, str]] = Counter()
    for counts in windows.values():
        whole.update(counts)
    yield from (estimate_window(label, None, whole, min_answers=1) for label in labels)
    if not has_windows:
        return
    named = {window: windows[window] for window in sorted(filter(None, windows))}
    rests = {window: whole - Counter(counts) for window, counts in named.items()}
    compared = [w for w in named if min(_answers(named[w]), _answers(rests[w])) >= MIN_WINDOW]
    # With two labels both comparisons are the same.
    tests = len(compared) * (1 if len(labels) == 2 else len(labels))
    for window, counts in named.items():
        for label in labels:
            differs = _compare(label, counts, rests[window], tests) if window in compared else None
            yield estimate_window(label, window, counts, differs=differs)


def _strata(counts: Counts, label: str, cannot_tell_as: bool | None = None) -> list[Stratum]:
    """Return a stratum for each predicted label. `cannot_tell_as` is whether these answers count as the label."""
    strata: dict[str, Stratum] = {}
    for (predicted, answer), number in counts.items():
        is_unknown = answer == CANNOT_TELL
        is_answer = answer != "" and (not is_unknown or cannot_tell_as is not None)
        is_hit = answer == label or (is_unknown and bool(cannot_tell_as))
        part = Stratum(number, number * is_answer, number * is_hit)
        strata[predicted] = strata.get(predicted, Stratum(0, 0, 0)) + part
    return list(strata.values())


def _answers(counts: Counts) -> int:
    return sum(number for (_predicted, answer), number in counts.items() if answer not in ("", CANNOT_TELL))


def estimate_window(
    label: str, window: str | None, counts: Counts, min_answers: int = MIN_WINDOW, differs: str | None = None
) -> Estimate:
    """Return the estimate of a label in some rows, without an interval where there are fewer answers."""
    rows, n = sum(counts.values()), _answers(counts)
    base = Estimate(
        label=label,
        window=window,
        rows=rows,
        n=n,
        disagreements=sum(
            number for (predicted, answer), number in counts.items() if answer not in ("", CANNOT_TELL, predicted)
        ),
        cannot_tell=sum(number for (_predicted, answer), number in counts.items() if answer == CANNOT_TELL),
        uncorrected=sum(number for (predicted, _answer), number in counts.items() if predicted == label) / rows,
    )
    if n < min_answers:
        return base
    strata = _strata(counts, label)
    interval = estimate_share(strata)
    bounds = None
    if base.cannot_tell:
        bounds = estimate_share(_strata(counts, label, False)).low, estimate_share(_strata(counts, label, True)).high
    return replace(
        base,
        share=interval.share,
        low=interval.low,
        high=interval.high,
        half_width=interval.half_width,
        bounds=bounds,
        with_more={more: forecast_half_width(strata, n + more) for more in MORE},
        for_half_width=answers_for(strata, POINTS / 100),
        without_model=answers_without_model(interval.share, rows, POINTS / 100),
        differs=differs,
    )


def _compare(label: str, counts: Counts, rest: Counts, tests: int) -> str | None:
    """Return whether a window's share is higher or lower than that of the rest of the file, None for neither."""
    level = 1 - (1 - LEVEL) / tests
    found: Interval = difference(*(estimate_share(_strata(part, label), level) for part in (counts, rest)))
    return "higher" if found.low > 0 else "lower" if found.high < 0 else None


def _sample_warnings(table: AnsweredTable) -> Iterator[str]:
    """Yield a sentence for each sign that the answered rows are no random sample of the file."""
    import numpy as np

    answered = table.is_answered
    if deviation(table.numbers, answered) > MAX_DEVIATION:
        first, last = np.quantile(table.numbers[answered], (0.05, 0.95), method="nearest").tolist()
        message = _(
            "Warning: 90% of the human labels are in rows {first} to {last} of {rows}. The interval is valid only for "
            "a random sample."
        )
        yield message.format(first=f"{first:,}", last=f"{last:,}", rows=f"{table.numbers[-1]:,}")
    known = np.isfinite(table.confidences)
    if known.any() and deviation(table.confidences[known], answered[known]) > MAX_DEVIATION:
        median = float(np.median(table.confidences[known]))
        share = float((table.confidences[known & answered] < median).mean())
        message = _(
            "Warning: {share} of the human labels are of rows below the median confidence, where a random sample has "
            "50%. The interval is valid only for a random sample."
        )
        yield message.format(share=f"{share:.0%}")
    if number := table.left_out.get("teach", 0):
        yield ngettext(
            "{number:,} human label is not used, because its row was chosen for training.",
            "{number:,} human labels are not used, because their rows were chosen for training.",
            number,
        ).format(number=number)
    if number := table.left_out.get("correction", 0):
        yield ngettext(
            "{number:,} correction is not used, because its row was not drawn at random.",
            "{number:,} corrections are not used, because their rows were not drawn at random.",
            number,
        ).format(number=number)
