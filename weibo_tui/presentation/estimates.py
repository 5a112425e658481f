"""Sentences about estimated shares: what they rest on, what more human labels would give, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator

from weibo_tui.datasets.windows import DAY, WEEK
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.presentation.labels import label_notes
from weibo_tui.presentation.numbers import percent, points
from weibo_tui.workbench.estimation import MIN_WINDOW, POINTS, Estimate, EstimationResult


def estimation_notes(result: EstimationResult) -> Iterator[str]:
    """Yield sentences about an estimation."""
    whole = result.of_file
    first = whole[0]
    if not first.n:
        message = _(
            "No row has a human label, so these are counts of the predicted labels, not corrected for their errors. "
            "Label a random sample of 100 rows in Files for an estimate."
        )
        yield message
    elif first.n == first.rows:
        yield _("All rows have a human label, so the shares are exact.")
    else:
        yield _answers(first)
        yield _("The interval is valid if these rows are a random sample of the file.")
        yield from _plan(max(whole, key=lambda estimate: estimate.half_width or 0))
    yield from _cannot_tell(whole)
    yield from _windows(result)
    yield from label_notes(result.labels_read_as, result.left_out)


def _answers(estimate: Estimate) -> str:
    message = _("{n} of {rows} rows have a human label, and {errors} of these ({share}) differ from the predicted one.")
    return message.format(
        n=f"{estimate.n:,}",
        rows=f"{estimate.rows:,}",
        errors=f"{estimate.disagreements:,}",
        share=percent(estimate.disagreements / estimate.n),
    )


def _plan(widest: Estimate) -> Iterator[str]:
    """Yield what more human labels would give for the label with the widest interval."""
    halves = {more: half for more, half in (widest.with_more or {}).items() if widest.n + more <= widest.rows}
    if halves:
        forecast = join_list(f"+{more}: ± {points(half)}" for more, half in halves.items())
        yield _("More human labels would give, in percentage points: {forecast}").format(forecast=forecast)
    if widest.for_half_width is None or widest.for_half_width <= widest.n:
        return
    message = _(
        "For ± {points} points, label about {more} more rows at random. Without the predicted labels it would be "
        "{alone} in all."
    )
    more, alone = widest.for_half_width - widest.n, widest.without_model or 0
    yield message.format(points=POINTS, more=f"{more:,}", alone=f"{alone:,}")


def _cannot_tell(whole: tuple[Estimate, ...]) -> Iterator[str]:
    first = whole[0]
    if not (number := first.cannot_tell):
        return
    message = ngettext(
        '{number:,} further human answer ({share} of all) is "cannot tell" and is not counted.',
        '{number:,} further human answers ({share} of all) are "cannot tell" and are not counted.',
        number,
    )
    yield message.format(number=number, share=percent(number / (number + first.n)))
    for estimate in whole:
        if estimate.bounds is not None:
            low, high = map(percent, estimate.bounds)
            message = _("If none or all of these were {label}: {low} – {high}.")
            yield message.format(label=label_name(estimate.label), low=low, high=high)


def _windows(result: EstimationResult) -> Iterator[str]:
    if result.by is None:
        return
    windows = {estimate.window: estimate for estimate in result.estimates if estimate.window is not None}
    if number := sum(estimate.share is None for estimate in windows.values()):
        yield ngettext(
            "{number:,} window has no interval, because it has fewer than {least} human labels.",
            "{number:,} windows have no interval, because they have fewer than {least} human labels each.",
            number,
        ).format(number=number, least=MIN_WINDOW)
    if number < len(windows):
        message = _("Higher and lower are differences from the rest of the file, by 95% intervals for all together.")
        none = _("No window differs from the rest of the file, by 95% intervals for all together.")
        yield message if any(estimate.differs for estimate in result.estimates) else none
    if number := result.unassigned:
        if result.by in (DAY, WEEK):
            message = ngettext(
                "{number:,} row has no date that can be read, so it is in no window.",
                "{number:,} rows have no date that can be read, so they are in no window.",
                number,
            )
        else:
            message = ngettext(
                "{number:,} row has no value, so it is in no window.",
                "{number:,} rows have no value, so they are in no window.",
                number,
            )
        yield message.format(number=number)
