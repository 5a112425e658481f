"""The columns of a file's table, and of the list of files."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from weibo_tui.app.formatting import label_content, local_time, safe_line
from weibo_tui.app.widgets.columns import Column, Pattern, join_lines, post_cell
from weibo_tui.display_names import label_name
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import confidence
from weibo_tui.storage.row_filters import CANNOT_TELL_LABEL, RowOrder
from weibo_tui.workbench.file_caches import ListedFile
from weibo_tui.workbench.opened_file import FileInfo, FileRow

FileColumn = Column[FileRow, RowOrder]

STATES = {
    "ready": N_("ready"),
    "indexing": N_("is being read"),
    "not opened": N_("not opened"),
    "changed": N_("changed since"),
    "removed": N_("removed"),
}
"""The states of files, in words."""

_MAX_CELL = 20
"""Cells of a column of the file that the table shows."""


def file_columns(
    info: FileInfo, others: Sequence[str], uncertain_below: float, counted: bool
) -> tuple[FileColumn, ...]:
    """Return the columns of the table of a file, from left to right.

    `others` names the columns without a role. `counted` shows how often each text is in the file."""
    labels = info.labels

    def is_uncertain(row: FileRow) -> bool:
        return row.confidence is not None and row.confidence < uncertain_below

    def predicted(row: FileRow, _width: int, _pattern: Pattern) -> Content:
        return prediction_content(row, labels, is_uncertain(row))

    def effective(row: FileRow, _width: int, _pattern: Pattern) -> Content:
        model = prediction_content(row, labels, is_uncertain(row))
        if row.human is None:
            return model
        return Content.assemble(model[:1], ("→", "$text-muted"), human_content(row.human, labels))

    def share(row: FileRow, _width: int, _pattern: Pattern) -> Content:
        return Content("" if row.confidence is None else confidence(row.confidence, is_uncertain(row)))

    def human(row: FileRow, _width: int, _pattern: Pattern) -> Content:
        flag = ("⚑ ", "$warning") if row.flagged else ""
        return Content.assemble(flag, human_content(row.human, labels) if row.human is not None else "")

    columns: list[FileColumn] = []
    if "date" in info.roles:
        columns.append(Column(N_("date"), RowOrder("date", True), _date, (10, 10), (10, 10), optional=True))
    if "predicted" in info.roles:
        columns += [
            Column(N_("label"), RowOrder("label"), effective, (0, 0), (11, 14)),
            Column(N_("prediction"), RowOrder("predicted"), predicted, (11, 20)),
            Column(N_("conf."), RowOrder("confidence"), share, (7, 7), (7, 7), right=True),
        ]
    # Without predictions the narrow table has room for it.
    columns.append(Column(N_("human"), RowOrder("human"), human, (11, 20), (0, 0) if columns else (11, 14)))
    columns.append(Column(N_("post"), RowOrder("text"), _post, (5, 5), (5, 5), stretch=True))
    if counted:
        columns.append(Column(N_("count"), RowOrder("count", True), _count, (6, 8), (5, 7), right=True))
    columns += [_other_column(name) for name in sorted(others, key=_is_identifier)]
    return tuple(columns)


def prediction_content(row: FileRow, labels: Sequence[str], uncertain: bool) -> Content:
    """Return the predicted label of a row as one line."""
    if row.predicted is None:
        return Content.styled("✗ " + _("failed"), "$text-error") if row.error else Content("")
    return join_lines(label_content(row.predicted, labels, uncertain))


def human_content(label: str, labels: Sequence[str]) -> Content:
    """Return a human label as one line."""
    if label == CANNOT_TELL_LABEL:
        return Content.styled("– " + _("cannot tell"), "$text-muted")
    return join_lines(label_content(label, labels))


def human_name(label: str | None) -> str:
    """Return a label in words; None and "" are those of rows without any."""
    if label == CANNOT_TELL_LABEL:
        return _("cannot tell")
    return label_name(label) if label else _("without a label")


def _date(row: FileRow, width: int, _pattern: Pattern) -> Content:
    # The day: the details have the time, and the posts need the room.
    return Content.styled((row.date or "")[:width], "$text-muted")


def _post(row: FileRow, width: int, pattern: Pattern) -> Content:
    return post_cell(row.text, width, pattern)


def _count(row: FileRow, _width: int, _pattern: Pattern) -> Content:
    return Content(f"×{row.count:,}")


def _is_identifier(name: str) -> bool:
    """Return True for a column that tells readers nothing, and is the first without room."""
    name = name.lower()
    return name in ("id", "bid", "mid", "mblogid") or name.endswith("_id")


def _other_column(name: str) -> FileColumn:
    def cell(row: FileRow, width: int, _pattern: Pattern) -> Content:
        return safe_line(row.cells.get(name, "")[: 4 * width], "$text-muted")

    smallest = min(safe_line(name).cell_length + 1, _MAX_CELL)  # and the arrow of the order
    return Column(name, RowOrder(name), cell, (smallest, _MAX_CELL), optional=True, verbatim=True)


# ---- the list of files


def _name(file: ListedFile, width: int, _pattern: Pattern) -> Content:
    return safe_line(file.path.name[: 4 * width])


def _state(file: ListedFile, _width: int, _pattern: Pattern) -> Content:
    styles = {"ready": "$text-muted", "indexing": "$primary", "changed": "$text-warning", "removed": "$text-error"}
    return Content.styled(_(STATES[file.state]), styles.get(file.state, "$text-muted"))


def _rows(file: ListedFile, _width: int, _pattern: Pattern) -> Content:
    return Content(f"{file.rows:,}")


def _labels(file: ListedFile, _width: int, _pattern: Pattern) -> Content:
    shares = ((label, count) for label, count in file.counts.items() if count)
    return safe_line(" · ".join(f"{label_name(label)} {count:,}" for label, count in shares), "$text-muted")


def _answers(file: ListedFile, _width: int, _pattern: Pattern) -> Content:
    count = file.answers
    return Content(ngettext("{count:,} human", "{count:,} human", count).format(count=count) if count else "")


def _adapter(file: ListedFile, _width: int, _pattern: Pattern) -> Content:
    return safe_line(file.adapter, "$text-muted")


def _opened(file: ListedFile, width: int, _pattern: Pattern) -> Content:
    time = local_time(file.time)
    return Content.styled(time if width >= len(time) else time[5:10], "$text-muted")


LIST_COLUMNS: tuple[Column[ListedFile, RowOrder], ...] = (
    Column(N_("when"), RowOrder("time"), _opened, (16, 16), (5, 5)),
    Column(N_("file"), RowOrder("name"), _name, (12, 30), (8, 20)),
    Column(N_("rows"), RowOrder("rows"), _rows, (6, 10), (6, 10), right=True),
    Column(N_("labels"), RowOrder("labels"), _labels, (5, 5), stretch=True),
    Column(N_("answers"), RowOrder("answers"), _answers, (8, 12), optional=True),
    Column(N_("adapter"), RowOrder("adapter"), _adapter, (8, 16), optional=True),
    Column(N_("state"), RowOrder("state"), _state, (10, 14), (5, 13)),
)
"""The columns of the list of files. It is in the order of time only."""
LIST_ORDER = RowOrder("time", True)
