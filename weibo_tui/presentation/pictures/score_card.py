"""Pictures of a score card: calibration, confidences, answering and abstaining, confusions, and seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weibo_tui.display_names import label_name
from weibo_tui.engine.seeds import summary
from weibo_tui.locale import gettext as _
from weibo_tui.locale import with_note
from weibo_tui.presentation.answering import thresholds
from weibo_tui.presentation.baselines import baseline_name
from weibo_tui.presentation.numbers import number, p_value, percent, signed_points
from weibo_tui.presentation.pictures.intervals import Row, interval_plot
from weibo_tui.presentation.pictures.svg import (
    PANEL,
    RIGHT,
    SMALL,
    WRONG,
    Picture,
    Scale,
    axes,
    box,
    curve,
    dot,
    heading,
    line,
    text_width,
    words,
)
from weibo_tui.presentation.score_card import score_figures, with_interval, with_null
from weibo_tui.presentation.score_parts import Answering, ScoreParts, Seeds, score_parts
from weibo_tui.presentation.seeds import mean_and_deviation, mean_interval, seed_figures

_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 26.0, 66.0, 48.0
_MAX_LABELS = 20
_CELL, _SMALLEST_CELL = 104.0, 26.0
_LABEL_CELLS = 12
_ROOM = 15.0  # between two lines of small words


def score_pictures(score: Mapping[str, Any]) -> Iterator[Picture]:
    """Yield the pictures of a score card (`ScoreCard.to_dict`), as far as it has what they show."""
    parts = score_parts(score)
    figures = score_figures(score)
    if parts.reliability:
        yield _reliability(parts, figures.ece)
    if len(parts.confidences) > 1 and any(map(sum, parts.confidences)):
        yield _confidences(parts.confidences)
    if len(parts.risk_coverage) > 1:
        yield _risk_coverage(parts)
    if figures.confusion and len(figures.labels) <= _MAX_LABELS:
        yield _confusion(figures.labels, figures.confusion)
    if parts.baselines:
        yield from _baselines(parts)
    if parts.seeds is not None:
        yield from _seeds(parts.seeds)


def accuracies_picture(scores: Mapping[str, Mapping[str, Any]]) -> Iterator[Picture]:
    """Yield the picture of the accuracies of several score cards, by their names, if any has one."""
    rows = []
    for name, score in scores.items():
        if (accuracy := score_figures(score).accuracy) is not None:
            ends = score_parts(score).accuracy_ci
            rows.append(Row(name, with_interval(percent(accuracy), ends, percent), accuracy, ends))
    if rows:
        yield interval_plot("accuracies", _("Accuracy"), rows, [_("95% interval")])


def _plot(low: float = 0.0, high: float = 1.0, *, y_low: float = 0.0, y_high: float = 1.0) -> tuple[Scale, Scale]:
    """Return the scales of a plot in a panel of the usual size."""
    width, height = PANEL
    return Scale(low, high, _LEFT, width - _RIGHT), Scale(y_low, y_high, height - _BOTTOM, _TOP)


def _panel(name: str, title: str, elements: str, *notes: str) -> Picture:
    return Picture(name, title, *PANEL, heading(title, notes) + elements)


def _reliability(parts: ScoreParts, ece: str) -> Picture:
    """Return the diagram of accuracy by confidence. A calibrated model has its dots on the diagonal."""
    bins = parts.reliability
    lowest = min(min(one.low, one.confidence) for one in bins)
    low = min(int(lowest * 10) / 10, 0.9)
    x, y = _plot(low, 1.0, y_low=low)
    shown = [axes(x, y, _("confidence"), _("accuracy")), line(x(low), y(low), x(1), y(1), opacity=0.6, dashed=True)]
    for one in bins:
        at = x(one.confidence)
        shown.append(line(at, y(one.low), at, y(one.high), width=1.5, opacity=0.7))
        shown.append(dot(at, y(one.accuracy)))
    return _panel("reliability", _("Reliability"), "".join(shown), f"ECE {with_null(ece, parts)}")


def _confidences(counts: Sequence[tuple[int, int]]) -> Picture:
    """Return the histogram of confidences, errors below and right predictions on top of them."""
    first = next(at for at, pair in enumerate(counts) if sum(pair))
    width = 1 / len(counts)
    x, y = _plot(first * width, 1.0, y_high=max(map(sum, counts)) * 1.04)
    shown = [axes(x, y, _("confidence"), _("posts"), y_shares=False)]
    for at, (right, wrong) in enumerate(counts[first:], first):
        begin, across = x(at * width) + 0.5, x((at + 1) * width) - x(at * width) - 1
        shown.append(box(begin, y(wrong), across, y(0) - y(wrong), WRONG))
        shown.append(box(begin, y(right + wrong), across, y(wrong) - y(right + wrong), RIGHT))
    shown.append(_key(_LEFT, _TOP - 20, ((RIGHT, _("right")), (WRONG, _("wrong")))))
    total = sum(map(sum, counts))
    note = _("{wrong} of {total} predictions are wrong").format(
        wrong=f"{sum(wrong for _right, wrong in counts):,}", total=f"{total:,}"
    )
    return _panel("confidences", _("Confidence of right and wrong predictions"), "".join(shown), note)


def _key(x: float, y: float, colors: Sequence[tuple[str, str]]) -> str:
    """Return boxes of colors with what they mean, in a line."""
    shown = []
    for color, name in colors:
        shown += [box(x, y, 10, 10, color), words(x + 15, y + 9, name, size=SMALL)]
        x += text_width(name, SMALL) + 34
    return "".join(shown)


def _risk_coverage(parts: ScoreParts) -> Picture:
    """Return the curve of the error rate among the most confident posts, by their share."""
    points = parts.risk_coverage
    highest = max(risk for _coverage, risk, _threshold in points)
    x, y = _plot(y_high=min(1.0, max(highest * 1.15, 0.01)))
    shown = [axes(x, y, _("share of posts answered"), _("error rate"))]
    shown.append(curve([(x(coverage), y(risk)) for coverage, risk, _threshold in points], RIGHT))
    shown += _thresholds(thresholds(parts), x, y)
    notes = [f"AUGRC {number(parts.augrc, 4)}"] if parts.augrc is not None else []
    if thresholds(parts):
        notes.append(_("dots: lowest confidence with this error rate"))
    return _panel(
        "risk-coverage", _("Errors when only confident posts are answered"), "".join(shown), " · ".join(notes)
    )


def _thresholds(answering: Sequence[Answering], x: Scale, y: Scale) -> Iterator[str]:
    """Yield dots at the error rates that can be reached, each with its confidence if there is room."""
    below = y.start + _ROOM
    for one in sorted(answering, key=lambda one: one.accuracy, reverse=True):
        at, height = x(one.coverage), y(1 - one.accuracy)
        yield dot(at, height, WRONG)
        if below - height >= _ROOM:
            # The curve rises to the right: there is room below it, and near its end above it.
            near_end = at > (x.start + x.end) / 2
            place = (at - 7, height - 6, "end") if near_end else (at + 8, height + 8, "start")
            yield words(place[0], place[1], f"≥ {number(one.threshold)}", place[2], SMALL)
            below = height


def _confusion(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Picture:
    """Return the confusion matrix: a row for each actual label, shaded by the shares of the row."""
    cell = max(_SMALLEST_CELL, min(_CELL, (PANEL[0] - 100) / len(labels)))
    names = [label_name(label) for label in labels]
    left = 34 + min(max(text_width(name) for name in names), _LABEL_CELLS * 6.5)
    turned = any(text_width(name) > cell for name in names)
    top = 66.0 + (min(max(text_width(name) for name in names), _LABEL_CELLS * 6.5) if turned else 14)
    side = cell * len(labels)
    shown = [words(left + side / 2, 52, _("predicted"), "middle", soft=True)]
    shown.append(words(16, top + side / 2, _("actual"), "middle", soft=True, turned=True))
    for at, name in enumerate(names):
        middle = at * cell + cell / 2
        shown.append(words(left - 6, top + middle + 4, name, "end", SMALL, cells=_LABEL_CELLS))
        if turned:
            shown.append(words(left + middle + 4, top - 6, name, size=SMALL, cells=_LABEL_CELLS, turned=True))
        else:
            shown.append(words(left + middle, top - 6, name, "middle", SMALL, cells=_LABEL_CELLS))
    for row, values in enumerate(counts):
        total = max(1, sum(values))
        for column, count in enumerate(values):
            x, y = left + column * cell, top + row * cell
            share = count / total
            color = RIGHT if row == column else WRONG
            shown.append(box(x + 1, y + 1, cell - 2, cell - 2, color, 0.06 + 0.7 * share))
            shown.append(_count(x + cell / 2, y + cell / 2, count, share, cell))
    width, height = max(PANEL[0], left + side + 14), max(PANEL[1], top + side + 14)
    title = _("Confusion matrix")
    return Picture("confusion", title, width, height, heading(title) + "".join(shown))


def _count(x: float, y: float, count: int, share: float, cell: float) -> str:
    """Return a number of posts and its share of the row, as far as the cell has room."""
    size = min(SMALL + 2, cell / max(1.0, 0.62 * len(f"{count:,}")) * 0.95)
    if size < 6:
        return ""
    if cell < 44:
        return words(x, y + size * 0.35, f"{count:,}", "middle", round(size, 1))
    return words(x, y, f"{count:,}", "middle", round(size, 1)) + words(
        x, y + 15, percent(share), "middle", SMALL - 1, soft=True
    )


def _baselines(parts: ScoreParts) -> Iterator[Picture]:
    """Yield the picture of how much more of the posts the adapter predicts right than the baselines."""
    rows = []
    for one in parts.baselines:
        if one.difference is None or one.name == "majority":  # so much worse that it would hide the others
            continue
        note = f"{with_interval(signed_points(one.difference), one.difference_ci, signed_points)} · p {p_value(one.p)}"
        rows.append(Row(baseline_name(one.name), note, one.difference, one.difference_ci))
    if rows:
        title = _("Accuracy minus that of the baselines")
        yield interval_plot("baselines", title, rows, [_("percentage points, 95% interval, McNemar's p")], zero=True)


def _seeds(seeds: Seeds) -> Iterator[Picture]:
    """Yield the picture of each training's figures, with their mean and its interval."""
    rows = []
    for name, title, values in seed_figures(seeds):
        figures = summary(values)
        mean, low, high = figures["mean"], figures["low"], figures["high"]
        if mean is not None and low is not None and high is not None:
            shown = with_note(mean_and_deviation(values, name), mean_interval(values, name))
            rows.append(Row(title, shown, mean, (low, high), values))
    note = _("mean ± standard deviation (95% interval of the mean), each on a scale of its own")
    if rows:
        title = _("Trainings with {number} seeds").format(number=len(seeds.seeds))
        yield interval_plot("seeds", title, rows, [note], own_scales=True)
