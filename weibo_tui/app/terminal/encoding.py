"""The encoding of the terminal."""

from __future__ import annotations

import codecs
import locale
import os

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _


def terminal_encoding() -> str:
    """Return the locale's encoding, or UTF-8 if that is ASCII.

    Raises UserInputError if the terminal cannot show the app."""
    if os.environ.get("TERM") == "dumb":
        message = _(
            "This terminal (TERM=dumb) shows plain lines only. Open another terminal for the app, or use the "
            "commands in 'weibo-tui --help'."
        )
        raise UserInputError(message)
    name = codecs.lookup(locale.getencoding()).name
    if name == "ascii":  # no locale is set; Python uses UTF-8 too
        return "utf-8"
    try:
        "─中文".encode(name)
    except UnicodeEncodeError:
        message = _(
            "Your locale's encoding, {encoding}, has no Chinese characters. Use another locale, as in "
            "'LC_ALL=C.UTF-8 weibo-tui'."
        )
        raise UserInputError(message.format(encoding=name)) from None
    return name
