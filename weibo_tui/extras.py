"""Extras of the package: parts of the program that need packages which are not installed by default."""

from __future__ import annotations

import sys
from pathlib import Path

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _


def missing_extra(package: str, extra: str) -> UserInputError:
    """Return the user's error for a package of an extra that is not installed."""
    message = _("{package} is not installed. Install it with: {command}")
    command = f"{Path(sys.executable).name} -m pip install 'weibo-tui[{extra}]'"
    return UserInputError(message.format(package=package, command=command))
