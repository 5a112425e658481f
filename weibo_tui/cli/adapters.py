"""`adapters`: list, show, exchange and remove adapters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len

from weibo_tui.cli import options
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
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.text.terminal import truncate_cells

if TYPE_CHECKING:
    from weibo_tui.workbench import Workbench

MAX_VALUE_CELLS = 1000
FORMATS = {"native": "ours", "legacy": "original"}
"""Aliases of the file formats."""

adapters = typer.Typer(
    name="adapters", cls=Group, help=_("What was trained: small, and on one base each."), no_args_is_help=True
)


@adapters.command("list", cls=Command, help=_("Show the adapters there are."))
def list_adapters(json: options.Json = False) -> None:
    def row(card: AdapterCard) -> list[str]:
        without = card.score.get("emoticons", {}).get("without")
        accuracy = [percent(card.score.get("accuracy")), percent(without)]
        return [card.name, card.base, ", ".join(card.labels), *accuracy, card.created_at[:10], ""]

    header = [_("adapter"), _("base"), _("labels"), _("accuracy"), _("no emoticons"), _("made"), ""]
    with open_workbench() as workbench:
        list_cards(workbench.adapters, workbench.adapter_name, header, row, json)


@adapters.command("show", cls=Command, help=_("Show an adapter's card."))
def show_adapter(name: Name, json: options.Json = False) -> None:
    with open_workbench() as workbench:
        card = workbench.adapters.card(name)
    if json:
        echo_json(asdict(card))
        return
    rows: dict[str, Any] = {
        _("Adapter"): card.name,
        _("Base"): f"{card.base} ({card.base_fingerprint[:12]}…)",
        _("Labels"): ", ".join(card.labels),
        _("Parameters"): f"{card.parameters:,}",
        _("Blocks"): ", ".join(map(str, card.blocks)),
        _("Reads"): _("{length} tokens").format(length=card.max_length),
        _("Temperature"): f"{card.temperature:.3f} ({card.dtype})",
        _("Trained on"): ", ".join(map(str, card.data.get("files", []))),
        _("Made"): card.created_at,
    }
    width = max(map(cell_len, rows)) + 2
    for key, value in rows.items():
        echo(pad(key, width) + truncate_cells(one_line(str(value)), MAX_VALUE_CELLS))
    if card.score:
        echo()
        for line in score_lines(card.score):
            echo(line)


@adapters.command("set-default", cls=Command, hidden=True)
@adapters.command("use", cls=Command, help=_("Choose the adapter that is used where none is named."))
def set_default_adapter(name: Name) -> None:
    with open_workbench() as workbench:
        workbench.set_default_adapter(name)
    echo_info(_("'{name}' is the adapter now.").format(name=name))


@adapters.command(
    "import", cls=Command, help=_("Take in an exported adapter, or the original project's checkpoint (.pth).")
)
def import_adapter(
    path: Annotated[Path, typer.Argument(help=_("What 'export' wrote: .zip, .tar.gz or its folder; or a .pth."))],
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the adapter; else the card's."))] = "",
    base: Annotated[str, typer.Option(metavar="NAME", help=_("Base of a .pth; else the default one."))] = "",
    labels: Annotated[
        str | None, typer.Option(metavar="NAMES", help=_("Labels of a .pth in their order; else negative,positive."))
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench import ImportResult
    from weibo_tui.workbench.legacy_project import SUFFIXES

    is_checkpoint = path.suffix in SUFFIXES
    if not is_checkpoint and (base or labels is not None):
        raise UserInputError(
            _("--base and --labels are for a .pth: the card in {path} names its own.").format(path=path)
        )

    def start(workbench: Workbench) -> Iterator[object]:
        if is_checkpoint:
            new_name = name or options.name_after(path.stem, "adapter")
            return workbench.iter_import_legacy(path, new_name, base, options.label_names(labels), overwrite)
        return workbench.iter_import_adapter(path, name, overwrite)

    imported = run_with_progress(start, ImportResult)
    with open_workbench() as workbench:
        card = workbench.adapters.card(imported.card.name)
        echo_info(_("The adapter '{name}' is there.").format(name=card.name))
        if workbench.find_base(card.base_fingerprint) is None:
            echo_info(_("It wants the base '{base}', which is not here yet.").format(base=card.base))
        echo_default_hint("adapters", card.name, workbench.adapter_name)


@adapters.command(
    "export", cls=Command, help=_("Write an adapter as one .zip or .tar.gz, or as the original's checkpoint (.pth).")
)
def export_adapter(
    name: Name,
    path: Annotated[Path, typer.Argument(help=_("File to write, ending in .zip, .tar.gz or .pth."))],
    file_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help=_("ours, or original; else by the file's ending."))
    ] = "",
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench.legacy_project import SUFFIXES

    is_checkpoint = path.suffix in SUFFIXES
    file_format = FORMATS.get(file_format, file_format) or ("original" if is_checkpoint else "ours")
    if file_format not in FORMATS.values() or (file_format == "original") != is_checkpoint:
        message = _("{path} cannot be of the format {form}: write ours as .zip or .tar.gz, the original's as .pth.")
        raise UserInputError(message.format(path=path, form=file_format))
    if is_checkpoint:
        run_with_progress(lambda workbench: workbench.iter_export_legacy(name, path, overwrite))
    else:
        run_with_progress(lambda workbench: workbench.iter_export_adapter(name, path, overwrite))
    echo(str(path))
    if is_checkpoint:
        echo_info(
            _(
                "The original's predict script reads posts uncleaned, and judges at their padding: its verdicts may "
                "differ from those here."
            )
        )


@adapters.command("rename", cls=Command, help=_("Give an adapter another name."))
def rename_adapter(name: Name, new: NewName) -> None:
    with open_workbench() as workbench:
        workbench.rename_adapter(name, new)
    echo_info(_("The adapter '{name}' is named '{new}' now.").format(name=name, new=new))


@adapters.command("remove", cls=Command, help=_("Delete an adapter."))
def remove_adapter(name: Name) -> None:
    with open_workbench() as workbench:
        workbench.remove_adapter(name)
    echo_info(_("The adapter '{name}' is removed.").format(name=name))
