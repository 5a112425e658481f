"""Entry point: puts the commands together, and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from weibo_tui.cli import (
    adapters,
    annotation,
    bases,
    bench,
    compare,
    data,
    doctor,
    estimate,
    files,
    history,
    keys,
    predict,
    report,
    runs,
    serve,
    torchrun,
    train,
)
from weibo_tui.cli.help import Command, Group, usage_error
from weibo_tui.cli.output import INTERRUPTED, echo_error, echo_info, one_line
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.log import disk_error, user_message
from weibo_tui.settings import find_paths, unknown_settings
from weibo_tui.version import __version__

app = typer.Typer(
    name="weibo-tui",
    cls=Group,
    help=_(
        "Sentiment of Weibo posts: train small adapters on a frozen Chinese GPT-2 and predict labels, "
        "without a network."
    ),
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for part in (predict, train, compare, estimate, report, data, doctor, bench, keys, serve):
    part.add_to(app)
for group in (bases.bases, adapters.adapters, files.files, annotation.group, history.history, runs.runs):
    app.add_typer(group)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


@app.command("tui", cls=Command, hidden=True)
@app.command(cls=Command, help=_("Open the app (the same as weibo-tui without a command)."))
def launch() -> None:
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


@app.callback()
def _before_each_command(
    context: typer.Context,
    _version: bool = typer.Option(
        False, "--version", help=_("Print the version and exit."), is_eager=True, callback=_print_version
    ),
) -> None:
    _check_environment()
    if context.invoked_subcommand is None:
        launch()


def _check_environment() -> None:
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


def main() -> None:
    """Run the command in `sys.argv` and exit: 0 done, 1 failed, 2 bad usage or input, 130 interrupted.

    An error is one line on stderr."""
    _prepare_streams()
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


@cache
def command_line() -> TyperGroup:
    """Return all commands. Cached for programs that call `main` more than once, because it takes 20 ms."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def _run(rank: int | None) -> int:
    """Run the command and return its exit code. `rank` is that of this process if torchrun started several."""
    try:
        return _run_command() if rank is None else torchrun.run(_run_command, rank)
    except (Exception, KeyboardInterrupt) as error:
        return _report(error)


def _run_command() -> int:
    return command_line().main(prog_name="weibo-tui", standalone_mode=False) or 0


def _report(error: Exception | KeyboardInterrupt) -> int:
    """Print the error that ended the program on one line, and return the exit code."""
    match error:
        case WeiboTuiError():
            echo_error(user_message(error))
            return error.exit_code
        case TyperException():
            if type(error).__name__ == "NoArgsIsHelpError":
                typer.echo(error.format_message(), err=True)
            else:
                echo_error(usage_error(error))
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
