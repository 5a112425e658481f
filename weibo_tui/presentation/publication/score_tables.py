"""Tables of a score card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.answering import thresholds
from weibo_tui.presentation.baselines import baseline_name
from weibo_tui.presentation.numbers import interval, number, p_value, percent, signed_points
from weibo_tui.presentation.publication.parts import Table
from weibo_tui.presentation.score_card import ScoreFigures, score_figures
from weibo_tui.presentation.score_parts import Answering, Baseline, ScoreParts, Seeds, Subset, score_parts
from weibo_tui.presentation.seeds import mean_and_deviation, mean_interval, seed_figure, seed_figures


def score_tables(score: Mapping[str, Any]) -> Iterator[Table]:
    """Yield the tables of a score card, as far as it has what they show."""
    figures, parts = score_figures(score), score_parts(score)
    yield Table("", ("", _("value"), _("95% interval")), [*_figures(figures, parts)])
    if figures.labels:
        header = (_("label"), _("precision"), _("recall"), "F1", _("posts"))
        yield Table(_("Labels"), header, [(label_name(name), *figures.per_label[name]) for name in figures.labels])
    if figures.confusion:
        yield _confusion(figures)
    if parts.baselines:
        yield _baselines(parts.baselines)
    if parts.seeds is not None:
        yield _seeds(parts.seeds)
    if known := thresholds(parts):
        yield _answering(known)
    for title, subsets in ((_("Files"), parts.sources), (_("Characters of a post"), parts.lengths)):
        if subsets:
            yield _subsets(title, subsets)


def _figures(figures: ScoreFigures, parts: ScoreParts) -> Iterator[tuple[str, str, str]]:
    yield _("Posts"), f"{figures.posts:,}", ""
    if figures.failed:
        yield _("failed"), f"{figures.failed:,}", ""
    yield _("Accuracy"), percent(figures.accuracy), interval(parts.accuracy_ci, percent)
    yield _("without emoticons"), percent(figures.without_emoticons), ""
    yield _("only emoticons"), percent(figures.only_emoticons), ""
    yield _("Macro F1"), figures.macro_f1, interval(parts.macro_f1_ci, percent)
    yield "MCC", figures.mcc, interval(parts.mcc_ci, number)
    yield "ECE", figures.ece, ""
    if parts.ece_null is not None:
        mean, limit = map(number, parts.ece_null)
        yield _("ECE of a perfectly calibrated model"), mean, _("95% below {limit}").format(limit=limit)
    yield "Brier", figures.brier, ""
    if parts.augrc is not None:
        yield "AUGRC", number(parts.augrc, 4), ""


def _confusion(figures: ScoreFigures) -> Table:
    names = [label_name(label) for label in figures.labels]
    rows = [(name, *(f"{count:,}" for count in counts)) for name, counts in zip(names, figures.confusion, strict=True)]
    return Table(_("Confusion matrix"), (_("actual ↓ pred. →"), *names), rows)


def _baselines(baselines: Sequence[Baseline]) -> Table:
    header = (
        *(_("model"), _("accuracy"), _("95% interval"), _("Macro F1")),
        *(_("difference in points"), _("95% interval"), _("McNemar's p")),
    )
    rows = [
        (
            *(baseline_name(one.name), percent(one.accuracy), interval(one.accuracy_ci, percent)),
            *(percent(one.macro_f1), signed_points(one.difference)),
            *(interval(one.difference_ci, signed_points), p_value(one.p)),
        )
        for one in baselines
    ]
    return Table(_("Baselines on the same posts"), header, rows)


def _seeds(seeds: Seeds) -> Table:
    figures = [*seed_figures(seeds)]
    rows = [
        (str(seed), *(seed_figure(values[place], name) for name, _title, values in figures))
        for place, seed in enumerate(seeds.seeds)
    ]
    rows.append((_("mean ± sd"), *(mean_and_deviation(values, name) for name, _title, values in figures)))
    rows.append((_("95% interval"), *(mean_interval(values, name) for name, _title, values in figures)))
    title = _("Trainings with {number} seeds").format(number=len(seeds.seeds))
    return Table(title, (_("seed"), *(title for _name, title, _values in figures)), rows)


def _answering(known: Sequence[Answering]) -> Table:
    header = (_("wanted accuracy"), _("from confidence"), _("share of posts answered"), _("posts"))
    rows = [(percent(one.accuracy, 0), number(one.threshold), percent(one.coverage), f"{one.n:,}") for one in known]
    return Table(_("Answering only confident posts"), header, rows)


def _subsets(title: str, subsets: Sequence[Subset]) -> Table:
    rows = [
        (one.name, f"{one.n:,}", percent(one.accuracy), interval(one.accuracy_ci, percent), percent(one.macro_f1))
        for one in subsets
    ]
    return Table(title, ("", _("posts"), _("accuracy"), _("95% interval"), _("Macro F1")), rows)
