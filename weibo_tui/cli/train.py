"""`train` and `evaluate`: an adapter made, and an adapter measured."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import (
    InterruptedRunError,
    ProgressBars,
    emit,
    leave_interrupted,
    narrate,
    narrate_default,
    per_second,
    show,
    stages,
    until_stopped,
)
from weibo_tui.cli.score_card import score_lines
from weibo_tui.display_names import display_name, skipped_rows
from weibo_tui.engine.events import BatchHalved, Evaluated, JournalDelayed, RunFinished, RunStarted, StepDone, to_json
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress, Rate

if TYPE_CHECKING:
    from weibo_tui.workbench import Workbench

DEFAULT = Hyperparameters()

_data = partial(options.of, options.DATA)
_training = partial(options.of, options.TRAINING)
_adapter = partial(options.of, _("Adapter"))


def add_to(app: typer.Typer) -> None:
    app.command("train", cls=Command, help=_("Train an adapter on labelled files, and print its score card."))(train)
    app.command("evaluate", cls=Command, help=_("Print an adapter's score card on labelled files."))(evaluate)


def train(
    data: Annotated[
        list[Path] | None, typer.Argument(metavar="DATA", help=_("Labelled files: CSV, TSV, JSONL or Parquet."))
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            metavar="NAME", help=_("Base to train on; else the default one. One of the Hub's is fetched, once.")
        ),
    ] = "",
    offline: Annotated[bool, typer.Option("--offline", help=_("Fetch nothing, whatever is named."))] = False,
    name: Annotated[
        str,
        typer.Option(metavar="NAME", help=_("Name of the adapter (default: the first file's, or the resumed run's).")),
    ] = "",
    resume: options.Resume = "",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    encoding: options.Encoding = None,
    labels: options.Labels = None,
    validation: Annotated[float, _data(_("Share of the posts that the best epoch is chosen on."))] = 0.1,
    test: Annotated[float, _data(_("Share of the posts that the score card is made on."))] = 0.1,
    epochs: Annotated[int, _training(_("How often each post is seen."))] = DEFAULT.epochs,
    batch_size: Annotated[int, _training(_("Posts in a batch."))] = DEFAULT.batch_size,
    accumulation: Annotated[int, _training(_("Batches in a step."))] = DEFAULT.accumulation,
    learning_rate: Annotated[float, _training(_("Learning rate at its highest."))] = DEFAULT.learning_rate,
    warmup: Annotated[float, _training(_("Share of the steps in which it rises."))] = DEFAULT.warmup,
    weight_decay: Annotated[float, _training(_("Weight decay of AdamW."))] = DEFAULT.weight_decay,
    clip: Annotated[float, _training(_("Norm that gradients are clipped to."))] = DEFAULT.clip,
    max_length: Annotated[int, _training(_("Tokens of a post that are read."))] = DEFAULT.max_length,
    class_weights: Annotated[
        str, _training(_("none, or balanced: rare labels count more."), metavar="NAME")
    ] = DEFAULT.class_weights,
    emoticon_dropout: Annotated[
        float, _training(_("Share of the posts shown without emoticons, so that words are learnt too."))
    ] = DEFAULT.emoticon_dropout,
    patience: Annotated[int, _training(_("Epochs without gain before it stops early; 0: never."))] = DEFAULT.patience,
    seed: Annotated[int, _training(_("Seed of the split, the order and the first weights."))] = DEFAULT.seed,
    bottleneck: Annotated[int, _adapter(_("Width of the bottlenecks."))] = DEFAULT.bottleneck,
    blocks: Annotated[
        str, _adapter(_("Blocks that have one, as in all, last4, 0-5 or 1,3."), metavar="BLOCKS")
    ] = DEFAULT.blocks,
    activation: Annotated[str, _adapter(_("Activation function in them."), metavar="NAME")] = DEFAULT.activation,
    dropout: Annotated[float, _adapter(_("Dropout in them."))] = DEFAULT.dropout,
    init: Annotated[float, _adapter(_("Standard deviation of the first up-projections."))] = DEFAULT.init,
    keep_states: Annotated[
        bool,
        typer.Option(
            "--keep-states",
            rich_help_panel=_("Adapter"),
            help=_("Keep on disk what the blocks below the adapter give, so that later epochs are quick."),
        ),
    ] = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    threads: options.Threads = 0,
) -> None:
    from weibo_tui.workbench import Columns, ComputeOptions, TrainingConfig, Workbench
    from weibo_tui.workbench.legacy_project import LegacyProject

    here = LegacyProject.find().data
    if here is not None and not data and not resume:
        message = _("Name the files to train on, as in 'weibo-tui train {path}', or a run with --resume.")
        raise UserInputError(message.format(path=here))
    if bool(data) == bool(resume):
        raise UserInputError(
            _("Name the files to train on, or a run with --resume: 'weibo-tui train --help' says more.")
        )
    with Workbench.open() as wb:
        if not data:
            follow(wb, wb.resume(resume, name), json)
            return
        plan = TrainingConfig(
            data=tuple(data),
            name=name or options.name_after(data[0].stem, "adapter"),
            base=base,
            offline=offline,
            columns=Columns(column, label_column, encoding),
            labels=options.names(labels),
            validation=validation,
            test=test,
            hyper=Hyperparameters(
                epochs=epochs,
                batch_size=batch_size,
                accumulation=accumulation,
                learning_rate=learning_rate,
                warmup=warmup,
                weight_decay=weight_decay,
                clip=clip,
                max_length=max_length,
                class_weights=class_weights,
                emoticon_dropout=emoticon_dropout,
                patience=patience,
                seed=seed,
                bottleneck=bottleneck,
                blocks=blocks,
                activation=activation,
                dropout=dropout,
                init=init,
            ),
            machine=ComputeOptions(device, dtype, threads),
            overwrite=overwrite,
            keep_states=keep_states,
        )
        follow(wb, wb.train(plan), json)


def follow(wb: Workbench, events: Iterator[object], json: bool) -> None:
    """Show a run's events as they come: JSON lines, or bars, a line an epoch, and the score card at the end."""
    run = ""
    finished: RunFinished | None = None
    try:
        with stages(data=json) as stage, until_stopped(events) as pulled:
            teller = _EventPrinter(stage)
            for event in pulled:
                if isinstance(event, RunStarted):
                    run = event.run
                if json and not isinstance(event, Progress):
                    emit(to_json(event))
                teller.tell(event)
                if isinstance(event, RunFinished):
                    finished = event
    except (InterruptedRunError, KeyboardInterrupt):
        if finished is not None:
            hint = _("The run was finished already.")
        elif run:
            hint = _("Stopped with a checkpoint; go on with: weibo-tui train --resume {run}").format(run=run)
        else:
            hint = _("Stopped before the first step; nothing was begun.")
        raise leave_interrupted(hint) from None
    except WeiboTuiError as error:
        # A fault of the machine, not of the plan.
        if run and isinstance(error.__cause__, OSError | sqlite3.Error):
            narrate(_("Once that is mended, go on with: weibo-tui train --resume {run}").format(run=run))
        raise
    assert finished is not None  # the last event of every run that is not interrupted and raises nothing
    if finished.score is not None and not json:
        for line in score_lines(finished.score):
            show(line)
    narrate(_("Kept as '{name}' in {path}").format(name=finished.name, path=finished.path))
    group, choose = ("adapters", wb.adapter_name) if finished.kind == "train" else ("bases", wb.base_name)
    narrate_default(group, finished.name, choose)


class _EventPrinter:
    """Events in words, and as bars."""

    def __init__(self, stage: ProgressBars) -> None:
        self._stage = stage
        self._tokens = 0
        self._token_rate = Rate()

    def tell(self, event: object) -> None:
        if isinstance(event, Progress) and event.stage != "step":
            self._stage.progress(event)
        elif isinstance(event, RunStarted):
            self._stage.line(_started(event))
        elif isinstance(event, StepDone):
            self._tokens += event.tokens
            rate = per_second(self._token_rate.update(self._tokens), _(" tokens"))
            note = _("loss {loss}, {rate}").format(loss=f"{event.loss:.3f}", rate=rate)
            self._stage.update(_("training"), event.step, event.steps or None, note)
        elif isinstance(event, JournalDelayed):
            self._stage.line(_("Warning: another program is writing to the database. The journal waits for it."))
        elif isinstance(event, BatchHalved):
            message = _("The memory was too small: each step is computed in parts of {tokens} tokens from here on.")
            self._stage.line(message.format(tokens=f"{event.tokens:,}"))
        elif isinstance(event, Evaluated):
            self._stage.line(_evaluated(event))


def _started(event: RunStarted) -> str:
    where = f"{event.device}, {event.dtype}"
    posts = ", ".join(f"{display_name(part)} {number:,}" for part, number in event.posts.items())
    if event.step:
        message = _("Run {run} goes on behind step {step} ({where}); posts: {posts}.")
    elif event.frozen:
        message = _(
            "Run {run} on base '{base}' ({where}); posts: {posts}; {trainable} numbers are trained, {frozen} stay."
        )
    else:
        message = _("Run {run} ({where}); posts: {posts}; {trainable} numbers are trained.")
    return message.format(
        run=event.run,
        base=event.base,
        where=where,
        posts=posts,
        step=f"{event.step:,}",
        trainable=f"{event.trainable:,}",
        frozen=f"{event.frozen:,}",
    )


def _evaluated(event: Evaluated) -> str:
    loss = f"{event.loss:.3f}" if isfinite(event.loss) else _("not a number")
    if event.accuracy is None or event.macro_f1 is None:
        if not isfinite(event.loss):
            message = _("No validation loss after step {step}: the held-out posts are too few or too short.")
            return message.format(step=f"{event.step:,}")
        return _("Validation loss {loss} after step {step}.").format(loss=loss, step=f"{event.step:,}")
    best = _(", the best so far") if event.best else ""
    return _("Epoch {epoch}: validation loss {loss}, accuracy {accuracy} %, macro F1 {f1} %{best}.").format(
        epoch=event.epoch,
        loss=loss,
        accuracy=f"{100 * event.accuracy:.1f}",
        f1=f"{100 * event.macro_f1:.1f}",
        best=best,
    )


def evaluate(
    data: options.Data,
    adapter: options.Adapter = "",
    errors: Annotated[
        Path | None, typer.Option(metavar="FILE", help=_("Write the posts judged wrongly to this CSV, surest first."))
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    encoding: options.Encoding = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    threads: options.Threads = 0,
) -> None:
    from weibo_tui.workbench import Columns, ComputeOptions, EvaluationConfig, Workbench
    from weibo_tui.workbench.evaluation import EvaluationResult

    machine = ComputeOptions(device, dtype, threads)
    plan = EvaluationConfig(tuple(data), adapter, Columns(column, label_column, encoding), machine, errors, overwrite)
    try:
        with Workbench.open() as wb, stages() as stage, until_stopped(wb.evaluate(plan)) as events:
            for event in events:
                if isinstance(event, Progress):
                    stage.progress(event)
                if isinstance(event, EvaluationResult):
                    scored = event
    except (InterruptedRunError, KeyboardInterrupt):
        raise leave_interrupted(_("Stopped; nothing was written.")) from None
    score = scored.score.to_json() | {"seen_in_training": scored.seen_in_training, "unlabeled": scored.unlabeled}
    if json:
        emit(score)
    else:
        for line in score_lines(score):
            show(line)
    if scored.unlabeled:
        narrate(skipped_rows(scored.unlabeled))
    if scored.warning:
        narrate(scored.warning)
    if scored.errors is not None:
        narrate(_("The posts judged wrongly are in {path}").format(path=scored.errors))
