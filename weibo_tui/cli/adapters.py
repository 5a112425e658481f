"""`adapters`: list, show, exchange and remove adapters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.cells import cell_len

from weibo_tui.cli import options, publication
from weibo_tui.cli.bases import Name, NewName, list_cards
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import (
    echo,
    echo_default_hint,
    echo_info,
    echo_json,
    one_line,
    open_workbench,
    pad,
    run_with_progress,
)
from weibo_tui.cli.score_card import score_lines
from weibo_tui.datasets.containers import expand
from weibo_tui.datasets.tables import Columns
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, join_list
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.faithfulness import result_sentences
from weibo_tui.presentation.numbers import percent
from weibo_tui.presentation.publication.adapters import adapter_facts, adapters_document
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.text.terminal import truncate_cells

if TYPE_CHECKING:
    from weibo_tui.workbench.workbench import Workbench

MAX_VALUE_CELLS = 1000
FORMATS = {"ours": "native", "original": "legacy"}
"""Aliases of the file formats."""

adapters = typer.Typer(name="adapters", cls=Group, help=_("Manage adapters."), no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(adapters)


@adapters.command("list", cls=Command, help=_("List adapters."))
def list_adapters(json: options.Json = False) -> None:
    def row(card: AdapterCard) -> list[str]:
        without = card.score.get("emoticons", {}).get("without")
        accuracy = [percent(card.score.get("accuracy")), percent(without)]
        return [card.name, card.base, join_list(card.labels), *accuracy, card.created_at[:10], ""]

    header = [_("adapter"), _("base"), _("labels"), _("accuracy"), _("no emoticons"), _("created"), ""]
    with open_workbench() as workbench:
        list_cards(workbench.adapters, workbench.adapter_name, header, row, json)


@adapters.command("show", cls=Command, help=_("Show an adapter's card."))
def show_adapter(name: Name, json: options.Json = False) -> None:
    with open_workbench() as workbench:
        card = workbench.adapters.card(name)
    if json:
        echo_json(asdict(card))
        return
    rows = dict(adapter_facts(card))
    width = max(map(cell_len, rows)) + 2
    for key, value in rows.items():
        echo(pad(key, width) + truncate_cells(one_line(value), MAX_VALUE_CELLS))
    if card.score:
        echo()
        for line in score_lines(card.score):
            echo(line)


@adapters.command(
    "card", cls=Command, help=_("Write adapters' cards for publication: one in full, several as a table.")
)
def publish_cards(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help=_("Adapters. Several give a table with a row for each."))
    ],
    file_format: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help=_("Format: md, latex, csv, json or html (default: md).")),
    ] = "",
    html: Annotated[bool, typer.Option("--html", help=_("The same as --format html."))] = False,
    out: publication.Out = None,
    overwrite: options.Overwrite = False,
) -> None:
    file_format = "html" if html else file_format
    with open_workbench() as workbench:
        if out is not None:
            publication.check(workbench, out, overwrite, file_format=file_format)
        cards = [workbench.adapters.card(name) for name in dict.fromkeys(names)]
    document = adapters_document(cards)
    if out is not None:
        publication.write(document, out, overwrite)
    else:
        publication.echo_document(document, file_format or "md")


@adapters.command("set-default", cls=Command, hidden=True)
@adapters.command("use", cls=Command, help=_("Set the default adapter."))
def set_default_adapter(name: Name) -> None:
    with open_workbench() as workbench:
        workbench.set_default_adapter(name)
    echo_info(_("'{name}' is the default adapter now.").format(name=name))


@adapters.command(
    "import", cls=Command, help=_("Import an exported adapter, or a checkpoint of the original project (.pth).")
)
def import_adapter(
    path: Annotated[Path, typer.Argument(help=_("Exported adapter: .zip, .tar.gz or its folder; or a .pth file."))],
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the adapter (default: the card's)."))] = "",
    base: Annotated[str, typer.Option(metavar="NAME", help=_("Base of a .pth file (default: the default base)."))] = "",
    labels: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help=_("Labels of a .pth file in order (default: negative,positive).")),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench.core import ImportResult
    from weibo_tui.workbench.legacy_project import SUFFIXES

    is_checkpoint = path.suffix in SUFFIXES
    if not is_checkpoint and (base or labels is not None):
        raise UserInputError(
            _("--base and --labels are for .pth files only. The card in {path} names its own.").format(path=path)
        )

    def start(workbench: Workbench) -> Iterator[object]:
        if is_checkpoint:
            new_name = name or options.name_after(path.stem, "adapter")
            return workbench.iter_import_legacy(path, new_name, base, options.label_names(labels), overwrite)
        return workbench.iter_import_adapter(path, name, overwrite)

    imported = run_with_progress(start, ImportResult)
    with open_workbench() as workbench:
        card = workbench.adapters.card(imported.card.name)
        echo_info(_("Imported adapter '{name}'.").format(name=card.name))
        if workbench.find_base(card.base_fingerprint) is None:
            echo_info(_("It needs base '{base}', which is not installed yet.").format(base=card.base))
        echo_default_hint("adapters", card.name, workbench.adapter_name)


@adapters.command(
    "export",
    cls=Command,
    help=_("Export an adapter as .zip or .tar.gz, or as a checkpoint of the original project (.pth)."),
)
def export_adapter(
    name: Name,
    path: Annotated[Path, typer.Argument(help=_("File to write, ending in .zip, .tar.gz or .pth."))],
    file_format: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help=_("Format: native or legacy (default: by the file's ending).")),
    ] = "",
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench.legacy_project import SUFFIXES

    is_checkpoint = path.suffix in SUFFIXES
    file_format = FORMATS.get(file_format, file_format) or ("legacy" if is_checkpoint else "native")
    if file_format not in FORMATS.values() or (file_format == "legacy") != is_checkpoint:
        message = _("{path} does not fit the format {form}. Use .zip or .tar.gz for native, .pth for legacy.")
        raise UserInputError(message.format(path=path, form=file_format))
    if is_checkpoint:
        run_with_progress(lambda workbench: workbench.iter_export_legacy(name, path, overwrite))
    else:
        run_with_progress(lambda workbench: workbench.iter_export_adapter(name, path, overwrite))
    echo(str(path))
    if is_checkpoint:
        echo_info(
            _(
                "The original project's predict script does not clean posts and reads the padding token, so "
                "its predictions may differ from those here."
            )
        )


@adapters.command(
    "faithfulness",
    cls=Command,
    help=_(
        "Test the explanations of an adapter on at most 200 posts, and keep the result in its card. This takes minutes."
    ),
)
@options.with_hyperparameters
def measure_faithfulness(
    name: Name,
    posts: Annotated[list[Path], typer.Argument(metavar="DATA", help=_("Tables of posts. They need no labels."))],
    json: options.Json = False,
    columns: Columns = Columns(),
    machine: ComputeOptions = ComputeOptions(),
) -> None:
    from weibo_tui.workbench.faithfulness import FaithfulnessConfig, FaithfulnessResult

    config = FaithfulnessConfig(tuple(expand(posts, echo_info)), name, columns, machine)
    stopped = N_("Stopped. Nothing was kept.")
    result = run_with_progress(lambda workbench: workbench.iter_self_test(config), FaithfulnessResult, stopped)
    sentence, *notes = result_sentences(result)
    if json:
        echo_json(result.to_dict())
    else:
        echo(sentence)
    for note in notes:
        echo_info(note)


@adapters.command("rename", cls=Command, help=_("Rename an adapter."))
def rename_adapter(name: Name, new: NewName) -> None:
    with open_workbench() as workbench:
        workbench.rename_adapter(name, new)
    echo_info(_("Renamed adapter '{name}' to '{new}'.").format(name=name, new=new))


@adapters.command("remove", cls=Command, help=_("Delete an adapter."))
def remove_adapter(name: Name) -> None:
    with open_workbench() as workbench:
        workbench.remove_adapter(name)
    echo_info(_("Removed adapter '{name}'.").format(name=name))
