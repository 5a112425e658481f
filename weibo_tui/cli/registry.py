"""`bases` and `adapters`: what is installed, made, brought in, taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weibo_tui.cli import options, pretrain
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import (
    Interrupted,
    emit,
    leave_interrupted,
    narrate,
    one_line,
    pad,
    percent,
    show,
    stages,
    table,
    until_stopped,
)
from weibo_tui.cli.score import score_lines
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.text import cell_width

if TYPE_CHECKING:
    from weibo_tui.workbench import Imported, Workbench

bases = typer.Typer(name="bases", cls=Group, help=_("The frozen GPT-2s that adapters stand on."), no_args_is_help=True)
adapters = typer.Typer(
    name="adapters", cls=Group, help=_("What was trained: small, and on one base each."), no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help=_("Its name."))]
NewName = Annotated[str, typer.Argument(help=_("The name that it gets."))]
Exported = Annotated[Path, typer.Argument(help=_("What 'export' wrote."))]
Out = Annotated[Path, typer.Argument(help=_("File to write, ending in .zip or .tar.gz."))]


@bases.command("list", cls=Command, help=_("Show the bases there are."))
def list_bases(json: options.Json = False) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        cards, chosen = bench.bases.list(), bench.settings.base
    if json:
        for card in cards:
            emit(asdict(card) | {"default": card.name == chosen})
        return
    table(
        ["", _("base"), _("parameters"), _("made"), _("from")],
        (
            [
                "*" if card.name == chosen else "",
                card.name,
                f"{card.parameters:,}",
                card.created_at[:10],
                card.source,
            ]
            for card in cards
        ),
    )


@bases.command("add", cls=Command, help=_("Take in a local Hugging Face GPT-2 folder; it is converted once."))
def add_base(
    folder: Annotated[Path, typer.Argument(help=_("Folder with config.json, weights and tokenizer."))],
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the base; else the folder's."))] = "",
    json: options.Json = False,
) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        card = bench.add_base(folder, name or options.name_after(folder.absolute().name, "base"))
    if json:
        emit(asdict(card))
    else:
        narrate(
            _("The base '{name}' is there: {parameters} parameters.").format(
                name=card.name, parameters=f"{card.parameters:,}"
            )
        )


pretrain.add_to(bases)


@bases.command("use", cls=Command, help=_("Choose the base that is trained on where none is named."))
def use_base(name: Name) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        bench.use_base(name)
    narrate(_("'{name}' is the base now.").format(name=name))


@bases.command("rename", cls=Command, help=_("Give a base another name; adapters on it stay on it."))
def rename_base(name: Name, new: NewName) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        bench.rename_base(name, new)
    narrate(_("The base '{name}' is named '{new}' now.").format(name=name, new=new))


@bases.command("import", cls=Command, help=_("Take in an exported base: .zip, .tar.gz or its folder."))
def import_base(
    path: Exported,
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the base; else the card's."))] = "",
) -> None:
    imported = _pull_whole(lambda bench: bench.import_base(path, name))
    assert imported is not None  # an import that raises nothing ends with it
    narrate(_("The base '{name}' is there.").format(name=imported.card.name))


@bases.command("export", cls=Command, help=_("Write a base as one .zip or .tar.gz."))
def export_base(name: Name, path: Out) -> None:
    _pull_whole(lambda bench: bench.export_base(name, path))
    show(str(path))


@bases.command("remove", cls=Command, help=_("Delete a base; adapters on it stay, and want it back."))
def remove_base(name: Name) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        bench.remove_base(name)
    narrate(_("The base '{name}' is removed.").format(name=name))


@adapters.command("list", cls=Command, help=_("Show the adapters there are."))
def list_adapters(json: options.Json = False) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        cards, chosen = bench.adapters.list(), bench.settings.adapter
    if json:
        for card in cards:
            emit(asdict(card) | {"default": card.name == chosen})
        return
    table(
        ["", _("adapter"), _("base"), _("labels"), _("accuracy"), _("no emoticons"), _("made")],
        (
            [
                "*" if card.name == chosen else "",
                card.name,
                card.base,
                ", ".join(card.labels),
                percent(card.score.get("accuracy")),
                percent(card.score.get("emoticons", {}).get("without")),
                card.created_at[:10],
            ]
            for card in cards
        ),
    )


@adapters.command("show", cls=Command, help=_("Show an adapter's card."))
def show_adapter(name: Name, json: options.Json = False) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        card = bench.adapters.card(name)
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
        show(pad(key, width) + one_line(str(value)))
    if card.score:
        show()
        for line in score_lines(card.score):
            show(line)


@adapters.command("use", cls=Command, help=_("Choose the adapter that is used where none is named."))
def use_adapter(name: Name) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        bench.use_adapter(name)
    narrate(_("'{name}' is the adapter now.").format(name=name))


@adapters.command("import", cls=Command, help=_("Take in an exported adapter: .zip, .tar.gz or its folder."))
def import_adapter(
    path: Exported,
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the adapter; else the card's."))] = "",
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench import Workbench

    imported = _pull_whole(lambda bench: bench.import_adapter(path, name, overwrite))
    assert imported is not None  # an import that raises nothing ends with it
    with Workbench.open() as bench:
        card = bench.adapters.card(imported.card.name)
        there = bench.base_with(card.base_fingerprint)
    narrate(_("The adapter '{name}' is there.").format(name=card.name))
    if there is None:
        narrate(_("It wants the base '{base}', which is not here yet.").format(base=card.base))


@adapters.command("export", cls=Command, help=_("Write an adapter as one .zip or .tar.gz."))
def export_adapter(name: Name, path: Out) -> None:
    _pull_whole(lambda bench: bench.export_adapter(name, path))
    show(str(path))


@adapters.command("rename", cls=Command, help=_("Give an adapter another name."))
def rename_adapter(name: Name, new: NewName) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        bench.rename_adapter(name, new)
    narrate(_("The adapter '{name}' is named '{new}' now.").format(name=name, new=new))


@adapters.command("remove", cls=Command, help=_("Delete an adapter."))
def remove_adapter(name: Name) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        bench.remove_adapter(name)
    narrate(_("The adapter '{name}' is removed.").format(name=name))


def _pull_whole(begin: Callable[[Workbench], Iterator[object]]) -> Imported | None:
    """An export or an import to its end, with bars; what came in, of an import."""
    from weibo_tui.workbench import Imported, Workbench

    imported = None
    try:
        with Workbench.open() as bench, stages() as stage, until_stopped(begin(bench)) as events:
            for event in events:
                if isinstance(event, Progress):
                    stage.progress(event)
                if isinstance(event, Imported):
                    imported = event
    except (Interrupted, KeyboardInterrupt):
        raise leave_interrupted(_("Stopped; nothing was written.")) from None
    return imported
