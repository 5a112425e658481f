"""What can go wrong, said for people.

``str(error)`` is one line that says what is wrong, where, and what to do about it. Whoever prints it passes
it through ``weibo_tui.text.terminal.sanitize``, because it may quote names and values that came from outside.
"""

from __future__ import annotations


class WeiboTuiError(Exception):
    """The work failed: no space, no rights, something of the machine's."""

    exit_code = 1

    def __init__(self, message: str, in_app: str = "") -> None:
        """`in_app` is what the app says instead, where the message tells of an option that stands for no field."""
        super().__init__(message)
        self.in_app = in_app


class UserInputError(WeiboTuiError):
    """The command, a setting or the data handed in is wrong; the person can put it right."""

    exit_code = 2


class CorruptFileError(WeiboTuiError):
    """A file of our own, or a weights file, is broken."""

    exit_code = 1
