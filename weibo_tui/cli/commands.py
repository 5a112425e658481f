"""The commands of the program, put together for typer."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from weibo_tui.cli.help import Command, Group, usage_error
from weibo_tui.cli.launch import check_environment, launch
from weibo_tui.cli.output import echo_error
from weibo_tui.locale import gettext as _
from weibo_tui.version import __version__

MODULES = {
    "predict": ("predict",),
    "train": ("train", "evaluate"),
    "compare": ("compare",),
    "estimate": ("estimate",),
    "report": ("report",),
    "data": ("inspect", "audit", "data"),
    "doctor": ("doctor",),
    "bench": ("bench",),
    "keys": ("keys",),
    "serve": ("serve",),
    "bases": ("bases",),
    "adapters": ("adapters",),
    "files": ("files",),
    "annotation": ("annotations",),
    "history": ("history",),
    "runs": ("runs",),
}
"""The modules of this package with the commands that each adds, in the order of the help page."""


def run(arguments: list[str]) -> int:
    """Run the command and return its exit code. An error of usage is one line on stderr."""
    try:
        return command_line(_module(arguments)).main(arguments, prog_name="weibo-tui", standalone_mode=False) or 0
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
        else:
            echo_error(usage_error(error))
        return error.exit_code


def _module(arguments: Iterable[str]) -> str:
    """Return the module of the command that is called, or an empty string where several may be needed."""
    first = next(iter(arguments), "")
    return next((module for module, commands in MODULES.items() if first in commands), "")


@cache
def command_line(module: str = "") -> TyperGroup:
    """Return the commands of one module, which are imported sooner than all, or all of them.

    Cached for programs that call `main` more than once."""
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
    app.callback()(_before_each_command)
    for name in [module] if module else MODULES:
        import_module(f"weibo_tui.cli.{name}").add_to(app)
    app.command("tui", cls=Command, hidden=True)(launch)
    app.command(cls=Command, help=_("Open the app (the same as weibo-tui without a command)."))(launch)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(__version__)
        raise typer.Exit


def _before_each_command(
    context: typer.Context,
    _version: bool = typer.Option(
        False, "--version", help=_("Print the version and exit."), is_eager=True, callback=_print_version
    ),
) -> None:
    check_environment()
    if context.invoked_subcommand is None:
        launch()
