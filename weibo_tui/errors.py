"""What can go wrong, said for people.

``str(error)`` is one line that says what is wrong, where, and what to do about it. Whoever prints it passes
it through ``weibo_tui.text.visible``, because it may quote names and values that came from outside.
"""

from __future__ import annotations


class WeiboTuiError(Exception):
    """The work failed: no space, no rights, something of the machine's."""

    exit_code = 1


class BadInput(WeiboTuiError):
    """The command, a setting or the data handed in is wrong; the person can put it right."""

    exit_code = 2


class Damaged(WeiboTuiError):
    """A file of our own, or a weights file, is broken."""

    exit_code = 1
