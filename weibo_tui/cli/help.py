"""Help pages and errors about usage, in plain text and in the user's language.

Typer's own pages are English, and group options only if rich draws them in boxes. An option's group is its
`rich_help_panel`. A second name of an option works but is not listed, and so are hidden commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.exceptions import TyperException

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list

METAVARS = {str: "TEXT", int: "INT", float: "FLOAT"}
Row = tuple[str, str]


class Command(TyperCommand):
    """Command with its help page."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            error.ctx = ctx  # type: ignore[attr-defined]  # some errors do not name their command
            raise

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        _write_usage(self, ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        _write_sections(_sections(self.params), formatter)


class Group(TyperGroup):
    """Command with subcommands."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        _write_usage(self, ctx, formatter, _("COMMAND …"))

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        rows = [(name, command.help or "") for name, command in self.commands.items() if not command.hidden]
        _write_sections(_sections(self.params) | {_("Commands"): rows}, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            visible = [name for name, command in self.commands.items() if not command.hidden]
            nearest = get_close_matches(args[0], visible, n=1)
            message = _("Command not found: '{name}'. See '{path} --help'.")
            if nearest:
                message = _("Command not found: '{name}'. Did you mean {nearest}? See '{path} --help'.")
            raise UserInputError(message.format(name=args[0], nearest=join_list(nearest), path=ctx.command_path))
        return super().resolve_command(ctx, args)


def usage_error(error: TyperException) -> str:
    """Return one sentence about an error in the command line."""
    context: Any = getattr(error, "ctx", None)
    parameter: Any = getattr(error, "param", None)
    option = getattr(error, "option_name", "")
    command = context.command_path if context else "weibo-tui"
    # Typer's classes of errors are private, so they are told apart by their names.
    match type(error).__name__:
        case "NoSuchOption":
            known = [name for item in context.command.params for name in (*item.opts, *item.secondary_opts)]
            nearest = get_close_matches(option, known, n=1)
            message = _("No such option: {option}")
            if nearest:
                message = _("No such option: {option} (did you mean {nearest}?)")
            problem = message.format(option=option, nearest=join_list(nearest))
        case "BadOptionUsage":
            flags = {name for item in context.command.params if getattr(item, "is_flag", False) for name in item.opts}
            message = _("{option} takes no value") if option in flags else _("{option} needs a value")
            problem = message.format(option=option)
        case "MissingParameter":
            problem = _("{parameter} is missing").format(parameter=_name(parameter))
        case "BadParameter" if _type(parameter) is int:
            problem = _("{parameter} takes a whole number").format(parameter=_name(parameter)) + _range(parameter)
        case "BadParameter" if _type(parameter) is float:
            problem = _("{parameter} takes a number").format(parameter=_name(parameter))
        case _other:
            problem = " ".join(error.format_message().split()).rstrip(".")
    return _("{said}. See '{command} --help'.").format(said=problem, command=command)


def _write_usage(command: TyperCommand | TyperGroup, ctx: Any, formatter: Any, *more: str) -> None:
    arguments = [item for item in command.params if isinstance(item, TyperArgument)]
    names = [_name(item) if item.required else f"[{_name(item)}]" for item in arguments]
    formatter.write_usage(ctx.command_path, " ".join([_("[OPTIONS]"), *names, *more]), prefix=_("Usage: "))


def _sections(parameters: Iterable[Any]) -> dict[str, list[Row]]:
    """Return the rows of a help page by the title of their section."""
    sections: dict[str, list[Row]] = {_("Arguments"): [], _("Options"): []}
    for item in parameters:
        if isinstance(item, TyperArgument):
            sections[_("Arguments")].append((_name(item), item.help or ""))
        else:
            sections.setdefault(item.rich_help_panel or _("Options"), []).append(_option_row(item))
    sections[_("Options")].append(("-h, --help", _("Show this help.")))
    return sections


def _write_sections(sections: Mapping[str, list[Row]], formatter: Any) -> None:
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def _option_row(option: Any) -> Row:
    names = " / ".join([option.opts[0], *option.secondary_opts[:1]])
    if option.is_flag:
        return names, option.help or ""
    hidden = not option.show_default or option.default in (None, "")
    default = "" if hidden else _(" [default: {value}]").format(value=option.default)
    return f"{names} {option.metavar or METAVARS.get(_type(option), 'FILE')}", (option.help or "") + default


def _name(parameter: Any) -> str:
    if not isinstance(parameter, TyperArgument):
        return str(parameter.opts[0])
    return (parameter.metavar or parameter.name.upper()) + ("…" if parameter.nargs != 1 else "")


def _type(parameter: Any) -> Any:
    return None if parameter is None else parameter.type_descriptor.annotation


def _range(parameter: Any) -> str:
    if parameter.min is None or parameter.max is None:
        return ""
    return _(" from {low} to {high}").format(low=f"{parameter.min:,}", high=f"{parameter.max:,}")
