"""The commands put together, and what becomes of every error: one line, and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import typer
from typer.exceptions import TyperException

from weibo_tui.cli import adapters, bench, data, doctor, predict, records, train
from weibo_tui.cli import bases as registry
from weibo_tui.cli.help import Command, Group, bad_usage
from weibo_tui.cli.output import complain, narrate, one_line
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.log import user_message
from weibo_tui.settings import find_paths, unknown_settings
from weibo_tui.version import __version__

app = typer.Typer(
    name="weibo-tui",
    cls=Group,
    help=_(
        "Read the mood of Weibo posts: train small adapters on a frozen Chinese GPT-2 and get verdicts, with no "
        "network."
    ),
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for part in (predict, train, data, doctor, bench):
    part.add_to(app)
app.add_typer(registry.bases)
app.add_typer(adapters.adapters)
app.add_typer(records.history)
app.add_typer(records.runs)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.command(cls=Command, help=_("Open the app; so does weibo-tui alone."))
def launch() -> None:
    from weibo_tui.app.app import launch as run
    from weibo_tui.app.terminal.encoding import terminal_encoding

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserInputError(_("The app needs a terminal: in a pipe, use the commands that 'weibo-tui --help' lists."))
    terminal_encoding()  # refused here where the terminal cannot show the app
    raise typer.Exit(run())


@app.callback()
def _everywhere(
    context: typer.Context,
    _version: bool = typer.Option(
        False, "--version", help=_("Print the version and leave."), is_eager=True, callback=_print_version
    ),
) -> None:
    _check_place()
    if context.invoked_subcommand is None:
        launch()


def _check_place() -> None:
    """Raise UserInputError where the working folder or the home cannot be, and warn of settings that are none."""
    try:
        Path.cwd()
    except OSError as error:  # torch would end the process
        raise UserInputError(
            _("The current folder does not exist any more. Change to another one, then try again.")
        ) from error
    paths = find_paths()
    with suppress(UserInputError):  # of a file that cannot be read: told by what reads the settings
        if warning := unknown_settings(paths):
            narrate(one_line(f"weibo-tui: {warning}"))


def main() -> None:
    """Run the command that `sys.argv` names and leave with its exit code.

    0 done, 1 failed, 2 bad usage or bad input, 130 interrupted; an error is one line on stderr."""
    _settle_streams()
    code = _run()
    try:
        sys.stdout.flush()  # here, where what goes wrong can still be said
    except OSError as error:
        code = _cannot_go_on(error)
    sys.exit(code)


def _settle_streams() -> None:
    """A terminal of another encoding shows what it can, a lone surrogate ends no program, and a stream that the
    caller closed is an empty one."""
    for name, mode in {"stdin": "r", "stdout": "w", "stderr": "w"}.items():
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - lives on
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _run() -> int:
    try:
        return typer.main.get_command(app).main(prog_name="weibo-tui", standalone_mode=False) or 0
    except (Exception, KeyboardInterrupt) as error:
        return _end_of(error)


def _end_of(error: BaseException) -> int:
    """Say what ended the program, on one line; its exit code."""
    code = 1
    match error:
        case WeiboTuiError():
            complain(user_message(error))
            code = error.exit_code
        case TyperException():
            if type(error).__name__ == "NoArgsIsHelpError":
                typer.echo(error.format_message(), err=True)
            else:
                complain(bad_usage(error))
            code = error.exit_code
        case KeyboardInterrupt():
            code = 130
        case OSError():
            code = _cannot_go_on(error)
        case Exception():
            complain(user_message(error))
    return code


def _cannot_go_on(error: OSError) -> int:
    """The way out when a stream or a file failed that nobody else could name better."""
    if not isinstance(error, BrokenPipeError):  # whoever read us had enough, and needs no telling
        place = error.filename or _("what it prints")
        message = _("The program failed at {place} ({reason}): check the disk and your rights there.")
        complain(message.format(place=place, reason=error.strerror or error))
    # Python must not complain of what is left in the stream once more when it closes it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
