"""Figures of trainings that differ in their seed, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weibo_tui.engine.seeds import summary
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, with_note
from weibo_tui.presentation.numbers import NO_FIGURE, interval, number, percent
from weibo_tui.presentation.score_parts import score_parts


def is_share(figure_name: str) -> bool:
    """Return whether a figure is a share, which is shown as a percentage."""
    return figure_name != "mcc"


def seed_figure(value: float | None, figure_name: str) -> str:
    """Return a figure of a training with the digits in which trainings differ: `94.52%`, or `0.890` for MCC."""
    return percent(value, 2) if is_share(figure_name) else number(value)


def mean_and_deviation(values: Sequence[float], figure_name: str) -> str:
    """Return `94.52% ± 0.21`, or `0.890 ± 0.004` for MCC: the mean and the standard deviation."""
    found = summary(values)
    mean, deviation = found["mean"], found["sd"]
    if deviation is None:
        return seed_figure(mean, figure_name)
    shown = number(100 * deviation, 2) if is_share(figure_name) else number(deviation)
    return f"{seed_figure(mean, figure_name)} ± {shown}"


def mean_interval(values: Sequence[float], figure_name: str) -> str:
    """Return the 95 % interval of the mean, `94.31% – 94.73%`. No figure exceeds 1."""
    found = summary(values)
    low, high = found["low"], found["high"]
    if low is None or high is None:
        return NO_FIGURE
    return interval((max(-1.0, low), min(1.0, high)), lambda end: seed_figure(end, figure_name))


def seeds_sentence(score: Mapping[str, Any]) -> str:
    """Return the accuracy and the macro F1 of trainings with several seeds, empty where there is one training.

    `score` is a score card (`ScoreCard.to_dict`)."""
    seeds = score_parts(score).seeds
    if seeds is None:
        return ""
    names = {"accuracy": _("accuracy"), "macro_f1": _("macro F1")}
    figures = [
        with_note(f"{name} {mean_and_deviation(values, one)}", mean_interval(values, one))
        for one, name in names.items()
        if (values := seeds.figures.get(one))
    ]
    message = _("{number} seeds, mean ± standard deviation (95% interval of the mean): {figures}.")
    return message.format(number=len(seeds.seeds), figures=join_list(figures))
