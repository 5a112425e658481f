"""`bases`: list, download, add, make, exchange and remove base models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import (
    echo,
    echo_default_hint,
    echo_info,
    echo_json,
    echo_table,
    open_workbench,
    run_with_progress,
)
from weibo_tui.cli.train import follow
from weibo_tui.engine.hyperparameters import BaseModelSize, ComputeOptions, PretrainingHyperparameters
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.registry.cards import BaseCard, Card
from weibo_tui.registry.store import ModelStore
from weibo_tui.registry.tokenizer_stats import MAX_TOKENS_PER_CHARACTER, MAX_UNKNOWN_SHARE

if TYPE_CHECKING:
    from weibo_tui.workbench.workbench import Workbench

bases = typer.Typer(name="bases", cls=Group, help=_("Manage base models."), no_args_is_help=True)

TOKEN_UNITS = {"char": "characters", "bpe": "pieces"}
"""Aliases of the units."""
CAN_RESUME = N_("Stopped. The downloaded part is kept, and the same command continues from it.")

Name = Annotated[str, typer.Argument(help=_("Name."))]
NewName = Annotated[str, typer.Argument(help=_("New name."))]
Exported = Annotated[Path, typer.Argument(help=_("Exported base: .zip, .tar.gz or its folder."))]
Out = Annotated[Path, typer.Argument(help=_("File to write, ending in .zip or .tar.gz."))]


def add_to(app: typer.Typer) -> None:
    app.add_typer(bases)


@bases.command("list", cls=Command, help=_("List bases."))
def list_bases(json: options.Json = False) -> None:
    with open_workbench() as workbench:
        list_cards(
            workbench.bases,
            workbench.base_name,
            [_("base"), _("parameters"), _("created"), _("from")],
            lambda card: [card.name, f"{card.parameters:,}", card.created_at[:10], card.source],
            json,
        )


def list_cards(
    store: ModelStore[Card],
    get_default: Callable[[], str],
    header: Sequence[str],
    row: Callable[[Card], Sequence[str]],
    json: bool,
) -> None:
    """Print the models of a store; a star marks the default, and bundled ones say so in the last column."""
    default = ""
    with suppress(UserInputError):
        default = get_default()
    cards = store.list()
    bundled = {card.name for card in cards if store.is_bundled(card.name)}
    if json:
        for card in cards:
            echo_json(asdict(card) | {"default": card.name == default, "bundled": card.name in bundled})
        return

    def cells(card: Card) -> list[str]:
        *first, last = row(card)
        star = "*" if card.name == default else ""
        return [star, *first, _("bundled") if card.name in bundled else last]

    echo_table(["", *header], map(cells, cards))


@bases.command("add", cls=Command, help=_("Add a local Hugging Face GPT-2 folder."))
def add_base(
    folder: Annotated[
        Path | None,
        typer.Argument(help=_("Folder with config.json, weights and tokenizer (default: models/gpt2-chinese).")),
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the base (default: the folder's)."))] = "",
    json: options.Json = False,
) -> None:
    from weibo_tui.workbench.legacy_project import LegacyProject

    folder = folder or LegacyProject.find().base
    if folder is None:
        raise UserInputError(
            _(
                "No folder given, and models/gpt2-chinese does not exist. Give the folder of the model, as in "
                "'weibo-tui bases add FOLDER'."
            )
        )
    with open_workbench() as workbench:
        card = workbench.add_base(folder, name or options.name_after(folder.absolute().name, "base"))
        _show_added(workbench, card, json)


@bases.command("download", cls=Command, hidden=True)
@bases.command("get", cls=Command, help=_("Download a GPT-2 from the Hugging Face Hub or a mirror."))
def download_base(
    repository: Annotated[
        str, typer.Argument(metavar="REPO", help=_("Repository, like uer/gpt2-chinese-cluecorpussmall."))
    ] = "uer/gpt2-chinese-cluecorpussmall",
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the base (default: the repository's)."))] = "",
    json: options.Json = False,
) -> None:
    from weibo_tui.workbench.core import ImportResult

    card = run_with_progress(
        lambda workbench: workbench.iter_download_base(repository, name), ImportResult, CAN_RESUME
    ).card
    assert isinstance(card, BaseCard)
    with open_workbench() as workbench:
        _show_added(workbench, card, json)


def _show_added(workbench: Workbench, card: BaseCard, json: bool) -> None:
    if json:
        echo_json(asdict(card))
    else:
        _describe_base(card)
    echo_default_hint("bases", card.name, workbench.base_name)


def _describe_base(card: BaseCard) -> None:
    """Print the size of a base model from outside, and how well its tokenizer reads Chinese."""
    message = _("Added base '{name}' with {parameters} parameters.")
    echo_info(message.format(name=card.name, parameters=f"{card.parameters:,}"))
    unknown, tokens = card.made.get("unknown_share"), card.made.get("tokens_per_character")
    if not isinstance(unknown, float) or not isinstance(tokens, float):
        return  # a card of an older version
    message = (
        _("The tokenizer does not know {share} of an everyday text. It converts letters to lower case.")
        if card.made.get("lower_cases")
        else _("The tokenizer does not know {share} of an everyday text. It keeps capital letters.")
    )
    echo_info(message.format(share=percent(unknown)))
    if unknown > MAX_UNKNOWN_SHARE:
        echo_info(
            _("This is a lot, and predictions will be poor. Check that it is a Chinese model with its own vocabulary.")
        )
    if tokens > MAX_TOKENS_PER_CHARACTER:
        message = _(
            "The tokenizer needs {tokens} tokens per character. It was not made for Chinese, so less of a post is read."
        )
        echo_info(message.format(tokens=f"{tokens:.1f}"))


@bases.command("pretrain", cls=Command, help=_("Pretrain a small GPT-2 base on plain text."))
@options.with_hyperparameters
def pretrain_base(
    corpus: Annotated[
        Path | None, typer.Argument(help=_("Text file with one post per line, also as .xz or .gz."))
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help=_("Name of the base (default: the file's, or the resumed run's)."))
    ] = "",
    resume: options.Resume = "",
    now: options.Now = False,
    json: options.Json = False,
    encoding: options.Encoding = None,
    recipe: PretrainingHyperparameters = PretrainingHyperparameters(),
    size: BaseModelSize = BaseModelSize(),
    machine: ComputeOptions = ComputeOptions(),
) -> None:
    from weibo_tui.workbench.config import PretrainingConfig

    if (corpus is None) == (not resume):
        raise UserInputError(
            _("No text file given. Give a text file, or a run with --resume. See 'weibo-tui bases pretrain --help'.")
        )
    with open_workbench() as workbench:
        if corpus is None:
            follow(workbench, workbench.iter_resume(resume, name), json)
            return
        config = PretrainingConfig(
            corpus=corpus,
            name=name or options.name_after(corpus.name.partition(".")[0], "base"),
            encoding=encoding,
            recipe=recipe,
            machine=machine,
            **asdict(replace(size, units=TOKEN_UNITS.get(size.units, size.units))),
        )
        follow(workbench, workbench.iter_pretrain(config), json, wait=not now)


@bases.command("set-default", cls=Command, hidden=True)
@bases.command("use", cls=Command, help=_("Set the default base."))
def set_default_base(name: Name) -> None:
    with open_workbench() as workbench:
        workbench.set_default_base(name)
    echo_info(_("'{name}' is the default base now.").format(name=name))


@bases.command("rename", cls=Command, help=_("Rename a base. Its adapters stay with it."))
def rename_base(name: Name, new: NewName) -> None:
    with open_workbench() as workbench:
        workbench.rename_base(name, new)
    echo_info(_("Renamed base '{name}' to '{new}'.").format(name=name, new=new))


@bases.command("import", cls=Command, help=_("Import an exported base: .zip, .tar.gz or its folder."))
def import_base(
    path: Exported,
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the base (default: the card's)."))] = "",
) -> None:
    from weibo_tui.workbench.core import ImportResult

    card = run_with_progress(lambda workbench: workbench.iter_import_base(path, name), ImportResult).card
    echo_info(_("Imported base '{name}'.").format(name=card.name))
    with open_workbench() as workbench:
        echo_default_hint("bases", card.name, workbench.base_name)


@bases.command("export", cls=Command, help=_("Export a base as .zip or .tar.gz."))
def export_base(name: Name, path: Out, overwrite: options.Overwrite = False) -> None:
    run_with_progress(lambda workbench: workbench.iter_export_base(name, path, overwrite))
    echo(str(path))


@bases.command("remove", cls=Command, help=_("Delete a base. Its adapters are kept, but need it to work."))
def remove_base(name: Name) -> None:
    with open_workbench() as workbench:
        workbench.remove_base(name)
    echo_info(_("Removed base '{name}'.").format(name=name))
