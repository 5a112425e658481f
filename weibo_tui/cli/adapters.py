"""`adapters`: what was trained, brought in, taken out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from weibo_tui.cli import options
from weibo_tui.cli.bases import Name, NewName, list_cards, pull_whole
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import emit, narrate, narrate_default, one_line, pad, percent, show
from weibo_tui.cli.score_card import score_lines
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.text import cell_width, truncate_cells

MOST_CELLS_OF_A_FACT = 1000

adapters = typer.Typer(
    name="adapters", cls=Group, help=_("What was trained: small, and on one base each."), no_args_is_help=True
)


@adapters.command("list", cls=Command, help=_("Show the adapters there are."))
def list_adapters(json: options.Json = False) -> None:
    from weibo_tui.workbench import Workbench

    def row(card: AdapterCard) -> list[str]:
        without = card.score.get("emoticons", {}).get("without")
        accuracy = [percent(card.score.get("accuracy")), percent(without)]
        return [card.name, card.base, ", ".join(card.labels), *accuracy, card.created_at[:10], ""]

    header = [_("adapter"), _("base"), _("labels"), _("accuracy"), _("no emoticons"), _("made"), ""]
    with Workbench.open() as wb:
        list_cards(wb.adapters, wb.adapter_name, header, row, json)


@adapters.command("show", cls=Command, help=_("Show an adapter's card."))
def show_adapter(name: Name, json: options.Json = False) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        card = wb.adapters.card(name)
    if json:
        emit(asdict(card))
        return
    facts: dict[str, Any] = {
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
    width = max(map(cell_width, facts)) + 2
    for key, value in facts.items():
        show(pad(key, width) + truncate_cells(one_line(str(value)), MOST_CELLS_OF_A_FACT))
    if card.score:
        show()
        for line in score_lines(card.score):
            show(line)


@adapters.command("use", cls=Command, help=_("Choose the adapter that is used where none is named."))
def set_default_adapter(name: Name) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        wb.set_default_adapter(name)
    narrate(_("'{name}' is the adapter now.").format(name=name))


@adapters.command(
    "import", cls=Command, help=_("Take in an exported adapter, or the original project's checkpoint (.pth).")
)
def import_adapter(
    path: Annotated[Path, typer.Argument(help=_("What 'export' wrote: .zip, .tar.gz or its folder; or a .pth."))],
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the adapter; else the card's."))] = "",
    base: Annotated[str, typer.Option(metavar="NAME", help=_("Base of a .pth; else the default one."))] = "",
    labels: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help=_("Labels of a .pth in their order; else negative,positive.")),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench import Workbench
    from weibo_tui.workbench.legacy_project import SUFFIXES

    if path.suffix in SUFFIXES:
        wanted = name or options.name_after(path.stem, "adapter")
        named = options.names(labels)
        imported = pull_whole(lambda wb: wb.import_legacy(path, wanted, base, named, overwrite))
    elif base or labels is not None:
        raise UserInputError(
            _("--base and --labels are for a .pth: the card in {path} names its own.").format(path=path)
        )
    else:
        imported = pull_whole(lambda wb: wb.import_adapter(path, name, overwrite))
    assert imported is not None  # an import that raises nothing ends with it
    with Workbench.open() as wb:
        card = wb.adapters.card(imported.card.name)
        narrate(_("The adapter '{name}' is there.").format(name=card.name))
        if wb.find_base(card.base_fingerprint) is None:
            narrate(_("It wants the base '{base}', which is not here yet.").format(base=card.base))
        narrate_default("adapters", card.name, wb.adapter_name)


@adapters.command(
    "export", cls=Command, help=_("Write an adapter as one .zip or .tar.gz, or as the original's checkpoint (.pth).")
)
def export_adapter(
    name: Name,
    path: Annotated[Path, typer.Argument(help=_("File to write, ending in .zip, .tar.gz or .pth."))],
    form: Annotated[
        str, typer.Option("--format", metavar="NAME", help=_("ours, or original; else by the file's ending."))
    ] = "",
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench.legacy_project import SUFFIXES

    asked = form or ("original" if path.suffix in SUFFIXES else "ours")
    if asked not in ("ours", "original") or (asked == "original") != (path.suffix in SUFFIXES):
        raise UserInputError(
            _("{path} cannot be of the format {form}: write ours as .zip or .tar.gz, the original's as .pth.").format(
                path=path, form=asked
            )
        )
    if asked == "ours":
        pull_whole(lambda wb: wb.export_adapter(name, path, overwrite))
        show(str(path))
        return
    pull_whole(lambda wb: wb.export_legacy(name, path, overwrite))
    show(str(path))
    narrate(
        _(
            "The original's predict script reads posts uncleaned, and judges at their padding: its verdicts may differ "
            "from those here."
        )
    )


@adapters.command("rename", cls=Command, help=_("Give an adapter another name."))
def rename_adapter(name: Name, new: NewName) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        wb.rename_adapter(name, new)
    narrate(_("The adapter '{name}' is named '{new}' now.").format(name=name, new=new))


@adapters.command("remove", cls=Command, help=_("Delete an adapter."))
def remove_adapter(name: Name) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        wb.remove_adapter(name)
    narrate(_("The adapter '{name}' is removed.").format(name=name))
