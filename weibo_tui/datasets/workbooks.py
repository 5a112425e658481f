"""Rows of Excel files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from weibo_tui.datasets.containers import DataFile
from weibo_tui.datasets.parsers import Cells
from weibo_tui.datasets.tables import MAX_COLUMNS, MAX_RECORD, Table
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.text.terminal import truncate

MAX_STRINGS = 2**29
"""Bytes of the texts of a workbook, which openpyxl reads whole."""

_MAX_SHEET = 2**33  # bytes
_MAX_NAMES = 10


def find_sheet(data: DataFile, requested: str | None) -> tuple[str, list[str]]:
    """Return the name of the sheet to read, and of all sheets. Raise UserInputError where it does not exist."""
    with _open(data) as workbook:
        sheets = sorted(workbook.worksheets, key=lambda sheet: sheet.sheet_state != "visible")
        names = [str(sheet.title) for sheet in sheets]
    if not names:
        raise UserInputError(_("{path} has no rows.").format(path=data.path))
    if requested is None or requested in names:
        return requested or names[0], names
    if requested.isdecimal() and 0 < int(requested[:6]) <= len(names):
        return names[int(requested[:6]) - 1], names
    message = _("{path} has no sheet {name}. Choose one with --sheet. Sheets: {names}.")
    in_app = _("{path} has no sheet {name}. Sheets: {names}.")
    raise _sheet_error(message, in_app, data, requested, names)


def empty_sheet_error(data: DataFile, name: str, names: list[str]) -> UserInputError:
    """Return the error for a sheet without rows."""
    message = _("{path}: sheet {name} has no rows. Choose one with --sheet. Sheets: {names}.")
    in_app = _("{path}: sheet {name} has no rows. Sheets: {names}.")
    return _sheet_error(message, in_app, data, name, names)


def _sheet_error(message: str, in_app: str, data: DataFile, name: str, names: list[str]) -> UserInputError:
    values = {"path": data.path, "name": truncate(name), "names": join_names(names, _MAX_NAMES)}
    return UserInputError(message.format(**values), in_app.format(**values))


def read_sheet(table: Table) -> Iterator[Cells]:
    """Yield the number and the cells of each row of a sheet, without empty rows and the empty cells at a row's end."""
    with _open(table.data) as workbook:
        sheet = workbook[table.sheet]
        sheet.reset_dimensions()  # what programs write there may be wrong
        for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
            row = [_plain(value) for value in values]
            while row and row[-1] == "":
                row.pop()
            if sum(map(len, row)) > MAX_RECORD or len(row) > MAX_COLUMNS:
                message = _("{path}, row {row}: the row is too large. Is it a table of posts?")
                raise UserInputError(message.format(path=table.path, row=number))
            if row:
                yield number, row


def _plain(value: Any) -> str:
    """Return a cell as text, as a spreadsheet shows it: whole numbers without a point."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


@contextmanager
def _open(data: DataFile) -> Iterator[Any]:
    """Open a workbook. Raise UserInputError in the block for a damaged one.

    openpyxl raises errors of many types for it.
    """
    import openpyxl

    with data.open_seekable() as file:
        try:
            _check_members(data, file)
            with closing(openpyxl.load_workbook(file, read_only=True, data_only=True)) as workbook:
                yield workbook
        except (GeneratorExit, WeiboTuiError):
            raise
        except Exception as error:
            message = _("Cannot read {path} as Excel ({reason}). Save it again, or export it as CSV.")
            reason = truncate(str(error).partition("\n")[0], 200) or type(error).__name__
            raise UserInputError(message.format(path=data.path, reason=reason)) from error


def _check_members(data: DataFile, file: Any) -> None:
    """Raise UserInputError for a workbook that would fill the memory, or whose XML defines entities."""
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.file_size > (_MAX_SHEET if "/worksheets/" in member.filename else MAX_STRINGS):
                message = _("{path} is too large for an Excel file. Export it as CSV.")
                raise UserInputError(message.format(path=data.path))
            if member.filename.endswith((".xml", ".rels")):
                with archive.open(member) as opened:
                    if b"<!DOCTYPE" in opened.read(1000):
                        message = _("{path} defines XML entities, which Excel does not write. Save it again.")
                        raise UserInputError(message.format(path=data.path))
