"""Sentences of a report: its summary, and notes on what its sections show."""

from __future__ import annotations

from collections.abc import Iterator

from weibo_tui.datasets.windows import DAY
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_sentences
from weibo_tui.presentation.numbers import NO_FIGURE, percent
from weibo_tui.workbench.estimation import MIN_WINDOW, Estimate
from weibo_tui.workbench.report import Report, ReportedPost, ReportedTerm, Sampling

MAX_LABELS = 6
"""Labels in the summary, and of timelines."""
_AROUND_TERM = 20  # characters of an example on each side


def interval(estimate: Estimate) -> str:
    """Return the 95% interval, or a dash."""
    return NO_FIGURE if estimate.low is None else f"{percent(estimate.low)} – {percent(estimate.high)}"


def summary(report: Report) -> str:
    """Return the share of each label of the timeline with its interval, the model's count, and what they rest on."""
    whole = {estimate.label: estimate for estimate in report.estimation.of_file}
    estimates = [whole[label] for label in report.labels[:MAX_LABELS]]
    first = estimates[0]
    if first.share is None:
        counted = join_list(f"{label_name(one.label)} {percent(one.uncorrected)}" for one in estimates)
        message = _(
            "The model counts {shares} in {rows} posts. Its errors are not corrected, as no post has a human label."
        )
        return message.format(shares=counted, rows=f"{first.rows:,}")
    shares = join_list(f"{label_name(one.label)} {percent(one.share)} ({interval(one)})" for one in estimates)
    alone = join_list(percent(one.uncorrected) for one in estimates)
    basis = _("Human labels: {n} of {rows} posts, {errors} of them unlike the model's.")
    return join_sentences(
        _("Estimated share of posts, with 95% interval: {shares}.").format(shares=shares),
        _("The model alone counts {shares}.").format(shares=alone),
        basis.format(n=f"{first.n:,}", rows=f"{first.rows:,}", errors=f"{first.disagreements:,}"),
    )


def timeline_note(report: Report) -> str:
    """Return why there is no timeline or no interval in it, or nothing."""
    estimation = report.estimation
    if estimation.by is None:
        return _("No row has a date that can be read, so there is no timeline.")
    if any(one.share is not None for one in estimation.estimates if one.window is not None):
        return ""
    if estimation.of_file[0].n:
        message = _("No window has {least} human labels of its own, so none has an interval.")
        return message.format(least=MIN_WINDOW)
    return _("No row has a human label, so nothing here has an interval.")


def timeline_keys(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what is drawn in the timeline, `model`, `volume` and where there are intervals `step`, with its name."""
    yield "model", _("model count of a day, uncorrected")
    yield "volume", _("rows a day")
    if not timeline_note(report):
        of_day, of_week = _("share of a day, with 95% interval"), _("share of a week, with 95% interval")
        yield "step", of_day if report.estimation.by == DAY else of_week


def term_notes(report: Report) -> Iterator[str]:
    """Yield where terms are counted, and what their score is."""
    if not report.terms:
        yield _("No term is clearly more frequent with one label than with others.")
    yield _terms_counted(report.sampling)
    if report.terms:
        yield _(
            "z is the difference of the log odds over its standard deviation (Monroe et al. 2008). At most 5% of "
            "the terms are expected to be here by chance."
        )


def _terms_counted(sampling: Sampling) -> str:
    counted = _("Terms are counted once in each of {number} different texts.")
    if sampling.terms_of < sampling.texts:
        counted = _("Terms are counted once in each text of a random sample of {number} of {texts} different ones.")
    return counted.format(number=f"{sampling.terms_of:,}", texts=f"{sampling.texts:,}")


def group_note() -> str:
    """Return from when an emoticon, hashtag or place has an interval."""
    return _("There is an interval where {least} rows have a human label.").format(least=MIN_WINDOW)


def group_title(kind: str) -> str:
    """Return the name of `emoticons`, `hashtags` or `places`."""
    return {"emoticons": _("Emoticons"), "hashtags": _("Hashtags"), "places": _("Places")}[kind]


def around_term(found: ReportedTerm) -> str:
    """Return the part of the example with the term, if it is written there as it is."""
    text = " ".join(found.example.split())
    at = max(text.casefold().find(found.term.text), 0)
    begin, end = max(0, at - _AROUND_TERM), at + len(found.term.text) + _AROUND_TERM
    return ("…" if begin else "") + text[begin:end] + ("…" if end < len(text) else "")


def post_lists(report: Report) -> Iterator[tuple[str, tuple[ReportedPost, ...]]]:
    """Yield the title and the posts of each list that has any: typical ones by label first."""
    for label, posts in report.typical.items():
        yield _("Typical of {label}: highest confidence").format(label=label_name(label)), posts
    others = (
        (_("Most uncertain"), report.uncertain),
        (_("Human label differs from the model's"), report.disagreeing),
        (_("Most repeated"), report.repeated),
    )
    yield from (item for item in others if item[1])


def post_facts(post: ReportedPost) -> list[str]:
    """Return the row of a post, its labels, and how often its text occurs."""
    parts = [_("row {number}").format(number=f"{post.row:,}")]
    if post.predicted:
        confidence = "" if post.confidence is None else f" {percent(post.confidence)}"
        parts.append(_("model: {label}").format(label=label_name(post.predicted)) + confidence)
    if post.answer:
        parts.append(_("human: {label}").format(label=label_name(post.answer)))
    if post.times > 1:
        parts.append(_("{times} times").format(times=f"{post.times:,}"))
    return parts
