"""The figures of a comparison as lines of text: the score of each rater, and the difference of each pair."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor

from textual.content import Content

from weibo_tui.app.explanation import in_app_terms
from weibo_tui.app.formatting import safe_line
from weibo_tui.app.plot.intervals import difference_bar, interval_bar
from weibo_tui.app.widgets.figure_table import Column, Table, paragraph_lines
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.comparison import (
    comparison_notes,
    label_shares,
    pair_name,
    pair_sentence,
    rater_figures,
    rater_header,
    rater_name,
)
from weibo_tui.presentation.numbers import interval, number, p_value, percent, signed_points
from weibo_tui.workbench.comparison_result import ComparisonResult, PairComparison

_STEP = 0.05
"""The axes of accuracies and differences end at multiples of it."""


def figure_lines(result: ComparisonResult, width: int) -> Iterator[Content]:
    """Yield the figures of a comparison and what they are about, in lines of `width` cells."""
    yield from _score_lines(result, width) if result.has_labels else _share_lines(result, width)
    yield Content("")
    yield from _pair_lines(result, width)
    yield Content("")
    for pair in result.pairs:
        yield from paragraph_lines(pair_sentence(result, pair), width)
    for note in comparison_notes(result):
        yield from paragraph_lines(in_app_terms(note), width, "$text-muted")
    for warning in result.warnings:
        yield from paragraph_lines(warning, width, "$text-warning")


def _score_lines(result: ComparisonResult, width: int) -> Iterator[Content]:
    figures = list(zip(*map(rater_figures, result.raters), strict=True))
    limits = [rater.score.accuracy_ci for rater in result.raters if rater.score is not None]
    lowest = min((low for low, _high in filter(None, limits)), default=0.0)
    start = min(floor(lowest / _STEP) * _STEP, 1 - _STEP)

    def place(share: float) -> float:
        return (share - start) / (1 - start)

    def accuracy_bar(row: int, cells: int) -> Content:
        score = result.raters[row].score
        if score is None or score.accuracy is None or score.accuracy_ci is None:
            return Content(" " * cells)
        low, high = score.accuracy_ci
        return interval_bar(cells, "$primary", None, place(score.accuracy), place(low), place(high))

    columns = [Column(title, cells) for title, cells in zip(rater_header(), figures, strict=True)]
    names = [safe_line(rater_name(rater)) for rater in result.raters]
    table = Table(_("adapter"), names, columns, width, accuracy_bar)
    yield table.header
    yield from map(table.line, range(len(names)))
    if table.has_bars:
        axis = _("bars: accuracy from {start} to 100%, 95% interval").format(start=percent(start, 0))
        yield from paragraph_lines(axis, width, "$text-muted")


def _share_lines(result: ComparisonResult, width: int) -> Iterator[Content]:
    for rater in result.raters:
        yield from paragraph_lines(f"{rater_name(rater)}: {label_shares(rater)}", width)


def _pair_lines(result: ComparisonResult, width: int) -> Iterator[Content]:
    pairs = result.pairs
    columns = []
    if result.has_labels:
        columns += [
            Column(_("points"), [signed_points(pair.difference) for pair in pairs]),
            Column(_("95% interval"), [interval(pair.difference_ci, signed_points) for pair in pairs]),
            _p_column(pairs),
        ]
    columns += [
        Column(_("agreement"), [percent(pair.agreement.share) for pair in pairs]),
        Column(_("kappa"), [number(pair.agreement.kappa, 2) for pair in pairs]),
        Column("AC1", [number(pair.agreement.ac1, 2) for pair in pairs]),
    ]
    ends = [abs(end) for pair in pairs for end in pair.difference_ci or ()]
    limit = max(ceil(max(ends, default=0) / _STEP), 1) * _STEP

    def bar(row: int, cells: int) -> Content:
        pair = pairs[row]
        if pair.difference is None or pair.difference_ci is None:
            return Content(" " * cells)
        return difference_bar(cells, "$primary", limit, pair.difference, *pair.difference_ci)

    names = [safe_line(pair_name(result, pair)) for pair in pairs]
    table = Table(_("difference"), names, columns, width, bar if result.has_labels else None)
    yield table.header
    yield from map(table.line, range(len(names)))
    if table.has_bars:
        axis = _("bars: difference from {start} to {end} points, 95% interval")
        axis = axis.format(start=signed_points(-limit), end=signed_points(limit))
        yield from paragraph_lines(axis, width, "$text-muted")


def _p_column(pairs: tuple[PairComparison, ...]) -> Column:
    if len(pairs) > 1:
        return Column("Holm p", [p_value(pair.p_holm) for pair in pairs])
    return Column("McNemar p", [p_value(pair.p) for pair in pairs])
