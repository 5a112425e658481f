"""`history` and `runs`: what was judged, and what was trained."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import emit, narrate, one_line, percent, show, table
from weibo_tui.display_names import display_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import drain
from weibo_tui.text import truncate_cells

if TYPE_CHECKING:
    from weibo_tui.storage.history import Entry

history = typer.Typer(name="history", cls=Group, help=_("The verdicts that were kept."), no_args_is_help=True)
runs = typer.Typer(name="runs", cls=Group, help=_("Trainings, and their journals."), no_args_is_help=True)

Run = Annotated[str, typer.Argument(help=_("Its id, or the beginning of it."))]
# Cells of a post that one line of a list shows.
POST_CELLS = 60


@history.command("list", cls=Command, help=_("Show the newest verdicts."))
def list_history(
    limit: Annotated[int, typer.Option(help=_("How many."), min=1, max=1_000_000)] = 20,
    json: options.Json = False,
) -> None:
    from weibo_tui.storage.history import Analysis
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        entries = wb.history.newest(limit)
        if json:
            for entry in entries:
                kind = "analysis" if isinstance(entry, Analysis) else "file"
                emit({"kind": kind} | _plain(asdict(entry)))
        else:
            table([_("time (UTC)"), _("verdict"), "", _("adapter"), _("post")], map(_listed, entries))


def _listed(entry: Entry) -> list[str]:
    """Return the cells of an entry in the list."""
    from weibo_tui.storage.history import Analysis

    if isinstance(entry, Analysis):
        verdict = [entry.label or _("error"), percent(entry.confidence)]
        post = one_line(entry.text)
    else:
        verdict = [_("file"), ""]
        post = _("{rows} rows of {path}").format(rows=f"{entry.rows:,}", path=entry.path)
    return [entry.created_at[:16].replace("T", " "), *verdict, entry.adapter, truncate_cells(post, POST_CELLS)]


@history.command("export", cls=Command, help=_("Write all verdicts as CSV that opens in a spreadsheet."))
def export_history(
    path: Annotated[Path, typer.Argument(help=_("CSV file to write."))],
    bom: Annotated[
        bool,
        typer.Option("--bom/--no-bom", help=_("Whether it begins with a BOM, which Excel needs; by default it does.")),
    ] = True,
    guard: Annotated[
        bool,
        typer.Option(
            "--guard/--no-guard",
            help=_("Whether ' stands before cells that a spreadsheet would take for a formula; by default it does."),
        ),
    ] = True,
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        written = drain(wb.export_history(path, bom=bom, guard=guard, overwrite=overwrite))
    show(str(path))
    narrate(_("{written} verdicts written.").format(written=f"{written:,}"))


@history.command("clear", cls=Command, help=_("Forget all verdicts."))
def clear_history(
    yes: Annotated[bool, typer.Option("--yes", help=_("Do not ask."))] = False,
) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        question = _("Forget all {number} entries of the history?").format(number=f"{wb.history.count():,}")
        if not yes and not _agreed(question):
            raise UserInputError(_("Nothing was forgotten: answer y, or give --yes."))
        gone = wb.history.clear()
    narrate(_("{gone} entries are forgotten.").format(gone=f"{gone:,}"))


@runs.command("list", cls=Command, help=_("Show all runs, the newest first."))
def list_runs(json: options.Json = False) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        found = wb.runs.list()
    if json:
        for run in found:
            emit(_plain(asdict(run)))
        return
    table(
        [_("run"), _("kind"), _("name"), _("state"), _("step"), _("begun (UTC)")],
        [
            [
                run.id,
                display_name(run.kind),
                run.name,
                display_name(run.state),
                f"{run.step:,}" + (f"/{run.steps:,}" if run.steps else ""),
                run.created_at[:16].replace("T", " "),
            ]
            for run in found
        ],
    )


@runs.command("show", cls=Command, help=_("Show a run: its state and its evaluations."))
def show_run(run: Run, json: options.Json = False) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        found = wb.runs.get(run)
        evaluations = [entry.event for entry in wb.runs.events(found.id) if entry.event["event"] == "Evaluated"]
    if json:
        emit(_plain(asdict(found)) | {"evaluations": evaluations})
        return
    show(
        _("Run {id}: {kind} '{name}', {state}").format(
            id=found.id, kind=display_name(found.kind), name=found.name, state=display_name(found.state)
        )
    )
    show(
        _("Step {step} of {steps}, begun {begun}").format(
            step=f"{found.step:,}", steps=f"{found.steps or 0:,}", begun=found.created_at
        )
    )
    if found.summary and "error" in found.summary:
        show(str(found.summary["error"]))
    for one in evaluations:
        show(
            _("Epoch {epoch}: validation loss {loss}, accuracy {accuracy}, macro F1 {f1}").format(
                epoch=one.get("epoch", "–"),
                loss="–" if (loss := one.get("loss")) is None else f"{loss:.3f}",
                accuracy=percent(one.get("accuracy")),
                f1=percent(one.get("macro_f1")),
            )
        )
    if found.state in ("stopped", "failed", "interrupted"):
        narrate(_("Go on with: weibo-tui train --resume {run}").format(run=found.id))


@runs.command("export", cls=Command, help=_("Write a run's journal as JSON lines, or as CSV."))
def export_run(
    run: Run,
    path: Annotated[Path, typer.Argument(help=_("File to write; a table where it ends in .csv."))],
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        wb.export_run(run, path, overwrite)
    show(str(path))


@runs.command("remove", cls=Command, help=_("Delete a run and its checkpoint; what it made stays."))
def remove_run(run: Annotated[str, typer.Argument(help=_("Its id, in full."))]) -> None:
    from weibo_tui.workbench import Workbench

    with Workbench.open() as wb:
        wb.runs.remove(run)
    narrate(_("Run {run} is removed.").format(run=run))


def _agreed(question: str) -> bool:
    """Ask on stderr; whatever is not a yes, an end of input too, is a no."""
    print(question, "[y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
