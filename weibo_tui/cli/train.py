"""`train` and `evaluate`: make an adapter, and measure one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli import options, publication
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import (
    InterruptedRunError,
    ProgressBars,
    echo,
    echo_default_hint,
    echo_info,
    echo_json,
    exit_interrupted,
    interruptible,
    list_bad_rows,
    open_workbench,
    progress_bars,
    run_with_progress,
)
from weibo_tui.cli.score_card import score_lines
from weibo_tui.datasets.tables import Columns
from weibo_tui.engine.events import (
    ActivationsCached,
    BatchHalved,
    CachePlanned,
    Evaluated,
    JournalDelayed,
    ProbesPredicted,
    RunFinished,
    RunStarted,
    StepDone,
    to_json,
)
from weibo_tui.engine.hyperparameters import (
    TRAINING_DTYPES,
    Acceleration,
    Cleaning,
    ComputeOptions,
    DataSplit,
    Hyperparameters,
    Scoring,
)
from weibo_tui.errors import RunStoppedError, UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.presentation.default_adapter import compare_with_default
from weibo_tui.presentation.labels import label_notes
from weibo_tui.presentation.numbers import figure, per_second, percent
from weibo_tui.presentation.probes import ProbeHistory, probe_lines
from weibo_tui.presentation.run_events import compute_setup, describe_event, posts_per_split
from weibo_tui.progress import Progress, Rate

if TYPE_CHECKING:
    from weibo_tui.workbench.workbench import Workbench


SLOT_SECONDS = 1.0
"""Interval at which a training that waits looks for the end of the others."""


def add_to(app: typer.Typer) -> None:
    app.command("train", cls=Command, help=_("Train an adapter on labeled files and evaluate it."))(train)
    app.command("evaluate", cls=Command, help=_("Evaluate an adapter on labeled files."))(evaluate)


@options.with_hyperparameters
def train(
    data: Annotated[list[Path] | None, typer.Argument(metavar="DATA", help=options.DATA_HELP)] = None,
    base: Annotated[
        str,
        typer.Option(
            metavar="NAME", help=_("Base to train on (default: the default base). A Hub repository is downloaded once.")
        ),
    ] = "",
    offline: Annotated[bool, typer.Option("--offline", help=_("Download nothing."))] = False,
    name: Annotated[
        str,
        typer.Option(metavar="NAME", help=_("Name of the adapter (default: the first file's, or the resumed run's).")),
    ] = "",
    resume: options.Resume = "",
    overwrite: options.Overwrite = False,
    now: options.Now = False,
    json: options.Json = False,
    columns: Columns = Columns(),
    bad_rows: options.BadRows = None,
    labels: options.Labels = None,
    label_map: options.LabelMap = None,
    validation_data: options.ValidationData = None,
    test_data: options.TestData = None,
    probe: options.Probes = None,
    no_probes: options.NoProbes = False,
    cleaning: Cleaning = Cleaning(),
    split: DataSplit = DataSplit(),
    scoring: Scoring = Scoring(),
    hyper: Hyperparameters = Hyperparameters(),
    acceleration: Acceleration = Acceleration(),
    machine: ComputeOptions = ComputeOptions(),
) -> None:
    from weibo_tui.workbench.config import TrainingConfig
    from weibo_tui.workbench.legacy_project import LegacyProject

    legacy_data = LegacyProject.find().data
    if legacy_data is not None and not data and not resume:
        message = _("No data given. Give files to train on, as in 'weibo-tui train {path}', or a run with --resume.")
        raise UserInputError(message.format(path=legacy_data))
    if bool(data) == bool(resume):
        raise UserInputError(
            _("No data given. Give files to train on, or a run with --resume. See 'weibo-tui train --help'.")
        )
    with open_workbench() as workbench:
        if not data:
            follow(workbench, workbench.iter_resume(resume, name), json)
            return
        files = [*data, *(validation_data or ()), *(test_data or ())]
        list_bad_rows(files, columns, bad_rows, overwrite)
        if probe and no_probes:
            raise UserInputError(_("--probe and --no-probes exclude each other. Give one of them."))
        config = TrainingConfig(
            data=tuple(data),
            name=name or options.name_after(data[0].stem, "adapter"),
            base=base,
            offline=offline,
            columns=columns,
            labels=options.label_names(labels),
            validation=split.validation,
            test=split.test,
            split_seed=split.split_seed,
            validation_data=tuple(validation_data or ()),
            test_data=tuple(test_data or ()),
            hyper=hyper,
            machine=machine,
            overwrite=overwrite,
            keep_states=acceleration.keep_states,
            preprocessing=cleaning.version,
            map=label_map or (),
            baselines=scoring.baselines,
            seeds=scoring.seeds,
            keep=scoring.keep,
            probes=() if no_probes else tuple(probe or ()) or None,
        )
        follow(workbench, workbench.iter_train(config), json, wait=not now)


def follow(workbench: Workbench, events: Iterator[object], json: bool, wait: bool = False) -> None:
    """Show the events of a run: JSON lines, or bars, a line for each epoch and the score card at the end.

    Those of several seeds are runs that follow each other. `wait` starts it when no other training is in progress, in
    any program."""
    run = ""
    finished: RunFinished | None = None
    try:
        with (
            progress_bars(data=json) as bars,
            interruptible(_in_slot(workbench, events, wait, bars.line)) as steps,
        ):
            printer = _EventPrinter(bars)
            for event in steps:
                if isinstance(event, RunStarted):
                    run, finished = event.run, None
                    if workbench.settings.dtype not in TRAINING_DTYPES:
                        bars.line(_ignored_dtype(workbench.settings.dtype, event))
                if json and not isinstance(event, Progress):
                    echo_json(to_json(event))
                printer.show(event)
                if isinstance(event, RunFinished):
                    finished = event
                    if workbench.missing_seeds(event.run)[1]:
                        accuracy = percent(figure((event.score or {}).get("accuracy")))
                        bars.line(_("'{name}': test accuracy {accuracy}.").format(name=event.name, accuracy=accuracy))
            if not json:
                printer.show_probes()
    except (InterruptedRunError, KeyboardInterrupt, RunStoppedError):
        raise exit_interrupted(_interruption_hint(workbench, run, finished)) from None
    except WeiboTuiError as error:
        # The disk or the database failed, not the training, so that it can be resumed.
        if run and isinstance(error.__cause__, OSError | sqlite3.Error):
            echo_info(_("After fixing this, resume with: weibo-tui runs resume {run}").format(run=run))
        raise
    assert finished is not None  # the last event of every run that is not interrupted and raises nothing
    _echo_result(workbench, finished, json)
    if hint := _rest_hint(workbench, finished.run):
        echo_info(hint)


def _interruption_hint(workbench: Workbench, run: str, finished: RunFinished | None) -> str:
    """Return lines on how to continue the `run` that was interrupted, "" before it began, and the seeds after it."""
    if finished is not None:
        hint = _("The run has finished already.")
    elif run:
        hint = _("Stopped with a checkpoint. Resume with: weibo-tui runs resume {run}").format(run=run)
    else:
        hint = _("Stopped before the first step. Nothing was saved.")
    return "\n".join(filter(None, (hint, _rest_hint(workbench, run))))


def _rest_hint(workbench: Workbench, run: str) -> str:
    """Return a sentence on the seeds that are not trained yet, if the run is one of several seeds."""
    name, seeds = workbench.missing_seeds(run) if run else ("", ())
    if not seeds:
        return ""
    message = ngettext(
        "Seed {seeds} of '{name}' is left. The same train command continues with it, or: weibo-tui runs resume {run}",
        "Seeds {seeds} of '{name}' are left. The same train command continues with them, or: weibo-tui runs resume "
        "{run}",
        len(seeds),
    )
    return message.format(seeds=join_list(map(str, seeds)), name=name, run=run)


def _in_slot(
    workbench: Workbench, events: Iterator[object], wait: bool, say: Callable[[str], object]
) -> Iterator[object]:
    """Yield the events of a training. After the first one, before which most refusals come, take the training slot."""
    with closing(events), ExitStack() as stack:  # type: ignore[type-var]  # all long work is a generator
        first = next(events)
        if isinstance(first, RunFinished):  # all seeds were trained before
            yield first
            return
        slot = workbench.take_training_slot()
        if slot is None and wait:
            say(_("Another training is in progress. This one starts when it is done. Use --now to start it now."))
            while (slot := workbench.take_training_slot()) is None:
                yield Progress("waiting", 0)
                time.sleep(SLOT_SECONDS)
        if slot is not None:
            stack.callback(slot.release)
        yield first
        yield from events


def _echo_result(workbench: Workbench, finished: RunFinished, json: bool) -> None:
    """Print the score card, where the model is, and how to make it the default."""
    if finished.score is not None and not json:
        for line in score_lines(finished.score):
            echo(line)
    echo_info(_("Saved as '{name}' in {path}").format(name=finished.name, path=finished.path))
    if finished.kind != "train":
        echo_default_hint("bases", finished.name, workbench.base_name)
        return
    with suppress(UserInputError):  # there is no default
        if (default := workbench.adapter_name()) != finished.name:
            echo_info(compare_with_default(*map(workbench.adapters.card, (finished.name, default))))
    echo_default_hint("adapters", finished.name, workbench.adapter_name)


class _EventPrinter:
    """Shows events as sentences and bars."""

    def __init__(self, bars: ProgressBars) -> None:
        self._bars = bars
        self._tokens = 0
        self._token_rate = Rate()
        self._probes = ProbeHistory()

    def show(self, event: object) -> None:
        if isinstance(event, Progress) and event.stage != "step":
            self._bars.progress(event)
        elif isinstance(event, StepDone):
            self._tokens += event.tokens
            rate = per_second(self._token_rate.update(self._tokens), _(" tokens"))
            note = _("loss {loss}, {rate}").format(loss=f"{event.loss:.3f}", rate=rate)
            self._bars.update(_("training"), event.step, event.steps or None, note)
        elif isinstance(event, ProbesPredicted):
            self._probes.apply(to_json(event))
        elif isinstance(event, RunStarted):
            self._probes.apply(to_json(event))
            self._bars.line(_started(event))
            several = {"several labels": event.posts.get("several labels", 0)}  # the other rows are among the posts
            for note in label_notes(event.labels_read_as, several):
                self._bars.line(note)
        elif isinstance(event, Evaluated) and event.accuracy is None and not isfinite(event.loss):
            message = _("No validation loss at step {step}. The validation posts are too few or too short.")
            self._bars.line(message.format(step=f"{event.step:,}"))
        elif isinstance(event, Evaluated | CachePlanned | ActivationsCached | BatchHalved | JournalDelayed):
            self._bars.line(describe_event(to_json(event)))

    def show_probes(self) -> None:
        """Print the predictions of the probe posts in all validations."""
        for line in probe_lines(self._probes):
            echo_info(line)


def _ignored_dtype(setting: str, event: RunStarted) -> str:
    message = _("The setting dtype, {setting}, is for predictions only. The run computes in {dtype}.")
    return message.format(setting=setting, dtype=event.dtype)


def _started(event: RunStarted) -> str:
    if event.step:
        message = _("Run {run} resumed from step {step} ({where}). Posts: {posts}.")
    elif event.frozen:
        message = _(
            "Run {run} on base '{base}' ({where}). Posts: {posts}. Parameters: {trainable} trainable, {frozen} frozen."
        )
    else:
        message = _("Run {run} ({where}). Posts: {posts}. Trainable parameters: {trainable}.")
    started = to_json(event)
    return message.format(
        run=event.run,
        base=event.base,
        where=compute_setup(started),
        posts=posts_per_split(started),
        step=f"{event.step:,}",
        trainable=f"{event.trainable:,}",
        frozen=f"{event.frozen:,}",
    )


@options.with_hyperparameters
def evaluate(
    data: options.Data = None,
    adapter: options.Adapter = "",
    errors: Annotated[
        Path | None, typer.Option(metavar="FILE", help=_("Write the errors to this CSV file, most confident first."))
    ] = None,
    out: publication.Out = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    columns: Columns = Columns(),
    bad_rows: options.BadRows = None,
    label_map: options.LabelMap = None,
    machine: ComputeOptions = ComputeOptions(),
) -> None:
    from weibo_tui.presentation.publication.scores import evaluation_document
    from weibo_tui.workbench.config import EvaluationConfig
    from weibo_tui.workbench.evaluation import EvaluationResult

    list_bad_rows(data or (), columns, bad_rows, overwrite, errors, out)
    config = EvaluationConfig(tuple(data or ()), adapter, columns, machine, errors, overwrite, label_map or ())

    def events(workbench: Workbench) -> Iterator[object]:
        if out is not None:
            publication.check(workbench, out, overwrite, config.data, errors)
        yield from workbench.iter_evaluate(config)

    result = run_with_progress(events, EvaluationResult)
    score = result.score.to_dict() | {
        "seen_in_training": result.seen_in_training,
        "unlabeled": result.unlabeled,
        "several_labels": result.left_out.get("several labels", 0),
        "dropped": result.left_out.get("dropped", 0),
        "labels_read_as": result.labels_read_as,
    }
    if json:
        echo_json(score)
    else:
        for line in score_lines(score):
            echo(line)
    for note in label_notes(result.labels_read_as, result.left_out):
        echo_info(note)
    if result.warning:
        echo_info(result.warning)
    if result.errors is not None:
        echo_info(_("Errors written: {path}").format(path=result.errors))
    if out is not None:
        publication.write(evaluation_document(result, config.data), out, overwrite)
