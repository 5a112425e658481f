"""Parsers of text tables: rows of CSV, TSV, plain lines and fastText.

All of them stream. A row that cannot be read is skipped and added to the report of the pass.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from weibo_tui.datasets.containers import DataFile
from weibo_tui.datasets.encodings import Encoding, first_bad_line, undecoded_error
from weibo_tui.datasets.tables import MAX_CELL, MAX_RECORD, Dialect, Form, Layout, Report, Table
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

Cells: TypeAlias = tuple[int, list[Any]]
"""The number of a record's first line (from 1), and its cells."""

NUMBER = re.compile(r"\s*[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?\s*")
ID = re.compile(r"\s*[\w-]*\d[\w-]*\s*", re.ASCII)
URL = re.compile(r"\s*https?://\S*\s*")
DATE = re.compile(r"\s*\d{2,4}[-/年.]\d{1,2}[-/月.]\d{1,4}.*|[\s\d:+.,TZ-]+", re.ASCII | re.DOTALL)
FORMS = (NUMBER, URL, DATE, ID)
"""Forms of cells that are no posts."""

FASTTEXT = re.compile(r"\s*((?:__label__[^\s,]+[\s,]*)+)(.*)", re.DOTALL)
_UNDECODED = re.compile("[\udc80-\udcff]")
_BLOCK = 2**18  # characters that are parsed at once
_MIN_SWALLOWED = 10  # lines


class Lines:
    """Iterator over the lines of a stream. Those of the current `record` can be put back.

    `number` is that of the last line. The lines of one record have at most MAX_RECORD characters.
    """

    def __init__(self, path: Path, stream: io.TextIOBase, encoding: str = "") -> None:
        self._path = path
        self._encoding = encoding
        self._stream = stream
        self._waiting: deque[str] = deque()
        self.number = 0
        self.record: list[str] = []
        self._left = MAX_RECORD

    def begin_record(self) -> None:
        self.record = []
        self._left = MAX_RECORD

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    def skip_undecoded(self, report: Report) -> bool:
        """Add the current record to the bad rows, and return True, where it has bytes that do not decode."""
        if all(map(_is_decoded, self.record)):
            return False
        start = self.number - len(self.record) + 1
        if start == 1:  # which may be the header
            raise undecoded_error(self._path, start, self._encoding)
        reason = _("not {encoding}").format(encoding=self._encoding)
        report.skip(start, reason, _UNDECODED.sub("\ufffd", "".join(self.record)))
        return True

    def put_back(self, lines: list[str]) -> None:
        """Read these lines again."""
        self._waiting.extendleft(reversed(lines))
        self.number -= len(lines)

    def wait(self, lines: list[str]) -> None:
        """Read these lines of a block next."""
        self._waiting.extend(lines)

    def read_block(self, size: int = _BLOCK) -> str:
        """Return the next whole lines of about `size` characters, which do not count as read."""
        block = self._stream.read(size)
        return block + self._stream.readline(MAX_RECORD + 1) if block else ""

    def first(self, size: int) -> Iterator[str]:
        """Yield the lines at the start of the file, about `size` characters."""
        while size > 0 and (block := self.read_block()):
            yield from io.StringIO(block, newline="")
            size -= len(block)

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else self._stream.readline(MAX_RECORD + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._left -= len(line)
        self.record.append(line)
        if self._left < 0:
            if len(self.record) > 1:
                raise csv.Error(_("the row has more than {limit} characters").format(limit=MAX_RECORD))
            message = _("{path}, line {line}: the row has more than {limit} characters. Is it a table of posts?")
            raise UserInputError(message.format(path=self._path, line=self.number, limit=MAX_RECORD))
        return line


def _is_decoded(text: str) -> bool:
    """Return whether all bytes of a text from a file were decoded. Others are surrogates."""
    try:
        text.encode("utf-16-le")  # the fastest codec that refuses them
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def open_lines(
    data: DataFile, encoding: Encoding, newline: Literal[""] | None = "", errors: str | None = None
) -> Iterator[Lines]:
    """Open a file for reading its decoded lines, after its byte order mark.

    `errors` is the error handler (default: that of the encoding). Raise UserInputError where it is strict, and the file
    does not decode.
    """
    try:
        with data.open() as file:
            file.read(len(encoding.mark))
            stream = io.TextIOWrapper(file, encoding.codec, errors or encoding.errors, newline)
            yield Lines(data.path, stream, encoding.name)
    except UnicodeError as error:
        raise undecoded_error(data.path, first_bad_line(data, encoding), encoding.name) from error


def read_cells(table: Table, report: Report) -> Iterator[Cells]:
    """Yield the records of a text table, titles and headers too, without blank lines."""
    with open_lines(table.data, table.encoding) as lines:
        if table.format == "fasttext":
            yield from _read_fasttext(lines, report)
        elif table.format == "lines":
            yield from _read_label_lines(lines, table.layout, report)
        else:
            yield from parse(lines, table.dialect, table.layout, report)


def parse(lines: Lines, dialect: Dialect, layout: Layout, report: Report) -> Iterator[Cells]:
    """Yield the records of delimited text without blank lines. Most are parsed in blocks of whole lines."""
    if not dialect.delimiter:
        for line in lines:
            if not lines.skip_undecoded(report) and (text := line.rstrip("\r\n")):
                yield lines.number, [text]
            lines.begin_record()
        return
    csv.field_size_limit(MAX_CELL)
    is_bars = dialect.delimiter == "|"
    while block := lines.read_block():
        reader = csv.reader(io.StringIO(block, newline=""), strict=True, **_csv_format(dialect))
        try:
            rows = list(reader)
        except csv.Error:
            rows = []
        is_decoded = _is_decoded(block)
        if len(rows) == reader.line_num and is_decoded:
            for row in rows:
                lines.number += 1
                if row and not (is_bars and _is_rule(row)):
                    yield lines.number, row
            continue
        lines.wait(list(io.StringIO(block, newline="")))
        yield from _parse_carefully(lines, dialect, layout, report, is_decoded)


def _is_rule(row: list[str]) -> bool:
    """Return whether a row is the line below the header of a Markdown table."""
    return any(row) and not any(cell.strip("-: ") for cell in row) and "--" in "".join(row)


def _csv_format(dialect: Dialect) -> dict[str, Any]:
    if not dialect.quotes:
        return {"delimiter": dialect.delimiter, "quoting": csv.QUOTE_NONE, "quotechar": None}
    return {"delimiter": dialect.delimiter, "escapechar": dialect.escape}


def _parse_carefully(
    lines: Lines, dialect: Dialect, layout: Layout, report: Report, is_decoded: bool
) -> Iterator[Cells]:
    """Yield the records of the waiting lines, which may be decoded, and of the lines that end the last of them.

    A quoted cell may hold line ends. But where text follows its closing quote, where it does not end, or where each of
    its lines is a row, the quote is a fault: its line is skipped, and reading continues after that line.
    """
    while lines.has_waiting:
        lines.begin_record()
        start = lines.number + 1
        reason = ""
        row: list[str] | None = None
        try:
            row = next(csv.reader(lines, strict=True, **_csv_format(dialect)))
        except csv.Error as error:
            reason = str(error)
        if len(lines.record) > 1 and (row is None or _has_swallowed(lines.record, dialect, layout)):
            lines.put_back(lines.record[1:])
            report.skip(start, _("a quote opens here and does not close in its row"), lines.record[0])
        elif not (is_decoded and lines.has_waiting) and lines.skip_undecoded(report):
            continue
        elif row is None:
            row = _parse_alone(lines.record[0], dialect, layout)
            if row is None:
                report.skip(start, _("a cell cannot be read ({reason})").format(reason=reason), lines.record[0])
            else:
                report.odd += 1
                yield start, row
        elif row and not (dialect.delimiter == "|" and _is_rule(row)):
            if len(lines.record) > 1 and not layout.forms:
                report.join(len(lines.record))
            yield start, row


def _parse_alone(line: str, dialect: Dialect, layout: Layout) -> list[str] | None:
    """Return the cells of a line with text after a closing quote, or None.

    Where the row has its width that way, its quotes are characters."""
    if len(line) > MAX_CELL:
        return None
    plain = line.rstrip("\r\n").split(dialect.delimiter)
    if len(plain) == len(layout.names):
        return plain
    try:
        return next(csv.reader([line], **_csv_format(dialect)), None)
    except csv.Error:
        return None


def _has_swallowed(lines: list[str], dialect: Dialect, layout: Layout) -> bool:
    """Return whether the lines of a record with a line end in a cell are rows by themselves.

    Posts have commas too, so that without a column of one form many lines must have the width of the table.
    """
    first, *inner, last = lines
    inner = [line for line in inner if line.strip()]
    rows = sum(_is_row(line, dialect, layout) for line in inner)
    if not layout.forms:
        return len(layout.names) > 1 and len(inner) >= _MIN_SWALLOWED and rows == len(inner)
    if inner:
        return rows >= 0.8 * len(inner)
    start = last.partition('"')[0]
    return _is_row(start, dialect, layout) or all(_is_row(line, dialect, layout) for line in (first, last))


def _is_row(line: str, dialect: Dialect, layout: Layout) -> bool:
    width = len(layout.names)
    row = _parse_alone(line, dialect, layout) if line.count(dialect.delimiter) >= width - 1 else None
    return row is not None and len(row) == width and all(fits(row[at], form) for at, form in layout.forms)


def fits(cell: str, form: Form) -> bool:
    """Return whether a cell has the form of its column."""
    return cell.strip() in form if isinstance(form, frozenset) else form.fullmatch(cell) is not None


def _read_fasttext(lines: Lines, report: Report) -> Iterator[Cells]:
    for line in lines:
        if lines.skip_undecoded(report):
            pass
        elif match := FASTTEXT.fullmatch(line.rstrip("\r\n")):
            labels = match[1].replace("__label__", " ").replace(",", " ").split()
            yield lines.number, [",".join(labels), match[2]]
        elif line.strip():
            report.skip(lines.number, _("the line does not begin with __label__"), line)
        lines.begin_record()


def _read_label_lines(lines: Lines, layout: Layout, report: Report) -> Iterator[Cells]:
    """Yield the label at the start of each line, up to a blank, and the post after it."""
    ((_at, form),) = layout.forms
    for line in lines:
        words = line.split(maxsplit=1)
        if lines.skip_undecoded(report):
            pass
        elif len(words) == 2 and fits(words[0], form):
            yield lines.number, [words[0], words[1].rstrip("\r\n")]
        elif words:
            report.skip(lines.number, _("the line does not begin with a label"), line)
        lines.begin_record()
