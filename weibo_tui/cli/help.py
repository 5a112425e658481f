"""Help pages and complaints about usage, in plain text and in the person's language.

Typer's own speak English, and without rich they cannot group options; so both are written here. A group's title is
what an option says as its `rich_help_panel`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.exceptions import TyperException

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

VALUES = {str: "TEXT", int: "INT", float: "FLOAT"}


class Command(TyperCommand):
    """One command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            error.ctx = ctx  # type: ignore[attr-defined]  # some errors do not say where they come from
            raise

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        _write_usage(self, ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        _write_sections(_sections(self.params), formatter)


class Group(TyperGroup):
    """A command that holds others."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        _write_usage(self, ctx, formatter, _("COMMAND …"))

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        commands = [(name, command.help or "") for name, command in self.commands.items()]
        _write_sections(_sections(self.params) | {_("Commands"): commands}, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            nearest = _nearest(args[0], self.commands) or list(self.commands)
            message = _("There is no command '{name}', did you mean {nearest}? '{path} --help' says more.")
            raise UserInputError(message.format(name=args[0], nearest=", ".join(nearest), path=ctx.command_path))
        return super().resolve_command(ctx, args)


def bad_usage(error: TyperException) -> str:
    """What is wrong with the command line, in one sentence."""
    context: Any = getattr(error, "ctx", None)
    parameter: Any = getattr(error, "param", None)
    command = context.command_path if context else "weibo-tui"
    # Typer's classes of errors are private to it: their names are what there is to tell them apart by.
    match type(error).__name__:
        case "NoSuchOption":
            option = getattr(error, "option_name", "")
            known = [name for one in context.command.params for name in (*one.opts, *one.secondary_opts)]
            nearest = _nearest(option, known)
            message = _("There is no option {option}")
            if nearest:
                message = _("There is no option {option} (did you mean {nearest}?)")
            said = message.format(option=option, nearest=", ".join(nearest))
        case "BadOptionUsage":
            option = getattr(error, "option_name", "")
            flags = {name for one in context.command.params if getattr(one, "is_flag", False) for name in one.opts}
            message = _("{option} takes no value") if option in flags else _("{option} needs a value")
            said = message.format(option=option)
        case "MissingParameter":
            said = _("{parameter} is missing").format(parameter=_name(parameter))
        case "BadParameter" if _kind(parameter) is int:
            said = _("{parameter} takes a whole number").format(parameter=_name(parameter)) + _range(parameter)
        case "BadParameter" if _kind(parameter) is float:
            said = _("{parameter} takes a number").format(parameter=_name(parameter))
        case _other:
            said = " ".join(error.format_message().split()).rstrip(".")
    return _("{said}; '{command} --help' says more.").format(said=said, command=command)


def _nearest(word: str, known: Iterable[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(word, list(known), n=1)


def _write_usage(command: TyperCommand | TyperGroup, ctx: Any, formatter: Any, *more: str) -> None:
    arguments = [_usage(one) for one in command.params if isinstance(one, TyperArgument)]
    formatter.write_usage(ctx.command_path, " ".join([_("[OPTIONS]"), *arguments, *more]), prefix=_("Usage: "))


def _sections(parameters: Iterable[Any]) -> dict[str, list[tuple[str, str]]]:
    """What a page lists, by the title of its section."""
    sections: dict[str, list[tuple[str, str]]] = {_("Arguments"): [], _("Options"): []}
    for one in parameters:
        title = _("Arguments") if isinstance(one, TyperArgument) else one.rich_help_panel or _("Options")
        sections.setdefault(title, []).append(_record(one))
    sections[_("Options")].append(("-h, --help", _("Show this help.")))
    return sections


def _write_sections(sections: Mapping[str, list[tuple[str, str]]], formatter: Any) -> None:
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def _usage(argument: TyperArgument) -> str:
    return _name(argument) if argument.required else f"[{_name(argument)}]"


def _record(one: Any) -> tuple[str, str]:
    """An argument or an option as a help page has it: how it is written, and what it is for."""
    if isinstance(one, TyperArgument):
        return _name(one), one.help or ""
    written = " / ".join([", ".join(one.opts), *one.secondary_opts])
    if not one.is_flag:
        written += f" {one.metavar or VALUES.get(_kind(one), 'FILE')}"
    default = "" if one.is_flag or one.default in (None, "") else _(" [default: {value}]").format(value=one.default)
    return written, (one.help or "") + default


def _name(one: Any) -> str:
    if not isinstance(one, TyperArgument):
        return str(one.opts[0])
    return (one.metavar or one.name.upper()) + ("…" if one.nargs != 1 else "")


def _kind(one: Any) -> Any:
    return None if one is None else one.type_descriptor.annotation


def _range(one: Any) -> str:
    if one.min is None or one.max is None:
        return ""
    return _(" from {low} to {high}").format(low=f"{one.min:,}", high=f"{one.max:,}")
