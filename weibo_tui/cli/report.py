"""`report`: a page about a labeled file, with its numbers as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli import options
from weibo_tui.cli.estimate import Collected, DateColumn, LabeledFile, PredictedColumn
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import echo, echo_info, list_bad_rows, run_with_progress
from weibo_tui.datasets.tables import Columns
from weibo_tui.locale import gettext as _

if TYPE_CHECKING:
    from weibo_tui.workbench.workbench import Workbench


def add_to(app: typer.Typer) -> None:
    help_text = _("Write a report of a labeled file: one HTML file, and its numbers as CSV.")
    app.command("report", cls=Command, help=help_text)(report)


@options.with_hyperparameters
def report(
    file: LabeledFile,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help=_("HTML file. The numbers are written next to it as CSV."))
    ] = Path("report.html"),
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="LABEL", help=_("Label of the timeline (default: positive, or all).")),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="day|week", help=_("Windows of the timeline (default: by the number of days).")),
    ] = None,
    text_column: Annotated[
        str | None,
        typer.Option(
            "--column",
            "--text-column",
            metavar="NAME",
            rich_help_panel=options.DATA,
            help=_("Text column by name or number (default: detected)."),
        ),
    ] = None,
    predicted_column: PredictedColumn = None,
    date_column: DateColumn = None,
    collected: Collected = None,
    columns: Columns = Columns(),
    bad_rows: options.BadRows = None,
    overwrite: options.Overwrite = False,
    label_map: options.LabelMap = None,
) -> None:
    from weibo_tui.presentation.report.page import check_outputs, numbers_path, write_report
    from weibo_tui.workbench.config import EstimationConfig
    from weibo_tui.workbench.report import Report

    list_bad_rows([file], columns, bad_rows, overwrite)
    columns = replace(columns, text=text_column)
    config = EstimationConfig(file, label, by, columns, predicted_column, date_column, collected, label_map or ())
    outputs = out, numbers_path(out)

    def events(workbench: Workbench) -> Iterator[object]:
        check_outputs(out, file, overwrite)
        for path in outputs:
            workbench.check_output(path, overwrite)
        yield from workbench.iter_report(config)

    result = run_with_progress(events, Report)
    write_report(result, out, overwrite)
    for warning in result.estimation.warnings:
        echo_info(warning)
    for path in outputs:
        echo(str(path))
