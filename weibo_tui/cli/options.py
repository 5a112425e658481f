"""Options that several commands share, and options that are generated from hyper-parameters."""

from __future__ import annotations

import inspect
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from weibo_tui.cli.output import echo_info
from weibo_tui.datasets.containers import expand, list_folder
from weibo_tui.datasets.labels import split_names
from weibo_tui.datasets.tables import Columns, parse_share
from weibo_tui.engine.hyperparameters import PRESETS, Hyperparameters, Parameter, parameters, preset_values
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

DATA = _("Data")
DATA_HELP = _("Labeled files: CSV, TSV, text, JSON, Excel, Parquet or Arrow, also in .gz, .xz or .zip.")

Json = Annotated[bool, typer.Option("--json", help=_("Write one JSON object per line to stdout."))]
Adapter = Annotated[str, typer.Option("--adapter", metavar="NAME", help=_("Adapter (default: the default adapter)."))]
ENCODING_HELP = _("Encoding: utf-8, gb18030, utf-16 or another (default: detected).")
Encoding = Annotated[str | None, typer.Option("--encoding", metavar="NAME", rich_help_panel=DATA, help=ENCODING_HELP)]
BadRows = Annotated[
    Path | None,
    typer.Option("--bad-rows", metavar="FILE", rich_help_panel=DATA, help=_("List unreadable rows in this CSV file.")),
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
Probes = Annotated[
    list[str] | None,
    typer.Option(
        "--probe",
        metavar="TEXT",
        rich_help_panel=_("Training"),
        help=_(
            "Post to predict at each validation (default: the setting probe_posts, or made-up ones). Give it again for "
            "another post."
        ),
    ),
]
NoProbes = Annotated[
    bool, typer.Option("--no-probes", rich_help_panel=_("Training"), help=_("Predict no posts at validations."))
]
Data = Annotated[list[Path] | None, typer.Argument(help=DATA_HELP, metavar="DATA")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help=_("Replace an existing file or model."))]
Resume = Annotated[
    str,
    typer.Option("--resume", metavar="RUN", help=_("Run to resume. Of the other options, --name and --json apply.")),
]

Now = Annotated[bool, typer.Option("--now", help=_("Start next to a training in progress (default: after it)."))]


def with_hyperparameters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each hyper-parameter of the dataclasses among its parameters, and for `Columns`.

    One with `Hyperparameters` gets `--preset` too, whose values apply where no option is given, and one with
    `predicted_column` no option for the column of posts. The command itself is called with instances of the
    dataclasses. Typer reads the options from `__signature__`."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, type] = {}
    expanded: list[inspect.Parameter] = []
    for item in signature.parameters.values():
        if isinstance(item.annotation, type) and hasattr(item.annotation, "__dataclass_fields__"):
            groups[item.name] = item.annotation
            if item.annotation is Columns:
                expanded += [
                    one
                    for one in _table_options("data" in signature.parameters)
                    if one.name != _parameter("text") or "predicted_column" not in signature.parameters
                ]
                continue
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
            if kind is Columns:
                given = {field.name: values.pop(_parameter(field.name), field.default) for field in fields(Columns)}
                values[name] = Columns(**given | {"label_of": _labels_of_files(given["label_of"] or ())})
                continue
            values[name] = kind(**{one: values.pop(one) for one, item in parameters(kind).items() if item.help})
        if "data" in values:
            columns = values["columns"]
            files = [Path(file) for file, _label in columns.label_of]
            values["data"] = expand([*(values["data"] or []), *files], echo_info)
            if not values["data"] and "resume" not in values:
                raise UserInputError(_("No data given. Give labeled files, as DATA or with --label-of."))
        command(**values)

    run.__signature__ = signature.replace(parameters=[*expanded, context])  # type: ignore[attr-defined]
    return run


def _table_options(is_labeled: bool) -> list[inspect.Parameter]:
    """Return the options for the fields of `Columns`; `is_labeled` is whether the command needs labels."""
    options: dict[str, tuple[str, str | None, str]] = {
        "text": ("--column --text-column", "NAME", _("Text column by name or number (default: detected).")),
        "label": ("--label-column", "NAME", _("Label column by name or number (default: detected).")),
        "encoding": ("--encoding", "NAME", ENCODING_HELP),
        "header": ("--header/--no-header", None, _("Whether a header names the columns (default: detected).")),
        "sheet": ("--sheet", "NAME", _("Sheet of an Excel file (default: the first).")),
        "max_bad_rows": ("--max-bad-rows", "SHARE", _("Share of rows that may be unreadable (default: 5%).")),
    }
    if is_labeled:
        one_label = _(
            "File or folder whose posts all have this label. Without a label: a folder with a file or folder for each "
            "label, named like it."
        )
        options["label_of"] = ("--label-of", "FILE=LABEL", one_label)
    kinds: dict[str, Any] = {"header": bool | None, "max_bad_rows": float, "label_of": list[str] | None}
    result = []
    for field in fields(Columns):
        if field.name not in options:
            continue
        names, metavar, help_text = options[field.name]
        parser = parse_share if field.name == "max_bad_rows" else None
        option = typer.Option(
            *names.split(), metavar=metavar, help=help_text, parser=parser, rich_help_panel=DATA, show_default=False
        )
        kind = Annotated[kinds.get(field.name, str | None), option]  # type: ignore[valid-type]
        place = inspect.Parameter.POSITIONAL_OR_KEYWORD
        result.append(inspect.Parameter(_parameter(field.name), place, default=field.default or None, annotation=kind))
    return result


def _parameter(field: str) -> str:
    return f"columns_{field}"  # a command may have a parameter `text` of its own


def _labels_of_files(pairs: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the absolute paths and labels of `--label-of FILE=LABEL`, or of a folder with a file or folder a label."""
    result = []
    for pair in pairs:
        file, _sign, label = pair.rpartition("=")
        labels = {Path(file): label.strip()} if file and label.strip() else _labels_in_folder(Path(pair))
        if not labels:
            message = _("--label-of is {value}. Give a file and its label, as in {example}.")
            raise UserInputError(message.format(value=pair, example="good.txt=positive"))
        for path, name in labels.items():
            result += [(str(one.absolute()), name) for one in expand([path], echo_info)]
    counts = Counter(os.path.realpath(path) for path, _label in result)
    twice = next((path for path, number in counts.items() if number > 1), None)
    if twice is not None:
        raise UserInputError(_("{path} has two labels in --label-of. Give it once.").format(path=twice))
    return tuple(result)


def _labels_in_folder(folder: Path) -> dict[Path, str]:
    """Return the files and folders in a folder with their names as labels."""
    paths = list_folder(folder, echo_info, with_folders=True) if folder.is_dir() else []
    return {path: path.stem for path in paths}


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
