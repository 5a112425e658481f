"""`runs`: list, show, pause, stop, resume, export and remove trainings and their journals."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import echo, echo_info, echo_json, echo_table, open_workbench
from weibo_tui.cli.train import follow
from weibo_tui.display_names import display_name
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.run_events import describe_event

runs = typer.Typer(name="runs", cls=Group, help=_("Manage training runs."), no_args_is_help=True)

POLL_SECONDS = 0.2
"""Interval at which the state of a run that stops is read."""

Run = Annotated[str, typer.Argument(help=_("Id, or the start of it."))]


def add_to(app: typer.Typer) -> None:
    app.add_typer(runs)


@runs.command("list", cls=Command, help=_("List all runs, newest first."))
def list_runs(json: options.Json = False) -> None:
    with open_workbench() as workbench:
        all_runs = workbench.runs.list()
    if json:
        for run in all_runs:
            echo_json(asdict(run))
        return
    echo_table(
        [_("run"), _("kind"), _("name"), _("state"), _("step"), _("started (UTC)")],
        [
            [
                run.id,
                display_name(run.kind),
                run.name,
                display_name(run.state),
                f"{run.step:,}" + (f"/{run.steps:,}" if run.steps else ""),
                run.created_at[:16].replace("T", " "),
            ]
            for run in all_runs
        ],
    )


@runs.command("show", cls=Command, help=_("Show a run, its state and its evaluations."))
def show_run(run: Run, json: options.Json = False) -> None:
    with open_workbench() as workbench:
        record = workbench.runs.get(run)
        evaluations = [entry.event for entry in workbench.runs.events(record.id) if entry.event["event"] == "Evaluated"]
    if json:
        echo_json(asdict(record) | {"evaluations": evaluations})
        return
    echo(
        _("Run {id}: {kind} '{name}', {state}").format(
            id=record.id, kind=display_name(record.kind), name=record.name, state=display_name(record.state)
        )
    )
    echo(
        _("Step {step} of {steps}, started {begun}").format(
            step=f"{record.step:,}", steps=f"{record.steps or 0:,}", begun=record.created_at
        )
    )
    if record.summary and "error" in record.summary:
        echo(str(record.summary["error"]))
    for event in evaluations:
        echo(describe_event(event))
    if record.state in ("stopped", "failed", "interrupted"):
        echo_info(_("Resume with: weibo-tui runs resume {run}").format(run=record.id))


@runs.command("pause", cls=Command, help=_("Pause a run, in any program, after its current step."))
def pause_run(run: Run) -> None:
    with open_workbench() as workbench:
        record = workbench.runs.get(run)
        workbench.runs.pause(record.id)
    echo_info(_("Paused. Continue with: weibo-tui runs resume {run}").format(run=record.id))


@runs.command("stop", cls=Command, help=_("Stop a run, in any program, with a checkpoint."))
def stop_run(run: Run) -> None:
    with open_workbench() as workbench:
        record = workbench.runs.get(run)
        workbench.runs.stop(record.id)
        echo_info(_("Waiting for the current step and the checkpoint. Ctrl-C ends only the waiting."))
        while (record := workbench.runs.get(record.id)).is_in_progress:
            time.sleep(POLL_SECONDS)
    if record.state == "finished":
        echo_info(_("The run has finished already."))
    elif record.state != "stopped":
        message = _("Run {run} ended before it stopped ({state}). Its last checkpoint is kept.")
        raise WeiboTuiError(message.format(run=record.id, state=display_name(record.state)))
    else:
        echo_info(_("Stopped with a checkpoint. Resume with: weibo-tui runs resume {run}").format(run=record.id))


@runs.command("resume", cls=Command, help=_("Continue a paused run, or resume a stopped one here."))
def resume_run(run: Run, json: options.Json = False) -> None:
    with open_workbench() as workbench:
        record = workbench.runs.get(run)
        if record.state == "paused":
            workbench.runs.unpause(record.id)
            echo_info(_("Run {run} continues.").format(run=record.id))
        else:
            follow(workbench, workbench.iter_resume(record.id), json)


@runs.command("export", cls=Command, help=_("Export a run's journal as JSON lines or CSV."))
def export_run(
    run: Run,
    path: Annotated[Path, typer.Argument(help=_("File to write; a table if it ends in .csv."))],
    overwrite: options.Overwrite = False,
) -> None:
    with open_workbench() as workbench:
        workbench.export_run(run, path, overwrite)
    echo(str(path))


@runs.command("remove", cls=Command, help=_("Delete a run and its checkpoint. Its adapter or base is kept."))
def remove_run(run: Annotated[str, typer.Argument(help=_("Full id."))]) -> None:
    with open_workbench() as workbench:
        workbench.runs.remove(run)
    echo_info(_("Removed run {run}.").format(run=run))
