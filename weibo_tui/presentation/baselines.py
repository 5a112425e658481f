"""Simple models that an adapter is compared with, in words."""

from __future__ import annotations

from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _

_NAMES = {"majority": N_("most frequent label"), "linear": N_("linear model"), "nbsvm": "NBSVM"}


def baseline_name(name: str) -> str:
    """Return the name of a simple model in the user's language, for those of the program."""
    return _(_NAMES[name]) if name in _NAMES else name
