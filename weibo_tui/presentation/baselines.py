"""Baselines, the simple models that an adapter is compared with, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.comparison import difference_sentence
from weibo_tui.presentation.score_parts import score_parts

_NAMES = {"majority": N_("most frequent label"), "linear": N_("linear model"), "nbsvm": "NBSVM"}
_OBJECTS = {"majority": N_("the most frequent label"), "linear": N_("the linear model")}


def baseline_name(name: str) -> str:
    """Return the name of a baseline in the user's language, for those of the program."""
    return _(_NAMES[name]) if name in _NAMES else name


def baseline_sentence(score: Mapping[str, Any]) -> str:
    """Return whether an adapter is more accurate than the best of the baselines, empty without them.

    `score` is its score card (`ScoreCard.to_dict`)."""
    measured = [one for one in score_parts(score).baselines if one.difference is not None and one.p is not None]
    if not measured:
        return ""
    best = min(measured, key=lambda one: one.difference or 0.0)
    assert best.difference is not None
    assert best.p is not None
    second = _(_OBJECTS[best.name]) if best.name in _OBJECTS else baseline_name(best.name)
    return difference_sentence(_("The adapter"), second, best.difference, best.difference_ci, best.p)
