"""Parsers of the XML in Excel files, in a stream: the rows of a sheet, and the texts that sheets share."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import IO, Any
from xml.parsers import expat

from weibo_tui.datasets.tables import MAX_COLUMNS, MAX_RECORD, Report
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _

MAX_SHEET_ROWS = 2**20
"""Rows of an Excel sheet, its header too."""

FORMULAS = N_("formulas without a value: {number} (open it in Excel and save it)")
_ERRORS = N_("cells with an error such as #NAME?: {number}")
_FILLED = N_("merged cells filled down: {number}")
_STRAY = N_("cells far right of the table left out: {number}")
_MAX_GAP = 1000  # empty columns between the cells of a table
_BLOCK = 2**16  # bytes
_MAX_MERGE = 200  # bytes of the element of a merge
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"')


class XmlError(ValueError):
    """The XML is not as Excel writes it."""


@dataclass(frozen=True, slots=True)
class Styles:
    """Numbers of the cell styles that show a date or a duration, and the day 0 of dates."""

    dates: Collection[int]
    durations: Collection[int]
    epoch: datetime


WINDOWS_EPOCH = datetime(1899, 12, 30)
MAC_EPOCH = datetime(1904, 1, 1)


@dataclass(frozen=True, slots=True)
class Merge:
    """Cells of a column that are merged. Their value is in the first row."""

    first: int
    last: int
    column: int


def read_elements(stream: IO[bytes], names: Collection[str]) -> list[tuple[str, dict[str, str]]]:
    """Return the names and attributes of the elements with these names, without prefixes."""
    elements = _Elements(names)
    for _block in _parse(stream, elements):
        pass
    return elements.found


def read_styles(stream: IO[bytes]) -> tuple[frozenset[int], frozenset[int]]:
    """Return the numbers of the cell styles that show a date, and of those that show a duration."""
    from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format

    formats = dict(BUILTIN_FORMATS)
    styles: list[str] = []
    for name, values in read_elements(stream, ["numFmt", "cellXfs", "xf"]):
        if name == "numFmt":
            formats[int(values["numFmtId"])] = values.get("formatCode", "")
        elif name == "cellXfs":  # the list of cell styles follows
            styles.clear()
        else:
            styles.append(formats.get(int(values.get("numFmtId", "0")), ""))
    durations = frozenset(number for number, code in enumerate(styles) if is_timedelta_format(code))
    return frozenset(number for number, code in enumerate(styles) if is_date_format(code)) | durations, durations


def read_strings(stream: IO[bytes]) -> list[str]:
    """Return the texts that sheets share."""
    strings = _Strings()
    for _block in _parse(stream, strings):
        pass
    return strings.values


def read_merges(stream: IO[bytes]) -> list[Merge]:
    """Return the vertically merged cells of a sheet by row. They are written after its rows."""
    merges: list[Merge] = []
    tail = b""
    while block := stream.read(_BLOCK):
        text = tail + block
        tail = text[-_MAX_MERGE:]
        if b"mergeCell " not in text:  # faster than the pattern
            continue
        for match in _MERGED.finditer(text):
            tail = text[max(match.end(), len(text) - _MAX_MERGE) :]
            first, last = int(match[2]), int(match[3])
            if first < last:
                merges.append(Merge(first, last, _column(match[1].decode())))
            _check_number(merges)
    return sorted(merges, key=lambda merge: merge.first)


def read_rows(
    stream: IO[bytes], strings: Sequence[str], styles: Styles, merges: Sequence[Merge], report: Report
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each row of a sheet, without empty rows and the empty cells at a row's end."""
    sheet = _Sheet(strings, styles, deque(merges), report)
    for _block in _parse(stream, sheet):
        yield from sheet.rows
        sheet.rows.clear()
        if sheet.empty > MAX_SHEET_ROWS:  # more than a sheet has; nothing follows
            return


class _Texts:
    """Collects the text in the elements `<t>` and `<v>`, without that of phonetic guides."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._size = 0
        self._is_text = False
        self._is_guide = False

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        if name in ("t", "v"):
            self._is_text = not self._is_guide
        elif name == "rPh":
            self._is_guide = True

    def data(self, text: str) -> None:
        if self._is_text:
            self.parts.append(text)
            self._size += len(text)
            if self._size > MAX_RECORD:
                raise XmlError(_("a cell has more than {limit} characters").format(limit=f"{MAX_RECORD:,}"))

    def end(self, name: str) -> None:
        if name in ("t", "v"):
            self._is_text = False
        elif name == "rPh":
            self._is_guide = False

    def take(self) -> str:
        """Return the text, and begin another."""
        text = "".join(self.parts)
        self.parts.clear()
        self._size = 0
        return text


class _Elements(_Texts):
    def __init__(self, names: Collection[str]) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self._names = names

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name in self._names:
            self.found.append((name, {key.rpartition(":")[2]: value for key, value in attributes.items()}))
            _check_number(self.found)


class _Strings(_Texts):
    def __init__(self) -> None:
        super().__init__()
        self.values: list[str] = []

    def end(self, name: str) -> None:
        if name == "si":
            self.values.append(_unescape(self.take()))
        super().end(name)


class _Sheet(_Texts):
    """Collects complete `rows`; `empty` is the number of empty ones since the last."""

    def __init__(self, strings: Sequence[str], styles: Styles, merges: deque[Merge], report: Report) -> None:
        super().__init__()
        self.rows: list[tuple[int, list[str]]] = []
        self.empty = 0
        self._strings = strings
        self._styles = styles
        self._merges = merges
        self._report = report
        self._merged: dict[int, tuple[int, str]] = {}  # last row and value by column
        self._row: list[str] = []
        self._number = self._column = self._width = self._length = 0
        self._type = self._style = ""
        self._is_formula = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            place = attributes.get("r")
            self._column = _column(place.rstrip("0123456789")) if place else self._column + 1
            self._type = attributes.get("t", "n")
            self._style = attributes.get("s", "0")
            self._is_formula = False
        elif name == "f":
            self._is_formula = True
        elif name == "row":
            number = attributes.get("r")
            self._number = int(float(number)) if number else self._number + 1
            self._column = self._length = 0
            self._row = []
        else:
            super().start(name, attributes)

    def end(self, name: str) -> None:
        if name == "c":
            self._end_cell(self.take())
        elif name == "row":
            self._end_row()
        else:
            super().end(name)

    def _end_cell(self, text: str) -> None:
        if self._is_formula and not text and self._type != "str":
            self._report.notes[FORMULAS] += 1
        if not (value := text and self._value(text)):
            return
        width = max(len(self._row), self._width)
        if width and self._column > width + _MAX_GAP:
            self._report.notes[_STRAY] += 1
            return
        self._put(self._column, value)

    def _put(self, column: int, value: str) -> None:
        self._length += len(value)
        if column > MAX_COLUMNS or self._length > MAX_RECORD:
            raise XmlError(_("row {row} is too large").format(row=f"{self._number:,}"))
        self._row += [""] * (column - len(self._row))
        self._row[column - 1] = value

    def _value(self, text: str) -> str:
        """Return a cell as text, as a spreadsheet shows it."""
        kind = self._type
        if kind == "s":
            text = self._strings[int(text)]
        elif kind == "n":
            text = self._number_text(text)
        elif kind == "b":
            text = str(text in ("1", "true"))
        elif kind == "e":
            self._report.notes[_ERRORS] += 1
        elif kind == "d":
            text = text.replace("T", " ").removesuffix("Z")
        else:
            text = _unescape(text)
        return text

    def _number_text(self, text: str) -> str:
        """Return a number without a point if it is whole, or as a date where its style says so."""
        style = int(self._style)
        if style in self._styles.dates:
            return _date(float(text), self._styles.epoch, style in self._styles.durations)
        if text.isdecimal():
            return text
        number = float(text)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else str(number)

    def _end_row(self) -> None:
        row = self._row
        for column, (last, value) in list(self._merged.items()):
            if self._number > last:
                del self._merged[column]
            elif row and (column > len(row) or not row[column - 1]):
                self._put(column, value)
                self._report.notes[_FILLED] += 1
        while self._merges and self._merges[0].first <= self._number:
            merge = self._merges.popleft()
            value = row[merge.column - 1] if merge.column <= len(row) else ""
            if merge.first == self._number and value:
                self._merged[merge.column] = (merge.last, value)
        self.empty = 0 if row else self.empty + 1
        if row:
            self._width = max(self._width, len(row))
            self.rows.append((self._number, row))


def _parse(stream: IO[bytes], handler: _Texts) -> Iterator[None]:
    """Parse XML, and pause after each block. Raise expat.ExpatError where it is damaged."""
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start_root(name: str, attributes: dict[str, str]) -> None:
        parser.StartElementHandler, parser.EndElementHandler = handler.start, handler.end
        if ":" in name:  # some programs write a prefix, as in <x:row>
            parser.StartElementHandler = lambda name, values: handler.start(name.rpartition(":")[2], values)
            parser.EndElementHandler = lambda name: handler.end(name.rpartition(":")[2])
        parser.StartElementHandler(name, attributes)

    parser.StartElementHandler = start_root
    parser.CharacterDataHandler = handler.data
    parser.EntityDeclHandler = _refuse_entities
    while block := stream.read(_BLOCK):
        parser.Parse(block)
        yield
    parser.Parse(b"", True)
    yield


def _check_number(parts: Sequence[Any]) -> None:
    if len(parts) > MAX_SHEET_ROWS:
        raise XmlError(_("it is too large"))


def _refuse_entities(*_declaration: Any) -> None:
    raise XmlError(_("it defines XML entities, which Excel does not write"))


def _unescape(text: str) -> str:
    """Return a text with the characters that XML cannot hold in place of their escapes, such as `_x000D_`."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


@lru_cache(MAX_COLUMNS)
def _column(letters: str) -> int:
    from openpyxl.utils import column_index_from_string

    return column_index_from_string(letters)


def _date(number: float, epoch: datetime, is_duration: bool) -> str:
    from openpyxl.utils.datetime import from_excel

    try:
        return str(from_excel(number, epoch, timedelta=is_duration))
    except (OverflowError, ValueError):
        return "#VALUE!"
