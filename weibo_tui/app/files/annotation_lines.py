"""Lines about an annotation: how far it is, and the prediction for a post that was answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.content import Content

from weibo_tui.app.formatting import label_content
from weibo_tui.datasets.answers import CANNOT_TELL
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent, points
from weibo_tui.workbench.annotation import AnnotationProgress, Queue, Reveal
from weibo_tui.workbench.estimation import POINTS

MIN_ANSWERS = 20
"""Labels of the sample from which it gives an estimate and a forecast."""


def progress_parts(progress: AnnotationProgress, queue: Queue) -> Iterator[str]:
    """Yield what is done and left, the pace, the forecast, and the estimate so far."""
    yield _("{number} done").format(number=f"{progress.done:,}")
    yield _("{number} left").format(number=f"{progress.left:,}")
    if progress.seconds is not None:
        yield _("{seconds} s a post").format(seconds=f"{progress.seconds:.1f}")
    if queue == "sample":
        yield from _forecast(progress)


def _forecast(progress: AnnotationProgress) -> Iterator[str]:
    answers = progress.estimates[0].n if progress.estimates else 0
    if progress.needed is None or answers < MIN_ANSWERS:
        yield _("forecast after {number} labels").format(number=MIN_ANSWERS)
        return
    if not progress.needed:
        yield _("± {points} is reached").format(points=POINTS)
    elif progress.minutes is None:
        message = _("about {number} more to ± {points}")
        yield message.format(number=f"{progress.needed:,}", points=POINTS)
    else:
        message = _("about {number} more ({minutes} min) to ± {points}")
        minutes = f"{max(1, round(progress.minutes)):,}"
        yield message.format(number=f"{progress.needed:,}", minutes=minutes, points=POINTS)
    for estimate in progress.estimates:
        if estimate.share is not None and (len(progress.estimates) != 2 or estimate.label != "negative"):
            share, half = percent(estimate.share), points(estimate.half_width)
            yield _("{label} {share} ± {half}").format(label=label_name(estimate.label), share=share, half=half)


def answer_line(reveal: Reveal, reveals: bool, labels: Sequence[str]) -> Content:
    """Return the answer as it is stored, and the prediction for that post if `reveals`."""
    answer = Content(_("cannot tell")) if reveal.label == CANNOT_TELL else label_content(reveal.label, labels)
    last = Content.assemble(_("Last:"), " ", answer)
    if not reveals or reveal.predicted is None:
        return last
    confidence = "" if reveal.confidence is None else f" {percent(reveal.confidence)}"
    if reveal.agrees:
        return Content.assemble(last, " · ", _("model agrees"), confidence)
    predicted = label_content(reveal.predicted, labels)
    return Content.assemble(last, " · ", (_("model:"), "$text-warning"), " ", predicted, confidence)
