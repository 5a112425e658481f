"""Figures and sentences of a comparison, for the command line and the app."""

from __future__ import annotations

from collections.abc import Iterator

from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.presentation.labels import label_notes
from weibo_tui.presentation.numbers import NO_FIGURE, interval, p_value, percent, signed_points
from weibo_tui.presentation.numbers import number as decimal_number
from weibo_tui.workbench.comparison_result import ComparisonResult, PairComparison, Rater

SIGNIFICANT = 0.05


def rater_name(rater: Rater) -> str:
    """Return the name of an adapter, or that of a column, marked as one."""
    return rater.name if rater.kind == "adapter" else _("column {name}").format(name=rater.name)


def rater_header() -> list[str]:
    """Return the names of the figures that `rater_figures` gives."""
    return [_("accuracy"), _("95% interval"), _("Macro F1"), "MCC", "ECE", "Brier"]


def rater_figures(rater: Rater) -> list[str]:
    """Return the figures of a rater, dashes without human labels."""
    score = rater.score
    if score is None:
        return [NO_FIGURE] * len(rater_header())
    return [
        percent(score.accuracy),
        interval(score.accuracy_ci, percent),
        percent(score.macro_f1),
        decimal_number(score.mcc),
        decimal_number(score.ece),
        decimal_number(score.brier),
    ]


def label_shares(rater: Rater) -> str:
    """Return the share of each label that a rater predicts."""
    total = max(1, sum(rater.counts.values()))
    return join_list(f"{label_name(label)} {percent(count / total)}" for label, count in rater.counts.items())


def pair_name(result: ComparisonResult, pair: PairComparison) -> str:
    """Return both names of a pair, as in `a – b`, which is also what its difference is."""
    names = [rater_name(rater) for rater in result.raters]
    first, second = result.members(pair)
    return f"{names[first]} – {names[second]}"


def difference_sentence(
    first: str, second: str, difference: float, ends: tuple[float, float] | None, p: float, adjusted: bool = False
) -> str:
    """Return in a sentence whether the first classifier is more accurate than the second.

    `p` is that of McNemar's test, `adjusted` for several comparisons or not. The test counts copies of a text as
    independent posts, and the interval is too narrow for a few posts, so both have to agree."""
    if p >= SIGNIFICANT or not difference or (ends is not None and ends[0] <= 0 <= ends[1]):
        message = _("{first} and {second} are not distinguishable: {points} points (95%: {interval}, {test}).")
    elif difference > 0:
        message = _("{first} is {points} points better than {second} (95%: {interval}, {test}).")
    else:
        message = _("{first} is {points} points worse than {second} (95%: {interval}, {test}).")
    shown = p_value(p)
    equation = f"p {shown[0]} {shown[1:]}" if shown.startswith("<") else f"p = {shown}"
    return message.format(
        first=first,
        second=second,
        points=signed_points(difference) if p >= SIGNIFICANT else f"{100 * abs(difference):.1f}",
        interval=interval(ends, signed_points),
        test=_("McNemar, Holm: {p}").format(p=equation) if adjusted else _("McNemar {p}").format(p=equation),
    )


def pair_sentence(result: ComparisonResult, pair: PairComparison) -> str:
    """Return what a comparison says about two raters: which is more accurate, or how often they agree."""
    first, second = (rater_name(result.raters[place]) for place in result.members(pair))
    if pair.difference is None or pair.p is None:
        message = _("{first} and {second} agree on {share} of {n} posts.")
        return message.format(first=first, second=second, share=percent(pair.agreement.share), n=f"{result.n:,}")
    p = pair.p if pair.p_holm is None else pair.p_holm
    return difference_sentence(first, second, pair.difference, pair.difference_ci, p, pair.p_holm is not None)


def comparison_notes(result: ComparisonResult) -> Iterator[str]:
    """Yield sentences about which posts and labels are compared, without those about overlap with training data."""
    if not result.has_labels:
        yield _("The file has no human labels, so the comparison shows agreement only, not which is right.")
    if result.other_labels:
        message = _("Only labels that all have are compared ({labels}). Left out: {others}.")
        labels, others = (join_list(map(label_name, names), 20) for names in (result.labels, result.other_labels))
        yield message.format(labels=labels, others=others)
    if any(pair.p_holm is not None for pair in result.pairs):
        yield _("The p-values are adjusted for {n} comparisons by Holm's method.").format(n=len(result.pairs))
    yield from label_notes(result.labels_read_as, result.left_out)
    if count := result.left_out.get("other labels", 0):
        yield ngettext(
            "{count:,} row skipped, because its label is not among those compared.",
            "{count:,} rows skipped, because their labels are not among those compared.",
            count,
        ).format(count=count)
    if result.failed:
        yield ngettext("{count:,} post cannot be read.", "{count:,} posts cannot be read.", result.failed).format(
            count=result.failed
        )
