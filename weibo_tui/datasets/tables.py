"""Tables as files have them: format, dialect, layout, and the account of what was read and what was skipped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from weibo_tui.datasets.containers import DataFile
from weibo_tui.datasets.encodings import Encoding
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import truncate

T = TypeVar("T")
Form: TypeAlias = frozenset[str] | re.Pattern[str]
"""The form of the cells of a column: a set of words, or a pattern, such as that of numbers."""

Format = Literal["csv", "tsv", "txt", "lines", "fasttext", "jsonl", "json", "xlsx", "parquet", "feather"]
FORMAT_NAMES: dict[Format, str] = {
    "csv": "CSV",
    "tsv": "TSV",
    "txt": "TXT",
    "lines": "TXT",
    "fasttext": "fastText",
    "jsonl": "JSON Lines",
    "json": "JSON",
    "xlsx": "Excel",
    "parquet": "Parquet",
    "feather": "Arrow",
}

UTF_8 = Encoding("utf-8")
MAX_CELL = 10_000_000  # characters; a larger cell is a quote that was never closed
MAX_RECORD = 16_000_000  # characters of all cells of a row, or of an object
MAX_COLUMNS = 10_000
MAX_CHUNK = 2**22  # characters of the records in a chunk
MAX_BAD_SHARE = 0.05
"""Share of rows that may be skipped, by default."""

_MAX_LISTED = 10_000
_MAX_CONTENT = 1000  # characters


class EmptyTableError(UserInputError):
    """A file has no rows."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Options for reading a table; None is detected.

    `text` and `label` are columns by name or number (from 1), `header` is whether the table has one, and `sheet` is one
    of a workbook (default: the first). `max_bad_rows` is the share of rows that may be skipped. `label_of` has absolute
    paths of files whose posts all have one label, and that label.
    """

    text: str | None = None
    label: str | None = None
    encoding: str | None = None
    header: bool | None = None
    sheet: str | None = None
    max_bad_rows: float = MAX_BAD_SHARE
    label_of: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """The form of delimited text. Without a delimiter, each line is a post; without `quotes`, `"` is a character."""

    delimiter: str = ","
    quotes: bool = True
    escape: str | None = None
    newline: str = "\n"


@dataclass(frozen=True, slots=True)
class Layout:
    """The order of the records: `titles` above the header, the header as written (empty for none), and the names of
    the columns. Cells after the last name are empty.

    `forms` are columns whose cells have one form. A line that was swallowed by an open quote is recognized by them.
    """

    names: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    titles: int = 0
    forms: tuple[tuple[int, Form], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A file of records, and how it is written.

    `parts` are the Parquet files of a folder that is read as one table, and `missing_parts` those that are still to be
    written."""

    data: DataFile
    format: Format
    encoding: Encoding = UTF_8
    dialect: Dialect = Dialect()
    layout: Layout = Layout()
    sheet: str = ""
    num_sheets: int = 1
    parts: tuple[Path, ...] = ()
    missing_parts: int = 0

    @property
    def path(self) -> Path:
        return self.data.path

    @property
    def is_grid(self) -> bool:
        """True where records are rows of cells in the order of the columns."""
        return self.format in ("csv", "tsv", "txt", "lines", "fasttext", "xlsx")

    @property
    def is_named(self) -> bool:
        """True if the columns have names. Others are numbered from 1."""
        has_numbers = self.is_grid or self.layout.names  # a list in JSON has them too
        return not has_numbers or self.format in ("lines", "fasttext") or bool(self.layout.header)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read: the number of its first line, the reason, and its content."""

    line: int
    reason: str
    content: str


@dataclass(slots=True)
class Report:
    """The account of one pass over a table: each record is a row, a bad row, or a repeated header.

    `short` counts rows with fewer cells than the header, which are filled up with empty ones. `bad` lists the first bad
    rows, `num_bad` counts all. `odd` counts lines with text after a closing quote. `joined` counts rows that could be
    several ones: of several lines, `longest` at most, in a table without a column of one form. `notes` are other things
    that the summary says, with their numbers. `keys` are those of the JSON objects that were counted, in order.
    """

    rows: int = 0
    repeated: int = 0
    short: int = 0
    odd: int = 0
    joined: int = 0
    longest: int = 0
    num_bad: int = 0
    bad: list[BadRow] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    keys: dict[str, None] = field(default_factory=dict, compare=False)

    def skip(self, line: int, reason: str, content: str) -> None:
        """Add a bad row."""
        self.num_bad += 1
        if len(self.bad) < _MAX_LISTED:
            self.bad.append(BadRow(line, reason, content[:_MAX_CONTENT].rstrip("\r\n")))

    def join(self, num_lines: int) -> None:
        """Add a row of several lines that no column can check."""
        self.joined += 1
        self.longest = max(self.longest, num_lines)

    def check(self, path: Path, max_share: float) -> None:
        """Raise UserInputError where more than this share of the rows is bad."""
        total = self.rows + self.num_bad
        if self.num_bad <= max_share * total:
            return
        message = _(
            "{path}, line {line}: {reason}. {bad} of {total} rows cannot be read. Correct them, or allow more with "
            "--max-bad-rows."
        )
        if not self.rows:
            message = _("{path}, line {line}: {reason}. {bad} of {total} rows cannot be read. Correct them first.")
        first = self.bad[0]
        values = {"path": path, "line": first.line, "reason": truncate(first.reason, 300)}
        values |= {"bad": f"{self.num_bad:,}", "total": f"{total:,}"}
        raise UserInputError(message.format(**values))


def chunks(records: Iterable[T], rows: int, length: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield lists of `rows` records, or of fewer where their `length` in characters is large."""
    chunk: list[T] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += length(record)
        if len(chunk) == rows or size >= MAX_CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def parse_share(value: str | float) -> float:
    """Return a share that is written as `5%` or `0.05`. Raise UserInputError for other texts."""
    text = str(value).strip()
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UserInputError(_("--max-bad-rows is {value}. Give a share such as 5%.").format(value=text))
    return share
