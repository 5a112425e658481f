"""Error messages for the app, which has fields instead of command-line options."""

from __future__ import annotations

import re
from collections.abc import Mapping

from weibo_tui import log
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _

_FIELDS: Mapping[str, str] = {
    "adapter": N_("Adapter"),
    "base": N_("Base"),
    "batch-size": N_("Batch size"),
    "blocks": N_("Blocks"),
    "column": N_("Posts in"),
    "context": N_("Context"),
    "encoding": N_("Encoding"),
    "label-column": N_("Labels in"),
    "labels": N_("Names of labels"),
    "learning-rate": N_("Learning rate"),
    "max-length": N_("Longest post"),
    "minutes": N_("Minutes"),
    "name": N_("Name"),
    "out": N_("Write the result to"),
    "tokens": N_("Tokens"),
}
"""Labels of fields by the name of the command-line option."""

_OPTION = re.compile(rf"(?<![\w/-])--({'|'.join(_FIELDS)})(?![\w-])")


def user_message(error: Exception) -> str:
    """Return a sentence about any error, with fields instead of options."""
    if isinstance(error, WeiboTuiError) and error.in_app:
        return error.in_app
    return with_fields(log.user_message(error))


def with_fields(message: str) -> str:
    """Replace the names of options in a message by the labels of fields."""
    return _OPTION.sub(lambda option: _("“{text}”").format(text=_(_FIELDS[option[1]])), message)
