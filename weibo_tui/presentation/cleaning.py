"""The cleaning that an adapter was trained with, in words."""

from __future__ import annotations

from weibo_tui.locale import gettext as _
from weibo_tui.text.cleaning import SIMPLIFYING


def describe_cleaning(version: int) -> str:
    """Return a version of `text.cleaning.clean` in words."""
    if version == SIMPLIFYING:
        return _("version {version}, characters simplified").format(version=version)
    return _("version {version}").format(version=version)
