"""The rows of a table from its records: headers, totals and notes are left out, and short rows are filled up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from weibo_tui.datasets.parsers import FORMS, NUMBER, Cells
from weibo_tui.datasets.tables import Dialect, Report, Table
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

_NOTE = re.compile(
    r"\W*(?:数据来源|资料来源|来源|备注|附注|注|说明|共计?|总计|合计|制表|导出时间|统计时间|以上|source|notes?|total)"
    r"(?:\s*[:：=]|\s*\d|\W*$|数据|内容).*",
    re.IGNORECASE | re.DOTALL,
)
_MAX_NOTES = 5
_TOTALS = ("合计", "总计", "小计", "共计", "total", "sum")


def arrange(
    records: Iterator[Cells], table: Table, report: Report, needed: int = 0, text: int | None = None
) -> Iterator[Cells]:
    """Yield the rows below the header, each with a cell for each column.

    A row with fewer than `needed` cells, or with more than the columns, is skipped, and so are a repeated header, a row
    of totals, and notes below the table. `text` is the column of posts, from 0. Raise UserInputError for a second
    header in another order.
    """
    layout = table.layout
    width, header = len(layout.names), [_name(cell) for cell in layout.header]
    special = {*header, *(_TOTALS if header else ())}
    notes = _Notes(width, report, text)
    for line, row in islice(records, layout.titles + bool(header), None):
        if len(row) != width:
            if not any(map(has_content, row)):
                continue
            if reason := _misfit(row, width, needed):
                report.skip(line, reason, _join(row, table.dialect))
                continue
            is_short = len(row) < width and table.format != "xlsx"
            row = [*row[:width], *[""] * (width - len(row))]  # noqa: PLW2901
            if notes.hold(line, row, is_short):
                continue
            report.short += is_short
        elif not (row[0] and row[-1]) and notes.hold(line, row, is_short=False):
            continue
        if notes.rows:
            yield from notes.release()
        if header and _name(row[0]) in special:
            if _is_header_again(table, line, row, header):
                report.repeated += 1
                continue
            if _name(row[0]) in _TOTALS and not any(has_content(cell) and not _is_number(cell) for cell in row[1:]):
                report.skip(line, _("a row of totals"), _join(row, table.dialect))
                continue
        report.rows += 1
        yield line, row
    for line, row, _is_short in notes.rows:
        report.skip(line, _("a note below the table"), _join(row, table.dialect).strip(table.dialect.delimiter or ","))


def _misfit(row: list[Any], width: int, needed: int) -> str:
    """Return the reason to skip a row with another number of cells than the header, empty for none."""
    if any(map(has_content, row[width:])):
        return _("{number} cells, but the table has {expected}").format(number=len(row), expected=width)
    if len(row) < needed:
        message = _("{number} cells, but the post or its label is in cell {needed}")
        return message.format(number=len(row), needed=needed)
    return ""


class _Notes:
    """Rows with text in a single cell. They are notes below the table, unless a row follows.

    Where rows above are so too, in a table of two columns with a second cell, where posts are first and the row has
    all its delimiters, and where the first cell is empty, it may be a post without the other cells, unless it begins as
    notes do.
    """

    def __init__(self, width: int, report: Report, text: int | None) -> None:
        self.rows: list[tuple[int, list[Any], bool]] = []
        self._width = width
        self._report = report
        self._are_usual = False
        self._is_post_first = text == 0

    def hold(self, line: int, row: list[Any], is_short: bool) -> bool:
        """Return whether the row may be a note, and hold it back then."""
        texts = [str(cell) for cell in row if has_content(cell)]
        if self._width == 1 or len(texts) != 1:
            return False
        is_odd = not self._are_usual and self._report.rows > 0
        is_odd = is_odd and (is_short or (self._width > 2 and not self._is_post_first))
        is_odd = is_odd and has_content(row[0]) and not any(form.fullmatch(texts[0]) for form in FORMS)
        if len(self.rows) < _MAX_NOTES and (is_odd or _NOTE.fullmatch(texts[0])):
            self.rows.append((line, row, is_short))
            return True
        self._are_usual = True
        return False

    def release(self) -> Iterator[Cells]:
        """Yield the rows that are no notes."""
        self._are_usual = True
        for line, row, is_short in self.rows:
            self._report.rows += 1
            self._report.short += is_short
            yield line, row
        self.rows.clear()


def _is_header_again(table: Table, line: int, row: list[Any], header: list[str]) -> bool:
    """Return whether the header stands again. Raise UserInputError where its columns are in another order."""
    names = [_name(cell) for cell in row]
    if names != header and sorted(names) == sorted(header):
        message = _("{path}, line {line}: a second header with the columns in another order. Split the file there.")
        raise UserInputError(message.format(path=table.path, line=line))
    return names == header


def _name(cell: object) -> str:
    """Return a cell as it is compared with names. Files that were joined have a byte order mark inside."""
    return str(cell).strip("\ufeff \t:：").casefold()


def _is_number(cell: object) -> bool:
    return NUMBER.fullmatch(str(cell).strip().rstrip("%")) is not None


def has_content(cell: object) -> bool:
    return cell is not None and str(cell).strip() != ""


def _join(row: list[Any], dialect: Dialect) -> str:
    return (dialect.delimiter or ",").join("" if cell is None else str(cell) for cell in row)
