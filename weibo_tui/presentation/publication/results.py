"""Documents of the results that the Python API returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weibo_tui.engine.score_card import ScoreCard
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.publication.adapters import adapters_document
from weibo_tui.presentation.publication.comparison import comparison_document
from weibo_tui.presentation.publication.document import Document
from weibo_tui.presentation.publication.scores import score_document, scores_document
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.workbench.comparison_result import ComparisonResult
from weibo_tui.workbench.results import TrainingResult


def document(
    result: ScoreCard
    | TrainingResult
    | ComparisonResult
    | AdapterCard
    | Sequence[AdapterCard]
    | Mapping[str, ScoreCard],
    title: str = "",
) -> Document:
    """Return a result with its tables and pictures, which a notebook shows and `Document.write` writes.

    Several score cards by their names, or several adapter cards, give a table with a row for each.
    """
    if isinstance(result, ScoreCard):
        return score_document(result.to_dict(), title or _("Score card"))
    if isinstance(result, TrainingResult):
        return score_document(result.score.to_dict(), title or result.adapter)
    if isinstance(result, ComparisonResult):
        return comparison_document(result, title)
    if isinstance(result, Mapping):
        return scores_document({name: score.to_dict() for name, score in result.items()}, title or _("Score cards"))
    return adapters_document([result] if isinstance(result, AdapterCard) else result)
