"""Sentences that say what the figures of a score card mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weibo_tui.presentation.answering import main_sentence
from weibo_tui.presentation.baselines import baseline_sentence
from weibo_tui.presentation.faithfulness import faithfulness_sentence
from weibo_tui.presentation.score_parts import score_parts
from weibo_tui.presentation.seeds import seeds_sentence


def score_sentences(score: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a score card (`ScoreCard.to_dict`) says about thresholds, baselines, seeds and explanations."""
    yield from main_sentence(score_parts(score))
    about = baseline_sentence(score), seeds_sentence(score), faithfulness_sentence(score.get("faithfulness"))
    yield from filter(None, about)
