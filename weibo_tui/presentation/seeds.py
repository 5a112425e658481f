"""Figures of trainings that differ in their seed, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weibo_tui.engine.seeds import summary
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, with_note
from weibo_tui.presentation.numbers import NO_FIGURE, interval, number, percent
from weibo_tui.presentation.score_parts import Seeds, score_parts


def seed_figures(seeds: Seeds) -> Iterator[tuple[str, str, Sequence[float]]]:
    """Yield the figures of trainings: the name, the title, and the value of each training."""
    for name, title in (("accuracy", _("accuracy")), ("macro_f1", _("macro F1")), ("mcc", "MCC")):
        if name in seeds.figures:
            yield name, title, seeds.figures[name]


def is_share(figure_name: str) -> bool:
    """Return whether a figure is a share, which is shown as a percentage."""
    return figure_name != "mcc"


def seed_figure(value: float | None, figure_name: str) -> str:
    """Return a figure of a training with the digits in which trainings differ: `94.52%`, or `0.890` for MCC."""
    return percent(value, 2) if is_share(figure_name) else number(value)


def mean_and_deviation(values: Sequence[float], figure_name: str) -> str:
    """Return `94.52% ± 0.21`, or `0.890 ± 0.004` for MCC: the mean and the standard deviation."""
    figures = summary(values)
    mean, deviation = figures["mean"], figures["sd"]
    if deviation is None:
        return seed_figure(mean, figure_name)
    shown = number(100 * deviation, 2) if is_share(figure_name) else number(deviation)
    return f"{seed_figure(mean, figure_name)} ± {shown}"


def mean_interval(values: Sequence[float], figure_name: str) -> str:
    """Return the 95 % interval of the mean, `94.31% – 94.73%`. No figure exceeds 1."""
    figures = summary(values)
    low, high = figures["low"], figures["high"]
    if low is None or high is None:
        return NO_FIGURE
    return interval((max(-1.0, low), min(1.0, high)), lambda end: seed_figure(end, figure_name))


def seeds_sentence(score: Mapping[str, Any]) -> str:
    """Return the accuracy and the macro F1 of trainings with several seeds, empty where there is one training.

    `score` is a score card (`ScoreCard.to_dict`)."""
    seeds = score_parts(score).seeds
    if seeds is None:
        return ""
    figures = [
        with_note(f"{title} {mean_and_deviation(values, name)}", mean_interval(values, name))
        for name, title, values in seed_figures(seeds)
        if name != "mcc"
    ]
    message = _("{number} seeds, mean ± standard deviation (95% interval of the mean): {figures}.")
    return message.format(number=len(seeds.seeds), figures=join_list(figures))
