"""Sentences about adapters that were measured on the sample answers to a file."""

from __future__ import annotations

from collections.abc import Iterator

from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.numbers import percent
from weibo_tui.workbench.annotation_results import SampleMeasurement


def measurement_notes(found: SampleMeasurement) -> Iterator[str]:
    """Yield on how many posts the adapters were measured, and what more training posts would give."""
    yield ngettext("{number:,} post of the sample.", "{number:,} posts of the sample.", found.n).format(number=found.n)
    if found.seen:
        yield _("Left out, because an adapter was trained on the text: {number}.").format(number=f"{found.seen:,}")
    if found.forecast is not None:
        message = _("Expected with {posts} training posts: {accuracy} ({low} – {high}).")
        figures = {name: percent(getattr(found.forecast, name)) for name in ("accuracy", "low", "high")}
        yield message.format(posts=f"{found.forecast.posts:,}", **figures)
    if found.is_stable:
        yield _("The last adapters predict the same. More answers of this kind will hardly change that.")
