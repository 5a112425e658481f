"""The commands put together, and what becomes of every error: one line, and an exit code."""

from __future__ import annotations

import os
import sys

import typer
from typer.exceptions import TyperException

from weibo_tui import __version__
from weibo_tui.cli import data, predict, records, registry, train
from weibo_tui.cli.output import complain
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _

app = typer.Typer(
    name="weibo-tui",
    help=_(
        "Read the mood of Weibo posts: train small adapters on a frozen Chinese GPT-2 and get verdicts, with no "
        "network."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for part in (predict, train, data):
    part.add_to(app)
app.add_typer(registry.bases)
app.add_typer(registry.adapters)
app.add_typer(records.history)
app.add_typer(records.runs)


@app.callback()
def _everywhere(
    version: bool = typer.Option(False, "--version", help=_("Print the version and leave."), is_eager=True),
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command that `sys.argv` names and leave with its exit code.

    0 done, 1 failed, 2 bad usage or bad input, 130 interrupted; an error is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows what it can; a lone surrogate ends no program.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(_run())


def _run() -> int:
    try:
        return typer.main.get_command(app).main(standalone_mode=False) or 0
    except WeiboTuiError as error:
        complain(str(error))
        return error.exit_code
    except TyperException as error:
        return _bad_usage(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read us has gone; Python must not complain of it once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        complain(_("There is not enough memory for this: try a smaller base or file."))
        return 1


def _bad_usage(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return 2
    command = context.command_path if context else "weibo-tui"
    message = " ".join(error.format_message().split()).rstrip(".")
    complain(_("{message}; '{command} --help' says more.").format(message=message, command=command))
    return error.exit_code
