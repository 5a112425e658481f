"""Document of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.presentation.publication.document import Document
from weibo_tui.presentation.publication.scores import score_document
from weibo_tui.workbench.evaluation import EvaluationResult


def evaluation_document(result: EvaluationResult, data: Sequence[Path]) -> Document:
    """Return the score card of an adapter on files, with the warning about its training data."""
    title = _("{adapter} on {files}").format(adapter=result.adapter, files=join_list(path.name for path in data))
    return score_document(result.score.to_dict(), title, note=result.warning)
