"""The test accuracy of a new adapter next to that of the default adapter."""

from __future__ import annotations

from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import figure, percent
from weibo_tui.registry.cards import AdapterCard


def compare_with_default(card: AdapterCard, default: AdapterCard | None) -> str:
    """Return a sentence with both accuracies. It says where they are not of the same test posts."""
    accuracy = percent(figure(card.score.get("accuracy")))
    if default is None or default.name == card.name:
        return _("Test accuracy {accuracy}.").format(accuracy=accuracy)
    if test_posts(card) == test_posts(default):
        message = _("Test accuracy {accuracy}. The default adapter '{default}' has {other} on the same posts.")
    else:
        message = _("Test accuracy {accuracy}. The default adapter '{default}' has {other} on other posts.")
    other = percent(figure(default.score.get("accuracy")))
    return message.format(accuracy=accuracy, default=default.name, other=other)


def test_posts(card: AdapterCard) -> tuple[object, ...]:
    """Return what decides which posts are the test split."""
    return tuple(card.data.get(name) for name in ("sha256", "split_seed", "train", "validation", "test"))
