"""`estimate`: the share of each label in a labeled file, with an interval from human labels of a sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import echo, echo_info, echo_json, echo_table, list_bad_rows, one_line, run_with_progress
from weibo_tui.datasets.tables import Columns
from weibo_tui.display_names import label_name
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import NO_FIGURE, percent, points

if TYPE_CHECKING:
    from weibo_tui.workbench.estimation import Estimate, EstimationResult

_DIFFERENCES = (N_("higher"), N_("lower"))
_TIMES = (N_("day"), N_("week"))

LabeledFile = Annotated[
    Path, typer.Argument(metavar="FILE", help=_("Table with predicted labels, and human ones in some rows."))
]
PredictedColumn = Annotated[
    str | None,
    typer.Option(
        "--predicted-column",
        metavar="NAME",
        rich_help_panel=options.DATA,
        help=_("Column of predicted labels by name or number (default: detected)."),
    ),
]
DateColumn = Annotated[
    str | None,
    typer.Option(
        "--date-column",
        metavar="NAME",
        rich_help_panel=options.DATA,
        help=_("Date column by name or number (default: detected)."),
    ),
]
Collected = Annotated[
    str | None,
    typer.Option(
        "--collected",
        metavar="DATE",
        rich_help_panel=options.DATA,
        help=_("When the posts were collected, for dates like 3小时前 (default: by the posts' ids)."),
    ),
]


def add_to(app: typer.Typer) -> None:
    help_text = _("Estimate the share of each label in a labeled file, with an interval from human labels of a sample.")
    app.command("estimate", cls=Command, help=help_text)(estimate)


@options.with_hyperparameters
def estimate(
    file: LabeledFile,
    label: Annotated[
        str | None, typer.Option("--label", metavar="LABEL", help=_("Label to estimate (default: all)."))
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="day|week|COLUMN", help=_("Estimate each day, week or value of a column too.")),
    ] = None,
    predicted_column: PredictedColumn = None,
    date_column: DateColumn = None,
    collected: Collected = None,
    json: options.Json = False,
    columns: Columns = Columns(),
    bad_rows: options.BadRows = None,
    overwrite: options.Overwrite = False,
    label_map: options.LabelMap = None,
) -> None:
    from weibo_tui.presentation.estimates import estimation_notes
    from weibo_tui.workbench.config import EstimationConfig
    from weibo_tui.workbench.estimation import EstimationResult

    list_bad_rows([file], columns, bad_rows, overwrite)
    config = EstimationConfig(file, label, by, columns, predicted_column, date_column, collected, label_map or ())
    result = run_with_progress(lambda workbench: workbench.iter_estimate(config), EstimationResult)
    say = echo_info if json else echo
    if json:
        for one in result.estimates:
            echo_json(one.to_dict())
    else:
        echo_table(_header(result), (list(_cells(one, result.by)) for one in result.estimates))
        echo()
    for note in estimation_notes(result):
        say(one_line(note))
    for warning in result.warnings:
        echo_info(warning)


def _header(result: EstimationResult) -> list[str]:
    figures = [_("label"), _("share"), _("95% interval"), "±", _("predicted")]
    if result.by is None:
        return figures
    by = _(result.by) if result.by in _TIMES else result.by
    return [by, *figures, _("human labels"), _("rows"), ""]


def _cells(one: Estimate, by: str | None) -> Iterator[str]:
    if by is not None:
        yield _("all") if one.window is None else one.window
    yield label_name(one.label)
    yield percent(one.share)
    yield NO_FIGURE if one.low is None else f"{percent(one.low)} – {percent(one.high)}"
    yield points(one.half_width)
    yield percent(one.uncorrected)
    if by is not None:
        yield f"{one.n:,}"
        yield f"{one.rows:,}"
        yield _(one.differs) if one.differs else ""
