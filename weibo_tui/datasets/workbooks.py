"""Rows of Excel files."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TypeVar

from weibo_tui.datasets.containers import DataFile
from weibo_tui.datasets.parsers import Cells
from weibo_tui.datasets.sheet_xml import (
    MAC_EPOCH,
    WINDOWS_EPOCH,
    Styles,
    read_elements,
    read_merges,
    read_rows,
    read_strings,
    read_styles,
)
from weibo_tui.datasets.tables import Report, Table
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.text.terminal import truncate

MAX_STRINGS = 2**29
"""Bytes of the texts that the sheets of a workbook share, which are read whole."""

_MAX_SHEET = 2**33  # bytes
_MAX_NAMES = 10

T = TypeVar("T")


def find_sheet(data: DataFile, requested: str | None) -> tuple[str, list[str]]:
    """Return the name of the sheet to read, and of all sheets. Raise UserInputError where it does not exist."""
    with _open(data) as workbook:
        names = list(workbook.sheets)
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


def read_sheet(table: Table, report: Report) -> Iterator[Cells]:
    """Yield the number and the cells of each row of a sheet, without empty rows and the empty cells at a row's end.

    Cells below the first of a merged column have its value.
    """
    with _open(table.data) as workbook:
        strings = workbook.read(workbook.strings, read_strings) or []
        dates, durations = workbook.read(workbook.styles, read_styles) or ((), ())
        member = workbook.sheets[table.sheet]
        merges = workbook.read(member, read_merges) or []
        with workbook.archive.open(member) as stream:
            yield from read_rows(stream, strings, Styles(dates, durations, workbook.epoch), merges, report)


@dataclass(frozen=True, slots=True)
class _Workbook:
    """An open workbook: the files of its `sheets` by name, visible ones first, and of its styles and shared texts."""

    archive: zipfile.ZipFile
    sheets: dict[str, str]
    styles: str
    strings: str
    epoch: datetime

    def read(self, member: str, parse: Callable[[IO[bytes]], T]) -> T | None:
        """Return what `parse` gives for a file, None without a name."""
        if not member:
            return None
        with self.archive.open(member) as stream:
            return parse(stream)


@contextmanager
def _open(data: DataFile) -> Iterator[_Workbook]:
    """Open a workbook. Raise UserInputError in the block for a damaged one."""
    with data.open_seekable() as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_size(data, archive)
                yield _workbook(archive)
        except WeiboTuiError:
            raise
        except Exception as error:  # of many types
            message = _("Cannot read {path} as Excel ({reason}). Save it again, or export it as CSV.")
            reason = truncate(str(error).partition("\n")[0], 200) or type(error).__name__
            raise UserInputError(message.format(path=data.path, reason=reason)) from error


def _workbook(archive: zipfile.ZipFile) -> _Workbook:
    members = set(archive.namelist())
    parts: dict[str, str] = {}  # by their ids
    special = {"styles": "", "sharedStrings": ""}
    with archive.open("xl/_rels/workbook.xml.rels") as stream:
        for _name, values in read_elements(stream, ["Relationship"]):
            member = posixpath.normpath(posixpath.join("/xl", values["Target"])).lstrip("/")
            kind = values["Type"].rpartition("/")[2]
            if member in members and kind in special:
                special[kind] = member
            elif member in members and kind == "worksheet":  # others are charts and dialogs
                parts[values["Id"]] = member
    with archive.open("xl/workbook.xml") as stream:
        elements = read_elements(stream, ["sheet", "workbookPr"])
    is_1904 = any(values.get("date1904") in ("1", "true") for name, values in elements if name == "workbookPr")
    sheets = [values for name, values in elements if name == "sheet" and values.get("id") in parts]
    sheets.sort(key=lambda values: values.get("state", "visible") != "visible")
    by_name = {values["name"]: parts[values["id"]] for values in sheets}
    epoch = MAC_EPOCH if is_1904 else WINDOWS_EPOCH
    return _Workbook(archive, by_name, special["styles"], special["sharedStrings"], epoch)


def _check_size(data: DataFile, archive: zipfile.ZipFile) -> None:
    """Raise UserInputError for a workbook that would fill the memory."""
    for member in archive.infolist():
        if member.file_size > (_MAX_SHEET if "/worksheets/" in member.filename else MAX_STRINGS):
            message = _("{path} is too large for an Excel file. Export it as CSV.")
            raise UserInputError(message.format(path=data.path))
