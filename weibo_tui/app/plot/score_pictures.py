"""Pictures of a score card as lines of text: reliability, confidences, and the errors of confident answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor

from textual.content import Content

from weibo_tui.app.plot.bars import bar_rows
from weibo_tui.app.plot.plane import MAIN, Plane, percent_axis
from weibo_tui.app.plot.render import bottom_labels, draw_series, tick_columns
from weibo_tui.app.plot.series import Series
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.answering import thresholds
from weibo_tui.presentation.score_parts import Bin, ScoreParts
from weibo_tui.text.terminal import truncate_cells

POINT, THRESHOLD = "●", "◆"
_MAX_TICKS = 6
_TICK_CELLS = 8
_WRONG_PART = 3
"""The errors of a histogram have one row of this number."""


def pictures(parts: ScoreParts, width: int, height: int) -> Iterator[list[Content]]:
    """Yield the pictures for which a score card has figures, each in `height` lines of at most `width` cells."""
    if parts.reliability:
        yield _reliability(parts.reliability, width, height)
    if any(map(sum, parts.confidences)):
        yield _confidences(parts.confidences, width, height)
    if len(parts.risk_coverage) > 1:
        yield _risk_coverage(parts, width, height)


def _title(text: str, width: int) -> Content:
    return Content.styled(truncate_cells(text, width), "bold")


def _reliability(bins: Sequence[Bin], width: int, height: int) -> list[Content]:
    """Return accuracy by confidence, with intervals. The points of a calibrated model are on the diagonal."""
    lowest = min(min(one.low, one.confidence) for one in bins)
    low = min(floor(lowest * 10) / 10, 0.9)
    x, y = percent_axis(low, 1.0, width // _TICK_CELLS), percent_axis(low, 1.0, _MAX_TICKS)
    plane = Plane(x, y, width, height - 1)
    plane.dashed_line(low, low, 1.0, 1.0)
    for one in bins:
        plane.bar(one.confidence, one.low, one.high)
        plane.mark(one.confidence, one.accuracy, POINT)
    return [_title(_("Accuracy ↑ by confidence →"), width), *plane.lines()]


def _risk_coverage(parts: ScoreParts, width: int, height: int) -> list[Content]:
    """Return the error rate among the most confident posts by their share, with the thresholds that are marks."""
    points = parts.risk_coverage
    highest = max(risk for _coverage, risk, _threshold in points)
    x, y = percent_axis(0.0, 1.0, width // _TICK_CELLS), percent_axis(0.0, max(highest, 0.01), _MAX_TICKS)
    plane = Plane(x, y, width, height - 1)
    marks = thresholds(parts)
    for one in marks:
        plane.dashed_line(one.coverage, 0.0, one.coverage, 1 - one.accuracy)
    curve = Series("")
    for coverage, risk, _threshold in points:
        curve.add(coverage, risk)
    draw_series(plane.canvas(MAIN), curve, plane.x, plane.y, log_y=False, smooth=False)
    for one in marks:
        plane.mark(one.coverage, 1 - one.accuracy, THRESHOLD)
    return [_title(_("Error rate ↑ by share answered →"), width), *plane.lines()]


def _confidences(counts: Sequence[tuple[int, int]], width: int, height: int) -> list[Content]:
    """Return histograms of the confidences of right and of wrong predictions, each with a scale of its own."""
    first = next(at for at, pair in enumerate(counts) if sum(pair))
    right, wrong = (list(column) for column in zip(*counts[first:], strict=True))
    gutter = max(len(f"{max(column):,}") for column in (right, wrong)) + 1
    cells = max(1, (width - gutter) // len(right))
    rows = max(2, height - 4)
    low = max(1, rows // _WRONG_PART)
    x = percent_axis(first / len(counts), 1.0, width // _TICK_CELLS)
    labels = bottom_labels(tick_columns(x, cells * len(right)), cells * len(right))
    return [
        _title(_("Posts by confidence →"), width),
        *_histogram(_("right: {n}"), right, rows - low, cells, gutter, "$primary"),
        *_histogram(_("wrong: {n}"), wrong, low, cells, gutter, "$text-error"),
        Content.styled(" " * gutter + labels, "$text-muted"),
    ]


def _histogram(
    title: str, counts: Sequence[int], height: int, cells: int, gutter: int, color: str
) -> Iterator[Content]:
    """Yield the total and the rows of bars of `cells` cells, with the largest count next to the highest."""
    yield Content.styled(" " * gutter + title.format(n=f"{sum(counts):,}"), color)
    for row, signs in enumerate(bar_rows(counts, height)):
        label = f"{max(counts):,}┤" if row == 0 else "│"
        bars = "".join(sign * cells for sign in signs)
        yield Content.assemble((label.rjust(gutter), "$text-muted"), (bars, color))
