"""`bases`: what is installed, made, brought in, taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli import options, pretrain
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import (
    InterruptedRunError,
    emit,
    leave_interrupted,
    narrate,
    narrate_default,
    percent,
    show,
    stages,
    table,
    until_stopped,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.registry.cards import BaseCard, Card
from weibo_tui.registry.store import ModelStore
from weibo_tui.registry.tokenizer_stats import MAX_TOKENS_PER_CHARACTER, MAX_UNKNOWN_SHARE

if TYPE_CHECKING:
    from weibo_tui.workbench import ImportResult, Workbench

bases = typer.Typer(name="bases", cls=Group, help=_("The frozen GPT-2s that adapters stand on."), no_args_is_help=True)

GOES_ON = N_("Stopped; what has come is kept, and the same command goes on there.")

Name = Annotated[str, typer.Argument(help=_("Its name."))]
NewName = Annotated[str, typer.Argument(help=_("The name that it gets."))]
Exported = Annotated[Path, typer.Argument(help=_("What 'export' wrote."))]
Out = Annotated[Path, typer.Argument(help=_("File to write, ending in .zip or .tar.gz."))]


@bases.command("list", cls=Command, help=_("Show the bases there are."))
def list_bases(json: options.Json = False) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        list_cards(
            bench.bases,
            bench.base_name,
            [_("base"), _("parameters"), _("made"), _("from")],
            lambda card: [card.name, f"{card.parameters:,}", card.created_at[:10], card.source],
            json,
        )


def list_cards(
    shelf: ModelStore[Card],
    choose: Callable[[], str],
    header: Sequence[str],
    row: Callable[[Card], Sequence[str]],
    json: bool,
) -> None:
    """Show what stands on a shelf: the one that is used where none is named has a star, and what comes with the program
    says so in its last column."""
    chosen = ""
    with suppress(UserInputError):
        chosen = choose()
    cards = shelf.list()
    bundled = {card.name for card in cards if shelf.is_bundled(card.name)}
    if json:
        for card in cards:
            emit(asdict(card) | {"default": card.name == chosen, "bundled": card.name in bundled})
        return

    def cells(card: Card) -> list[str]:
        *first, last = row(card)
        star = "*" if card.name == chosen else ""
        return [star, *first, _("comes with weibo-tui") if card.name in bundled else last]

    table(["", *header], map(cells, cards))


@bases.command("add", cls=Command, help=_("Take in a local Hugging Face GPT-2 folder; it is converted once."))
def add_base(
    folder: Annotated[
        Path | None, typer.Argument(help=_("Folder with config.json, weights and tokenizer; else models/gpt2-chinese."))
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the base; else the folder's."))] = "",
    json: options.Json = False,
) -> None:
    from weibo_tui.workbench import Workbench
    from weibo_tui.workbench.legacy_project import LegacyProject

    folder = folder or LegacyProject.find().base
    if folder is None:
        raise UserInputError(
            _("Name the model's folder, as in 'weibo-tui bases add FOLDER': models/gpt2-chinese is not here.")
        )
    with Workbench.open() as bench:
        card = bench.add_base(folder, name or options.name_after(folder.absolute().name, "base"))
        _tell_added(bench, card, json)


@bases.command("get", cls=Command, help=_("Fetch a GPT-2 from the Hugging Face Hub, or a mirror of it, once."))
def get_base(
    repository: Annotated[
        str, typer.Argument(metavar="REPO", help=_("Its name there, as in uer/gpt2-chinese-cluecorpussmall."))
    ] = "uer/gpt2-chinese-cluecorpussmall",
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the base; else the repository's."))] = "",
    json: options.Json = False,
) -> None:
    from weibo_tui.workbench import Workbench

    imported = pull_whole(lambda bench: bench.get_base(repository, name), GOES_ON)
    assert imported is not None  # a fetch that raises nothing ends with it
    assert isinstance(imported.card, BaseCard)
    with Workbench.open() as bench:
        _tell_added(bench, imported.card, json)


def _tell_added(bench: Workbench, card: BaseCard, json: bool) -> None:
    if json:
        emit(asdict(card))
    else:
        narrate_added(card)
    narrate_default("bases", card.name, bench.base_name)


def narrate_added(card: BaseCard) -> None:
    """Say that a base from outside is there, and how its tokenizer reads posts."""
    narrate(
        _("The base '{name}' is there: {parameters} parameters.").format(
            name=card.name, parameters=f"{card.parameters:,}"
        )
    )
    unknown, each = card.made.get("unknown_share"), card.made.get("tokens_per_character")
    if not isinstance(unknown, float) or not isinstance(each, float):
        return  # a card of an older version
    reads = (
        _("{share} of an everyday text is unknown to its tokenizer, which makes small letters of capitals.")
        if card.made.get("lower_cases")
        else _("{share} of an everyday text is unknown to its tokenizer, which keeps capital letters.")
    )
    narrate(reads.format(share=percent(unknown)))
    if unknown > MAX_UNKNOWN_SHARE:
        narrate(_("That is much: verdicts will suffer. Is it a Chinese model, with the vocabulary that belongs to it?"))
    if each > MAX_TOKENS_PER_CHARACTER:
        narrate(
            _(
                "It spells characters, {tokens} tokens for each: it was not made for Chinese, and reads less of a post."
            ).format(tokens=f"{each:.1f}")
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
    from weibo_tui.workbench import Workbench

    imported = pull_whole(lambda bench: bench.import_base(path, name))
    assert imported is not None  # an import that raises nothing ends with it
    narrate(_("The base '{name}' is there.").format(name=imported.card.name))
    with Workbench.open() as bench:
        narrate_default("bases", imported.card.name, bench.base_name)


@bases.command("export", cls=Command, help=_("Write a base as one .zip or .tar.gz."))
def export_base(name: Name, path: Out, overwrite: options.Overwrite = False) -> None:
    pull_whole(lambda bench: bench.export_base(name, path, overwrite))
    show(str(path))


@bases.command("remove", cls=Command, help=_("Delete a base; adapters on it stay, and want it back."))
def remove_base(name: Name) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        bench.remove_base(name)
    narrate(_("The base '{name}' is removed.").format(name=name))


def pull_whole(
    begin: Callable[[Workbench], Iterator[object]], stopped: str = N_("Stopped; nothing was written.")
) -> ImportResult | None:
    """An export, an import or a fetch to its end, with bars; what came in. `stopped` is said of an interrupted one."""
    from weibo_tui.workbench import ImportResult, Workbench

    imported = None
    try:
        with Workbench.open() as bench, stages() as stage, until_stopped(begin(bench)) as events:
            for event in events:
                if isinstance(event, Progress):
                    stage.progress(event)
                if isinstance(event, ImportResult):
                    imported = event
    except (InterruptedRunError, KeyboardInterrupt):
        raise leave_interrupted(_(stopped)) from None
    return imported
