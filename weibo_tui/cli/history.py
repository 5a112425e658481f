"""`history`: list, export and clear the recorded predictions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import confirm, echo, echo_info, echo_json, echo_table, one_line, open_workbench
from weibo_tui.display_names import label_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import confidence
from weibo_tui.progress import drain
from weibo_tui.text.terminal import truncate_cells

if TYPE_CHECKING:
    from weibo_tui.storage.history import Entry

history = typer.Typer(name="history", cls=Group, help=_("Manage the history of predictions."), no_args_is_help=True)

POST_CELLS = 60
"""Cells of a post in the list."""


def add_to(app: typer.Typer) -> None:
    app.add_typer(history)


@history.command("list", cls=Command, help=_("List the newest predictions."))
def list_history(
    limit: Annotated[int, typer.Option(help=_("Number of entries."), min=1, max=1_000_000)] = 20,
    json: options.Json = False,
) -> None:
    from weibo_tui.storage.history import Analysis

    with open_workbench() as workbench:
        entries = workbench.history.newest(limit)
        if json:
            for entry in entries:
                kind = "analysis" if isinstance(entry, Analysis) else "file"
                echo_json({"kind": kind} | asdict(entry))
        else:
            echo_table([_("time (UTC)"), _("prediction"), "", _("adapter"), _("post")], map(_cells, entries))


def _cells(entry: Entry) -> list[str]:
    """Return the cells of an entry in the list."""
    from weibo_tui.storage.history import Analysis

    if isinstance(entry, Analysis):
        prediction = [label_name(entry.label) or _("error"), confidence(entry.confidence, entry.uncertain)]
        post = one_line(entry.text)
    else:
        prediction = [_("file"), ""]
        post = _("{rows} rows of {path}").format(rows=f"{entry.rows:,}", path=entry.path)
    return [entry.created_at[:16].replace("T", " "), *prediction, entry.adapter, truncate_cells(post, POST_CELLS)]


@history.command("export", cls=Command, help=_("Export the history as CSV for a spreadsheet."))
def export_history(
    path: Annotated[Path, typer.Argument(help=_("CSV file to write."))],
    readable: Annotated[
        bool,
        typer.Option(
            "--readable/--full",
            help=_("Columns to read: local time, rounded confidence, a column for each label (default: full)."),
        ),
    ] = False,
    bom: Annotated[
        bool,
        typer.Option("--bom/--no-bom", help=_("Start the file with a BOM, which Excel needs (default: yes).")),
    ] = True,
    guard: Annotated[
        bool,
        typer.Option(
            "--guard/--no-guard",
            "--escape-formulas/--no-escape-formulas",
            help=_("Put ' before cells that a spreadsheet would read as a formula (default: yes)."),
        ),
    ] = True,
    overwrite: options.Overwrite = False,
) -> None:
    with open_workbench() as workbench:
        export = workbench.iter_export_history(path, bom=bom, guard=guard, overwrite=overwrite, readable=readable)
        written = drain(export)
    echo(str(path))
    echo_info(_("{written} predictions written.").format(written=f"{written:,}"))


@history.command("clear", cls=Command, help=_("Delete all history entries."))
def clear_history(yes: Annotated[bool, typer.Option("--yes", help=_("Do not ask for confirmation."))] = False) -> None:
    with open_workbench() as workbench:
        question = _("Delete all {number} history entries?").format(number=f"{workbench.history.count():,}")
        if not yes and not confirm(question):
            raise UserInputError(_("Nothing was deleted. Answer y, or use --yes."))
        cleared = workbench.history.clear()
    echo_info(_("Deleted {gone} history entries.").format(gone=f"{cleared:,}"))
