"""`files`: list, show, export and remove labeled files, whose rows are kept so that filters and orders are quick."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weibo_tui.cli import options
from weibo_tui.cli.estimate import Collected, DateColumn, PredictedColumn
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import (
    confirm,
    echo,
    echo_info,
    echo_json,
    echo_table,
    one_line,
    open_workbench,
    progress_bars,
    run_with_progress,
)
from weibo_tui.datasets.labeled_rows import FileOptions
from weibo_tui.datasets.tables import Columns
from weibo_tui.display_names import display_name, label_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.numbers import confidence
from weibo_tui.progress import Progress
from weibo_tui.storage.row_filters import CANNOT_TELL_LABEL, RowFilter, RowOrder
from weibo_tui.text.dates import parse_date
from weibo_tui.text.terminal import truncate_cells

if TYPE_CHECKING:
    from datetime import date

    from weibo_tui.workbench.file_caches import ListedFile
    from weibo_tui.workbench.opened_file import FileRow, OpenedFile
    from weibo_tui.workbench.workbench import Workbench

files = typer.Typer(
    name="files",
    cls=Group,
    help=_("List, show and export labeled files with their human labels."),
    no_args_is_help=True,
)

POST_CELLS = 60
"""Cells of a post in the table."""
_PAGE = 500  # rows that are read at once
_FINGERPRINT = 12  # characters that are shown
_ROWS = _("Rows")
_CANNOT_TELL = "cannot tell"

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help=_("Labeled file or folder of Parquet files, or the start of its ID in the list.")
    ),
]


def add_to(app: typer.Typer) -> None:
    app.add_typer(files)


def _flag(names: str, help_text: str) -> Any:
    return Annotated[bool | None, typer.Option(names, rich_help_panel=_ROWS, help=help_text, show_default=False)]


def _value(name: str, metavar: str, help_text: str, kind: Any = str | None) -> Any:
    return Annotated[kind, typer.Option(name, metavar=metavar, rich_help_panel=_ROWS, help=help_text)]


_FILTER: dict[str, tuple[Any, Any]] = {
    "search": (_value("--search", "TEXT", _("Posts that contain this, in upper or lower case.")), None),
    "label": (
        _value("--label", "LABEL", _("Rows with this label, the human one or else the predicted one.")),
        None,
    ),
    "uncertain": (_flag("--uncertain/--certain", _("Rows below the confidence threshold, or the others.")), None),
    "answered": (_flag("--answered/--unanswered", _("Rows with a human label, or the others.")), None),
    "disagreeing": (_flag("--disagreeing/--agreeing", _("Rows whose human label differs, or is the same.")), None),
    "flagged": (_flag("--flagged/--unflagged", _("Flagged rows, or the others.")), None),
    "where": (
        _value(
            "--where",
            "COLUMN=TEXT",
            _("Rows whose cell contains this. Give it again for another column."),
            list[str] | None,
        ),
        None,
    ),
    "since": (_value("--since", "DATE", _("First day, as in 2026-01-31.")), None),
    "until": (_value("--until", "DATE", _("Last day.")), None),
    "distinct": (
        Annotated[bool, typer.Option("--distinct", rich_help_panel=_ROWS, help=_("Each text once: its first row."))],
        False,
    ),
    "sort": (
        _value(
            "--sort",
            "COLUMN",
            _("Order: row, label, predicted, human, confidence, date, text, count, or a column (default: row)."),
            str,
        ),
        "row",
    ),
    "descending": (
        Annotated[bool, typer.Option("--descending", rich_help_panel=_ROWS, help=_("Reverse the order."))],
        False,
    ),
}
_READING: dict[str, tuple[Any, Any]] = {
    "predicted": (PredictedColumn, None),
    "date_column": (DateColumn, None),
    "collected": (Collected, None),
}


def _with_rows(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a filter, an order, and for reading a file, for its parameters `rows`, `order` and
    `reading`."""
    signature = inspect.signature(command, eval_str=True)
    kept = [item for item in signature.parameters.values() if item.name not in ("rows", "order", "reading")]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    added = [
        inspect.Parameter(name, kind, default=default, annotation=annotation)
        for name, (annotation, default) in (_FILTER | _READING).items()
    ]
    columns = inspect.Parameter("columns", kind, default=Columns(), annotation=Columns)

    @wraps(command)
    def run(**values: Any) -> None:
        given = {name: values.pop(name) for name in (*_FILTER, *_READING, "columns")}
        reading = FileOptions(
            given["columns"], given["predicted"], given["date_column"], _moment(given["collected"], "--collected")
        )
        order = RowOrder(given["sort"], given["descending"])
        command(**values, rows=_row_filter(given), order=order, reading=reading)

    run.__signature__ = signature.replace(parameters=[*kept, *added, columns])  # type: ignore[attr-defined]
    return options.with_hyperparameters(run)


def _row_filter(given: dict[str, Any]) -> RowFilter:
    pairs = []
    for rule in given["where"] or ():
        column, sign, text = rule.partition("=")
        if not (column and sign and text):
            message = _("--where is {value}. Give a column and a text, as in {example}.")
            raise UserInputError(message.format(value=rule, example="place=北京"))
        pairs.append((column, text))
    label = given["label"]
    return RowFilter(
        text=given["search"] or "",
        label=CANNOT_TELL_LABEL if label == _CANNOT_TELL else label,
        uncertain=given["uncertain"],
        answered=given["answered"],
        disagreeing=given["disagreeing"],
        flagged=given["flagged"],
        since=_day(given["since"], "--since"),
        until=_day(given["until"], "--until"),
        columns=tuple(pairs),
        distinct=given["distinct"],
    )


def _moment(value: str | None, option: str) -> Any:
    if value is None:
        return None
    if (moment := parse_date(value)) is None:
        message = _("{option} is {value} and must be a date such as {example}.")
        raise UserInputError(message.format(option=option, value=value, example="2026-01-31"))
    return moment


def _day(value: str | None, option: str) -> date | None:
    moment = _moment(value, option)
    return None if moment is None else moment.date()


@files.command("list", cls=Command, help=_("List the files that were opened, and the labeled ones in the history."))
def list_files(json: options.Json = False) -> None:
    with open_workbench() as workbench:
        listed = workbench.list_files()
    if json:
        for file in listed:
            echo_json(file.to_dict())
        return
    header = [_("time (UTC)"), _("state"), _("rows"), _("labels"), _("human labels"), _("adapter"), "ID", _("file")]
    echo_table(header, map(_cells, listed))


def _cells(file: ListedFile) -> list[str]:
    counts = ", ".join(f"{label_name(label)} {number:,}" for label, number in file.counts.items() if number)
    return [
        file.time[:16].replace("T", " "),
        display_name(file.state),
        f"{file.rows:,}",
        counts,
        f"{file.answers:,}" if file.answers else "",
        file.adapter,
        file.fingerprint[:_FINGERPRINT],
        str(file.path),
    ]


@files.command("show", cls=Command, help=_("Show the rows of a labeled file by filter and order."))
@_with_rows
def show(
    file: File,
    rows: RowFilter,
    order: RowOrder,
    reading: FileOptions,
    limit: Annotated[int, typer.Option("--limit", help=_("Number of rows."), min=1, max=10_000_000)] = 20,
    json: options.Json = False,
) -> None:
    with open_workbench() as workbench:
        with progress_bars() as bars:
            for step in workbench.iter_open_file(workbench.find_path(file), reading):
                if isinstance(step, Progress):
                    bars.progress(step)
                else:
                    opened = step
        _check_label(opened, rows)
        selection = opened.select(rows, order)
        shown = (
            row
            for start in range(0, min(limit, selection.total), _PAGE)
            for row in opened.rows(selection, start, min(start + _PAGE, limit))
        )
        if json:
            for row in shown:
                echo_json(asdict(replace(row, human=_CANNOT_TELL if row.human == CANNOT_TELL_LABEL else row.human)))
        else:
            header = [_("row"), _("human label"), _("predicted"), "", _("date"), _("post")]
            echo_table(header, map(_row_cells, shown))
        message = _("{number} of {rows} rows.")
        echo_info(message.format(number=f"{selection.total:,}", rows=f"{opened.info.rows:,}"))
        for warning in opened.info.warnings:
            echo_info(one_line(warning))


def _row_cells(row: FileRow) -> list[str]:
    human = _("cannot tell") if row.human == CANNOT_TELL_LABEL else label_name(row.human or "")
    predicted = label_name(row.predicted or "") or row.error or ""
    figures = confidence(row.confidence, uncertain=False) if row.confidence is not None else ""
    post = truncate_cells(one_line(row.text), POST_CELLS)
    return [f"{row.number:,}", human, predicted, figures, row.date or "", post]


def _check_label(file: OpenedFile, rows: RowFilter) -> None:
    """Raise UserInputError for a label that no row has."""
    labels = file.choices().labels
    if rows.label and rows.label not in labels:
        message = _("{path} has no label {label}. Its labels are {labels}.")
        names = ", ".join(_CANNOT_TELL if name == CANNOT_TELL_LABEL else name for name in labels if name)
        label = _CANNOT_TELL if rows.label == CANNOT_TELL_LABEL else rows.label
        raise UserInputError(message.format(path=file.info.path, label=label, labels=names))


@files.command(
    "export",
    cls=Command,
    help=_("Write the rows of a labeled file with their human or predicted labels."),
)
@_with_rows
def export(
    file: File,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help=_("CSV, TSV, JSON lines, Parquet or Excel file to write."))
    ],
    rows: RowFilter,
    order: RowOrder,
    reading: FileOptions,
    overwrite: options.Overwrite = False,
) -> None:
    from weibo_tui.workbench.file_export import ExportedFile

    def start(workbench: Workbench) -> Iterator[object]:
        path = workbench.find_path(file)
        workbench.check_output(out, overwrite, [path])
        opened = yield from workbench.iter_opened(path, reading)
        _check_label(opened, rows)
        yield from workbench.iter_export_file(opened, out, rows, order, overwrite)

    result = run_with_progress(start, ExportedFile)
    echo(str(result.path))
    message = ngettext("{number:,} row written.", "{number:,} rows written.", result.rows)
    echo_info(message.format(number=result.rows))
    if result.note:
        echo_info(one_line(result.note))


@files.command("remove", cls=Command, help=_("Remove what is kept of a labeled file. The file itself stays."))
def remove(
    file: File,
    answers: Annotated[bool, typer.Option("--answers", help=_("Delete the answers to its rows too."))] = False,
    yes: Annotated[bool, typer.Option("--yes", help=_("Do not ask for confirmation."))] = False,
) -> None:
    with open_workbench() as workbench:
        found = workbench.find_file(file)
        number = workbench.count_answers(found)
        question = _("Remove the kept rows of {path}?").format(path=found.path)
        if answers:
            message = ngettext(
                "Remove the kept rows of {path} and {number:,} answer, which cannot be restored?",
                "Remove the kept rows of {path} and {number:,} answers, which cannot be restored?",
                number,
            )
            question = message.format(path=found.path, number=number)
        if not yes and not confirm(one_line(question)):
            raise UserInputError(_("Nothing was deleted. Answer y, or use --yes."))
        workbench.remove_file(found, answers)
    echo_info(_("Removed. The file itself stays, and its entry in the history until 'weibo-tui history clear'."))
    if number and not answers:
        message = ngettext(
            "{number:,} answer stays. Use --answers to delete it too.",
            "{number:,} answers stay. Use --answers to delete them too.",
            number,
        )
        echo_info(message.format(number=number))
