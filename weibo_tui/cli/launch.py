"""`launch`: open the app."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from weibo_tui.cli.output import echo_info, one_line
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.settings import find_paths, unknown_settings


def is_called(arguments: Sequence[str]) -> bool:
    """Return True for the words that open the app, unless a shell asks for completions."""
    return list(arguments) in ([], ["launch"], ["tui"]) and "_WEIBO_TUI_COMPLETE" not in os.environ


def launch() -> NoReturn:
    """Run the app, then end the process."""
    from weibo_tui.app.app import launch as run
    from weibo_tui.app.terminal.encoding import terminal_encoding

    if not os.environ.get("TEXTUAL_DRIVER"):  # of a server that shows the app in a browser
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UserInputError(_("The app needs a terminal. In a pipe, use the commands in 'weibo-tui --help'."))
        terminal_encoding()  # raises if the terminal cannot show the app
    code = run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the terminal may be gone
            stream.flush()
    os._exit(code)  # Python would take a second to take torch down, or wait until a thread has loaded it


def check_environment() -> None:
    """Raise UserInputError if there is no working folder or home, and warn of unknown settings."""
    try:
        Path.cwd()
    except OSError as error:  # torch would end the process
        raise UserInputError(
            _("The current folder does not exist any more. Change to another one, then try again.")
        ) from error
    paths = find_paths()
    with suppress(UserInputError):  # reading the settings reports an unreadable file later
        if warning := unknown_settings(paths):
            echo_info(one_line(f"weibo-tui: {warning}"))
