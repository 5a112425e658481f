"""Options that several commands share, and options that are generated from hyper-parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from weibo_tui.datasets.labels import split_names
from weibo_tui.engine.hyperparameters import PRESETS, Hyperparameters, Parameter, parameters, preset_values
from weibo_tui.locale import gettext as _

DATA = _("Data")

Json = Annotated[bool, typer.Option("--json", help=_("Write one JSON object per line to stdout."))]
Adapter = Annotated[str, typer.Option("--adapter", metavar="NAME", help=_("Adapter (default: the default adapter)."))]
TextColumn = Annotated[
    str | None,
    typer.Option(
        "--column", "--text-column", metavar="NAME", rich_help_panel=DATA, help=_("Text column (default: detected).")
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option("--label-column", metavar="NAME", rich_help_panel=DATA, help=_("Label column (default: detected).")),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        rich_help_panel=DATA,
        help=_("Encoding: utf-8, gb18030, utf-16 or another (default: detected)."),
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="NAMES",
        rich_help_panel=DATA,
        help=_("Label names in order, like bad,good (default: negative,positive for 0 and 1)."),
    ),
]
LabelMap = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="RULE",
        rich_help_panel=DATA,
        help=_(
            "Rule for labels: '1,2=negative', '<3=negative' for scores, or '3=' to leave label 3 out. Give it again "
            "for another rule."
        ),
    ),
]
ValidationData = Annotated[
    list[Path] | None,
    typer.Option(
        "--validation-data",
        metavar="FILE",
        rich_help_panel=DATA,
        help=_("Labeled file for validation, instead of a share of DATA. Give it again for another file."),
    ),
]
TestData = Annotated[
    list[Path] | None,
    typer.Option(
        "--test-data",
        metavar="FILE",
        rich_help_panel=DATA,
        help=_(
            "Labeled file for the final test, instead of a share of DATA. Posts of DATA with a text of these files "
            "are left out, and counted as leaks."
        ),
    ),
]
Data = Annotated[list[Path], typer.Argument(help=_("Labeled files: CSV, TSV, JSONL or Parquet."), metavar="DATA")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help=_("Replace an existing file or model."))]
Resume = Annotated[
    str,
    typer.Option("--resume", metavar="RUN", help=_("Run to resume. Of the other options, --name and --json apply.")),
]


def with_hyperparameters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each hyper-parameter of the dataclasses among its parameters.

    One with `Hyperparameters` gets `--preset` too, whose values apply where no option is given. The command itself is
    called with instances of the dataclasses. Typer reads the options from `__signature__`."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, type] = {}
    expanded: list[inspect.Parameter] = []
    for item in signature.parameters.values():
        if isinstance(item.annotation, type) and hasattr(item.annotation, "__dataclass_fields__"):
            groups[item.name] = item.annotation
            if item.annotation is Hyperparameters:
                expanded.append(_preset())
            expanded += [_option(one) for one in parameters(item.annotation).values() if one.help]
        else:
            expanded.append(item)

    context = inspect.Parameter("typer_context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    @wraps(command)
    def run(typer_context: typer.Context, **values: Any) -> None:
        if preset := values.pop("preset", ""):
            for name, value in preset_values(preset).items():
                source = typer_context.get_parameter_source(name)
                if source is None or source.name == "DEFAULT":
                    values[name] = value
        for name, kind in groups.items():
            values[name] = kind(**{one: values.pop(one) for one, item in parameters(kind).items() if item.help})
        command(**values)

    run.__signature__ = signature.replace(parameters=[*expanded, context])  # type: ignore[attr-defined]
    return run


def _preset() -> inspect.Parameter:
    presets = [f"{name}: {_(preset.summary)}" for name, preset in PRESETS.items()]
    help_text = _("Values of several options (default: balanced). {presets}.").format(presets="; ".join(presets))
    option = typer.Option("--preset", metavar="NAME", help=help_text, rich_help_panel=_("Training"))
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter("preset", kind, default="", annotation=Annotated[str, option])


def _option(item: Parameter) -> inspect.Parameter:
    names = [f"--{name}" for name in (item.option_name, *item.alias.split())]
    if isinstance(item.default, bool):
        names = [f"{name}/--no-{name[2:]}" for name in names]
    option = typer.Option(*names, help=_(item.help), metavar=item.metavar, rich_help_panel=_(item.group))
    return inspect.Parameter(
        item.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=item.default,
        annotation=Annotated[int | None if item.default is None else type(item.default), option],
    )


def label_names(listed: str | None) -> tuple[str, ...] | None:
    """Return the labels that `--labels` lists."""
    return None if listed is None else tuple(split_names(listed))


def name_after(source: str, default: str) -> str:
    """Return a name for what is made from the file or folder `source`, in the characters that names may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.")[:64] or default
