"""`bases pretrain`: make a base model from plain text."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import open_workbench
from weibo_tui.cli.train import follow
from weibo_tui.engine.hyperparameters import BaseModelSize, ComputeOptions, PretrainingHyperparameters
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

TOKEN_UNITS = {"char": "characters", "bpe": "pieces"}
"""Aliases of the units."""


def add_to(bases: typer.Typer) -> None:
    bases.command("pretrain", cls=Command, help=_("Make a small GPT-2 base from plain text."))(pretrain)


@options.with_hyperparameters
def pretrain(
    corpus: Annotated[
        Path | None, typer.Argument(help=_("Text file with one post a line, also as .xz or .gz."))
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help=_("Name of the base (default: the file's, or the resumed run's)."))
    ] = "",
    resume: options.Resume = "",
    json: options.Json = False,
    encoding: options.Encoding = None,
    recipe: PretrainingHyperparameters = PretrainingHyperparameters(),
    size: BaseModelSize = BaseModelSize(),
    machine: ComputeOptions = ComputeOptions(),
) -> None:
    from weibo_tui.workbench import PretrainingConfig

    if (corpus is None) == (not resume):
        raise UserInputError(
            _("Name the text to learn from, or a run with --resume: 'weibo-tui bases pretrain --help' says more.")
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
        follow(workbench, workbench.iter_pretrain(config), json)
