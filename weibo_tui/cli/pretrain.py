"""`bases pretrain`: a base made from plain text."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command
from weibo_tui.cli.train import follow
from weibo_tui.engine.hyperparameters import PretrainingHyperparameters
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

RECIPE = PretrainingHyperparameters()

_training = partial(options.of, options.TRAINING)
_model = partial(options.of, _("Model"))


def add_to(bases: typer.Typer) -> None:
    bases.command("pretrain", cls=Command, help=_("Make a small GPT-2 base from plain text."))(pretrain)


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
    minutes: Annotated[float, _training(_("Compute so many minutes; give this or --tokens."))] = 0.0,
    tokens: Annotated[int, _training(_("Stop behind so many tokens."))] = 0,
    context: Annotated[int, _training(_("Tokens in a window."))] = RECIPE.context,
    batch_size: Annotated[int, _training(_("Windows in a step."))] = RECIPE.batch_size,
    learning_rate: Annotated[float, _training(_("Learning rate at its highest."))] = RECIPE.learning_rate,
    recall: Annotated[
        float, _training(_("Weight of recalling the whole post at its end, beside foretelling each next token."))
    ] = RECIPE.recall,
    hide: Annotated[
        float, _training(_("Share of the posts whose emoticons are hidden, and to be guessed at the end."))
    ] = RECIPE.hide,
    seed: Annotated[int, _training(_("Seed of the order and the first weights."))] = RECIPE.seed,
    layers: Annotated[int, _model(_("Blocks."))] = 6,
    width: Annotated[int, _model(_("Width of the hidden states."))] = 320,
    heads: Annotated[int, _model(_("Attention heads; the width is a multiple of them."))] = 5,
    vocab_size: Annotated[int, _model(_("Tokens in the vocabulary at most."))] = 8000,
    units: Annotated[
        str, _model(_("What a token is: characters, or pieces of several that stand together often."))
    ] = "characters",
    positions: Annotated[int, _model(_("Tokens of the longest text that it can read."))] = 512,
    emoticons: Annotated[
        bool,
        typer.Option(
            "--emoticons/--no-emoticons",
            rich_help_panel=_("Model"),
            help=_("Whether frequent emoticons are tokens of their own; by default they are."),
        ),
    ] = True,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    threads: options.Threads = 0,
) -> None:
    from weibo_tui.workbench import ComputeOptions, PretrainingConfig, Workbench

    if (corpus is None) == (not resume):
        raise UserInputError(
            _("Name the text to learn from, or a run with --resume: 'weibo-tui bases pretrain --help' says more.")
        )
    with Workbench.open() as wb:
        if corpus is None:
            follow(wb, wb.resume(resume, name), json)
            return
        plan = PretrainingConfig(
            corpus=corpus,
            name=name or options.name_after(corpus.name.partition(".")[0], "base"),
            layers=layers,
            width=width,
            heads=heads,
            vocabulary=vocab_size,
            positions=positions,
            units=units,
            emoticons=emoticons,
            encoding=encoding,
            recipe=PretrainingHyperparameters(
                minutes=minutes,
                tokens=tokens,
                context=context,
                batch_size=batch_size,
                learning_rate=learning_rate,
                recall=recall,
                hide=hide,
                seed=seed,
            ),
            machine=ComputeOptions(device, dtype, threads),
        )
        follow(wb, wb.pretrain(plan), json)
