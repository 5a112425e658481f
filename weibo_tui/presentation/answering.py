"""The share of posts that a classifier answers at a wished accuracy, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.presentation.score_parts import Answering, ScoreParts

MAIN_ACCURACY = 0.95


def thresholds(parts: ScoreParts) -> Sequence[Answering]:
    """Return the wished accuracies that need a threshold of confidence: the predictions of all posts have less."""
    return [one for one in parts.answering if one.coverage < 1]


def answering_sentence(one: Answering) -> str:
    """Return how much is answered from a threshold on."""
    message = _("From {threshold} confidence on, it answers {coverage} of the posts, {accuracy} of them correctly.")
    return message.format(
        threshold=percent(one.threshold), coverage=percent(one.coverage), accuracy=percent(one.accuracy, 0)
    )


def main_sentence(parts: ScoreParts) -> Iterator[str]:
    """Yield the sentence about the threshold for MAIN_ACCURACY, or about the nearest one, if there is any."""
    if known := thresholds(parts):
        yield answering_sentence(min(known, key=lambda one: abs(one.accuracy - MAIN_ACCURACY)))
