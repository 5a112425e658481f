"""The self-test of explanations as a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.numbers import figure, mapping

if TYPE_CHECKING:
    from weibo_tui.workbench.faithfulness import FaithfulnessResult


def faithfulness_sentence(values: object) -> str:
    """Return what `FaithfulnessResult.to_card` says, also from a card of another program. Empty for anything else."""
    removed, posts, strongest, others = _figures(mapping(values))
    if removed is None or posts is None or strongest is None or others is None:
        return ""
    message = ngettext(
        "Removing the {removed} strongest units changes the probability by {strongest:.2f}, {removed} random ones by "
        "{others:.2f} ({posts:,.0f} post).",
        "Removing the {removed} strongest units changes the probability by {strongest:.2f}, {removed} random ones by "
        "{others:.2f} ({posts:,.0f} posts).",
        int(posts),
    )
    return message.format(removed=int(removed), strongest=strongest, others=others, posts=posts)


def result_sentences(result: FaithfulnessResult) -> Iterator[str]:
    """Yield what a self-test has shown, and that it is not kept where that is so."""
    yield faithfulness_sentence(result.to_card())
    if not result.kept:
        yield _("'{name}' is bundled, so the result is not kept in its card.").format(name=result.adapter)


def _figures(values: Mapping[str, Any]) -> list[float | None]:
    figures = (figure(values.get(name)) for name in ("removed", "posts", "strongest", "random"))
    return [value if value is not None and abs(value) < 1e9 else None for value in figures]
