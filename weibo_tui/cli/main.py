"""Entry point: turns errors into one line and an exit code. The app opens without the import of the commands."""

from __future__ import annotations

import atexit
import gc
import os
import sys

from weibo_tui.cli import launch, torchrun
from weibo_tui.cli.output import INTERRUPTED, echo_error
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.log import disk_error, user_message

YOUNG_OBJECTS = 50_000
"""Objects after which the garbage collector looks at new ones."""


def main() -> None:
    """Run the command in `sys.argv` and exit: 0 done, 1 failed, 2 bad usage or input, 130 interrupted.

    An error is one line on stderr."""
    _prepare_streams()
    _spare_collector()
    rank = torchrun.rank_in_several()
    code = _run(rank)
    try:
        sys.stdout.flush()  # here, because a failure at exit could not be reported
    except OSError as error:
        code = _report_os_error(error)
    if rank is not None:
        os._exit(code)  # torch would wait for processes that have ended
    sys.exit(code)


def _prepare_streams() -> None:
    """Replace closed streams by empty ones, and escape characters that an output stream cannot encode."""
    for name, mode in {"stdin": "r", "stdout": "w", "stderr": "w"}.items():
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - stays open
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _spare_collector() -> None:
    """Let the garbage collector run less often, and not at the end.

    Its walks over all modules of torch take a sixth of the time of a single prediction."""
    gc.set_threshold(YOUNG_OBJECTS)
    atexit.register(gc.freeze)


def _run(rank: int | None) -> int:
    """Run the command and return its exit code. `rank` is that of this process if torchrun started several."""
    try:
        return _run_command() if rank is None else torchrun.run(_run_command, rank)
    except (Exception, KeyboardInterrupt) as error:
        return _report(error)


def _run_command() -> int:
    arguments = sys.argv[1:]
    if launch.is_called(arguments):
        launch.check_environment()
        launch.launch()
    from weibo_tui.cli import commands  # with typer, which the app does not wait for

    return commands.run(arguments)


def _report(error: Exception | KeyboardInterrupt) -> int:
    """Print the error that ended the program on one line, and return the exit code."""
    match error:
        case WeiboTuiError():
            echo_error(user_message(error))
            return error.exit_code
        case KeyboardInterrupt():
            return INTERRUPTED
        case OSError():
            return _report_os_error(error)
        case Exception():
            echo_error(user_message(error))
    return 1


def _report_os_error(error: OSError) -> int:
    """Report a failed stream or file, unless the reader of a pipe has closed it; return the exit code."""
    if not isinstance(error, BrokenPipeError):
        echo_error(disk_error(error, _("standard output")))
    # Python would report the unwritten rest once more when it closes the stream.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
