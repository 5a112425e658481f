"""Documents of adapters: the facts of their cards, and their scores on their test posts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.presentation.cleaning import describe_cleaning
from weibo_tui.presentation.default_adapter import test_posts
from weibo_tui.presentation.publication.document import Document
from weibo_tui.presentation.publication.scores import score_document, scores_document
from weibo_tui.registry.cards import AdapterCard


def adapters_document(cards: Sequence[AdapterCard]) -> Document:
    """Return all of one adapter's card, or a table with a row for each of several."""
    if len(cards) == 1:
        title = _("Adapter {name}").format(name=cards[0].name)
        return score_document(cards[0].score, title, [*adapter_facts(cards[0])], value=asdict(cards[0]))
    same = len({test_posts(card) for card in cards}) == 1
    note = (
        _("All adapters were tested on the same posts.")
        if same
        else _("The adapters were tested on different posts, so their figures do not compare them.")
    )
    return scores_document({card.name: card.score for card in cards}, _("Adapters"), note)


def adapter_facts(card: AdapterCard) -> Iterator[tuple[str, str]]:
    """Yield what an adapter is and where it comes from."""
    yield _("Adapter"), card.name
    yield _("Base"), f"{card.base} ({card.base_fingerprint[:12]}…)"
    yield _("Labels"), join_list(card.labels)
    yield _("Parameters"), f"{card.parameters:,}"
    yield _("Blocks"), join_list(map(str, card.blocks))
    yield _("Max length"), _("{length} tokens").format(length=card.max_length)
    yield _("Cleaning"), describe_cleaning(card.preprocessing)
    yield _("Temperature"), f"{card.temperature:.3f} ({card.dtype})"
    yield _("Trained on"), join_list(map(str, card.data.get("files", [])))
    yield _("Made"), card.created_at
