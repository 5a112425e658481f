"""Data files as a form shows them: how each is read, what can be chosen, and which rows are skipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from weibo_tui.app.explanation import named_option, user_message
from weibo_tui.datasets.columns import likely_columns
from weibo_tui.datasets.containers import expand, open_container
from weibo_tui.datasets.detection import detect_table
from weibo_tui.datasets.reading import PostTable, Preview, TableRow, count_rows, open_table, preview_table
from weibo_tui.datasets.tables import Columns, Report
from weibo_tui.datasets.workbooks import find_sheet
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.log import disk_error
from weibo_tui.progress import Progress

ROWS = 5
"""Rows of a file that are shown before a form starts."""


@dataclass(slots=True)
class Reading:
    """A data file as it is read, or the `problem` with it, and the `option` that the problem names.

    `columns` are those of the file, each with an example of its cells, and `sheets` those of a workbook. `likely` are
    those of `likely_columns` where there is a problem. `report` is that of the whole file, once it is read."""

    path: Path
    source: PostTable | None = None
    rows: tuple[TableRow, ...] = ()
    report: Report | None = None
    problem: str = ""
    option: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    likely: tuple[str, str] = ("", "")
    sheets: Sequence[str] = ()


def expand_data(paths: Iterable[Path], columns: Columns) -> tuple[tuple[Path, ...], Columns]:
    """Return the files that are meant, those of folders too, and the options with the label of each file.

    Raise UserInputError for a folder without files."""
    labels = {str(file.absolute()): label for path, label in columns.label_of for file in expand([Path(path)])}
    return tuple(expand(paths)), replace(columns, label_of=tuple(labels.items()))


def read_file(path: Path, columns: Columns, need_label: bool) -> Reading:
    """Return how a file is read, and its first rows. A file that cannot be read has a problem."""
    reading = Reading(path)
    try:
        preview = preview_table(path, _lenient(columns), ROWS)
        _show_preview(reading, preview)
        if need_label and preview.source.label_column is None and preview.source.label is None:
            open_table(path, columns, need_label=True)  # its error names the columns
        if preview.report is not None:
            preview.report.check(path, columns.max_bad_rows)
    except OSError as error:  # the file changed while it was read
        reading.problem = disk_error(error, str(path))
    except WeiboTuiError as error:
        reading.problem, reading.option = user_message(error), named_option(error)
    if reading.option == "label-column":
        reading.problem += " " + _("Or give all posts of the file one label: press Enter on it in the list.")
        if len(reading.columns) == 1:  # nothing to choose from
            reading.option = ""
    with suppress(OSError, WeiboTuiError):  # the problem says it
        if reading.problem:
            sample = detect_table(path, columns)[1]
            reading.columns = {name: _example(cells) for name, cells in sample.items()}
            reading.likely = likely_columns(sample)
    with suppress(OSError, WeiboTuiError):
        if reading.option == "sheet" or (reading.source is not None and reading.source.table.num_sheets > 1):
            reading.sheets = find_sheet(open_container(path), None)[1]
    return reading


def _show_preview(reading: Reading, preview: Preview) -> None:
    reading.source, reading.rows, reading.report = preview.source, preview.rows, preview.report
    names = preview.source.columns
    reading.columns = {name: _example(row.cells.get(name) for row in preview.rows) for name in names}


def _example(cells: Iterable[Any]) -> str:
    return next((str(cell) for cell in cells if cell is not None and str(cell).strip()), "")


def iter_report(reading: Reading, columns: Columns) -> Iterator[Progress]:
    """Read a file to its end for its report. Raise UserInputError where it cannot be read, or too little of it."""
    if reading.source is None or reading.report is not None:
        return
    report = Report()
    yield from count_rows(open_table(reading.path, _lenient(columns)), report)
    reading.report = report
    report.check(reading.path, columns.max_bad_rows)


def _lenient(columns: Columns) -> Columns:
    """Return options by which all rows may be bad, so that the others are shown too."""
    return replace(columns, max_bad_rows=1.0)
