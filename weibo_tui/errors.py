"""Errors with messages for users.

``str(error)`` is one line: the problem, and what to do about it. It may quote untrusted text, so print it only through
``weibo_tui.text.visible``.
"""

from __future__ import annotations


class WeiboTuiError(Exception):
    """Base class: the work failed, for example for lack of space or permissions."""

    exit_code = 1

    def __init__(self, message: str, in_app: str = "") -> None:
        """Create an error. `in_app` is the message in the app, where `message` names a command-line option."""
        super().__init__(message)
        self.in_app = in_app


class UserInputError(WeiboTuiError):
    """The command, a setting or the input data is invalid."""

    exit_code = 2


class CorruptFileError(WeiboTuiError):
    """A file of the home folder, or a weights file, is corrupt."""


class RunStoppedError(WeiboTuiError):
    """A training stopped with a checkpoint, because another program asked for it."""
