"""Error messages for the app, which has fields and actions instead of options and commands."""

from __future__ import annotations

import re
from collections.abc import Mapping

from weibo_tui import log
from weibo_tui.app.keymap import KEY_GROUPS, description
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _

_FIELDS: Mapping[str, str] = {
    "adapter": N_("Adapter"),
    "base": N_("Base"),
    "batch-size": N_("Batch size"),
    "blocks": N_("Blocks"),
    "column": N_("Text column"),
    "context": N_("Context"),
    "encoding": N_("Encoding"),
    "header": N_("Header"),
    "keep-states": N_("Cached activations"),
    "label-column": N_("Label column"),
    "labels": N_("Label names"),
    "learning-rate": N_("Learning rate"),
    "map": N_("Label map"),
    "max-length": N_("Maximum length"),
    "max-bad-rows": N_("Unreadable rows"),
    "minutes": N_("Minutes"),
    "name": N_("Name"),
    "out": N_("Result file"),
    "prefix": N_("Column prefix"),
    "sheet": N_("Sheet"),
    "tokens": N_("Tokens"),
}
"""Labels of fields by the name of the command-line option."""

_ACTIONS: Mapping[str, str] = {
    "adapters export": "models.export",
    "adapters import": "models.import",
    "adapters use": "models.use",
    "bases add": "models.import",
    "bases export": "models.export",
    "bases get": "models.get",
    "bases import": "models.import",
    "bases pretrain": "train.pretrain",
    "bases use": "models.use",
    "runs list": "app.train",
    "train": "train.new",
}
"""Names of actions by the command that does the same."""

_OPTION = re.compile(rf"(?<![\w/-])--({'|'.join(_FIELDS)})(?![\w-])")
_COMMAND = re.compile(rf"'weibo-tui ({'|'.join(_ACTIONS)})(?: [^']*)?'")


def user_message(error: Exception) -> str:
    """Return a sentence about any error, in the terms of the app."""
    if isinstance(error, WeiboTuiError) and error.in_app:
        return error.in_app
    return in_app_terms(log.user_message(error))


def in_app_terms(message: str) -> str:
    """Replace options in a message by the labels of fields, and commands by the names of actions."""
    message = _COMMAND.sub(lambda command: _quoted(_action(_ACTIONS[command[1]])), message)
    return _OPTION.sub(lambda option: _quoted(_(_FIELDS[option[1]])), message)


def named_option(error: Exception) -> str:
    """Return the option that the message of an error names first, empty for none. The problem is with its field."""
    found = _OPTION.search(log.user_message(error))
    return found[1] if found else ""


def _action(name: str) -> str:
    """Return the screen and the description of an action: `Models → Import`."""
    screen = name.partition(".")[0]
    return _(description(name)) if screen == "app" else f"{_(KEY_GROUPS[screen])} → {_(description(name))}"


def _quoted(text: str) -> str:
    return _("“{text}”").format(text=text)
