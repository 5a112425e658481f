"""`bases` and `adapters`: what is installed, made, brought in, taken out."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import emit, narrate, one_line, pad, percent, show, table
from weibo_tui.cli.score import score_lines
from weibo_tui.cli.train import follow
from weibo_tui.engine.hyperparameters import PretrainingRecipe
from weibo_tui.errors import BadInput
from weibo_tui.locale import gettext as _
from weibo_tui.text import cell_width

RECIPE = PretrainingRecipe()

_training = partial(options.of, options.TRAINING)
_model = partial(options.of, _("Model"))

bases = typer.Typer(name="bases", cls=Group, help=_("The frozen GPT-2s that adapters stand on."), no_args_is_help=True)
adapters = typer.Typer(
    name="adapters", cls=Group, help=_("What was trained: small, and on one base each."), no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help=_("Its name."))]


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


@bases.command("pretrain", cls=Command, help=_("Make a small GPT-2 base from plain text."))
def pretrain(
    corpus: Annotated[
        Path | None, typer.Argument(help=_("Text file with one post a line, also as .xz or .gz."))
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the base; else the file's."))] = "",
    resume: options.Resume = "",
    json: options.Json = False,
    encoding: options.Encoding = None,
    minutes: Annotated[float, _training(_("Compute so many minutes; give this or --tokens."))] = 0.0,
    tokens: Annotated[int, _training(_("Stop behind so many tokens."))] = 0,
    context: Annotated[int, _training(_("Tokens in a window."))] = RECIPE.context,
    batch_size: Annotated[int, _training(_("Windows in a step."))] = RECIPE.batch_size,
    learning_rate: Annotated[float, _training(_("Learning rate at its highest."))] = RECIPE.learning_rate,
    seed: Annotated[int, _training(_("Seed of the order and the first weights."))] = RECIPE.seed,
    layers: Annotated[int, _model(_("Blocks."))] = 6,
    width: Annotated[int, _model(_("Width of the hidden states."))] = 320,
    heads: Annotated[int, _model(_("Attention heads; the width is a multiple of them."))] = 5,
    vocab_size: Annotated[int, _model(_("Tokens in the vocabulary at most."))] = 8000,
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
    from weibo_tui.workbench import Machine, PretrainingPlan, Workbench

    if (corpus is None) == (not resume):
        raise BadInput(
            _("Name the text to learn from, or a run with --resume: 'weibo-tui bases pretrain --help' says more.")
        )
    with Workbench.open() as bench:
        if corpus is None:
            follow(bench.resume(resume), json)
            return
        plan = PretrainingPlan(
            corpus=corpus,
            name=name or options.name_after(corpus.name.partition(".")[0], "base"),
            layers=layers,
            width=width,
            heads=heads,
            vocabulary=vocab_size,
            positions=positions,
            emoticons=emoticons,
            encoding=encoding,
            recipe=PretrainingRecipe(
                minutes=minutes,
                tokens=tokens,
                context=context,
                batch_size=batch_size,
                learning_rate=learning_rate,
                seed=seed,
            ),
            machine=Machine(device, dtype, threads),
        )
        follow(bench.pretrain(plan), json)


@bases.command("use", cls=Command, help=_("Choose the base that is trained on where none is named."))
def use_base(name: Name) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        bench.use_base(name)
    narrate(_("'{name}' is the base now.").format(name=name))


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
    path: Annotated[Path, typer.Argument(help=_("What 'adapters export' wrote."))],
    name: Annotated[str, typer.Option(metavar="NAME", help=_("Name of the adapter; else the card's."))] = "",
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        card = bench.adapters.take_in(path, name or None, overwrite)
        there = card.base_fingerprint in {base.fingerprint for base in bench.bases.list()}
    narrate(_("The adapter '{name}' is there.").format(name=card.name))
    if not there:
        narrate(_("It wants the base '{base}', which is not here yet.").format(base=card.base))


@adapters.command("export", cls=Command, help=_("Write an adapter as one .zip or .tar.gz."))
def export_adapter(
    name: Name, path: Annotated[Path, typer.Argument(help=_("File to write, ending in .zip or .tar.gz."))]
) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        bench.adapters.export(name, path)
    show(str(path))


@adapters.command("remove", cls=Command, help=_("Delete an adapter."))
def remove_adapter(name: Name) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as bench:
        bench.remove_adapter(name)
    narrate(_("The adapter '{name}' is removed.").format(name=name))
