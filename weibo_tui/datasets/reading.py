"""Tables of posts: their format, their encoding, and the columns of the post and the label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isnan
from pathlib import Path
from typing import Any

from weibo_tui.datasets.encodings import Encoding, detect_encoding
from weibo_tui.datasets.labels import normalize_label
from weibo_tui.datasets.parsers import (
    MAX_COLUMNS,
    Format,
    Table,
    open_lines,
    open_parquet,
    read_batches,
    read_cells,
    read_objects,
    to_python,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.progress import Progress
from weibo_tui.text.cleaning import MAX_POST_LENGTH
from weibo_tui.text.spreadsheet import unescape_formula
from weibo_tui.text.terminal import truncate

TEXT_COLUMNS = (
    *("review", "text", "content", "post", "comment", "sentence", "tweet", "weibo", "message"),
    *("微博", "微博正文", "微博内容", "微博中文内容", "正文", "内容", "评论", "评论内容", "文本"),
)
LABEL_COLUMNS = (
    *("label", "labels", "sentiment", "emotion", "class", "category", "polarity", "target"),
    *("标签", "情感", "情感标签", "情感倾向", "情绪", "类别", "分类", "标注"),
)
LABEL_SOURCE = "label_source"
"""The column of an exported history that says whose its `label` is: `human` or `model`."""
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_MAX_OBJECTS_FOR_COLUMNS = 1000  # the columns of a JSONL file are the keys of its first objects
_MAX_COLUMNS_IN_MESSAGE = 20
_STEP = 1000  # rows between two steps of progress


@dataclass(frozen=True, slots=True)
class PostTable:
    """A table of posts that can be read, and its columns."""

    table: Table
    columns: tuple[str, ...]
    text_column: str
    label_column: str | None

    @property
    def path(self) -> Path:
        return self.table.path

    @property
    def format(self) -> Format:
        return self.table.format

    @property
    def encoding(self) -> str:
        return self.table.encoding.name


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its number (from 1, without header and blank lines), its cells as they are, its post and its label.

    `text` has at most MAX_POST_LENGTH characters of the post. `label` is None without a label column, and empty where
    the cell is, or where its label is `predicted` by the model. Both are without the escapes of an exported history.
    """

    number: int
    cells: dict[str, Any]
    text: str
    label: str | None
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """A table as it will be read, and its first rows."""

    source: PostTable
    rows: tuple[TableRow, ...]


def open_table(
    path: Path,
    column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    need_label: bool = False,
) -> PostTable:
    """Return how to read a file.

    Raise UserInputError when it is missing, empty or unreadable, when its encoding is uncertain, and when a column does
    not exist or cannot be recognized by its name.
    """
    try:
        _check_readable(path)
        table = _detect_table(path, encoding)
        columns = _columns(table)
    except PermissionError as error:
        message = _("Cannot read {path}: permission denied.")
        raise UserInputError(message.format(path=path)) from error
    except OSError as error:
        message = _("Cannot read {path} ({reason}). Check the name and its permissions.")
        raise UserInputError(message.format(path=path, reason=error.strerror)) from error
    repeated = next((name for name, number in Counter(columns).items() if number > 1), None)
    if repeated is not None:
        raise _two_columns_error(path, repeated)
    text = _find_column(path, columns, column, TEXT_COLUMNS, "--column")
    if text is None and len(columns) == 1:
        text = columns[0]
    if text is None:
        message = _("{path}: text column not detected. Choose it with --column. Columns: {columns}.")
        raise UserInputError(message.format(path=path, columns=join_names(columns, _MAX_COLUMNS_IN_MESSAGE)))
    label = _find_column(path, columns, label_column, LABEL_COLUMNS, "--label-column")
    if label == text:
        if label_column is not None:
            message = _("{path}: column {name} cannot be both text and label.")
            raise UserInputError(message.format(path=path, name=text))
        label = None
    if label is None and need_label:
        message = _("{path}: label column not detected. Choose it with --label-column. Columns: {columns}.")
        raise UserInputError(message.format(path=path, columns=join_names(columns, _MAX_COLUMNS_IN_MESSAGE)))
    return PostTable(table, columns, text, label)


def read_rows(source: PostTable) -> Iterator[TableRow]:
    """Yield every row of the file in order. Raise UserInputError at the first that cannot be read."""
    # Spreadsheets and their users change case and blanks.
    label_source = next((name for name in source.columns if _fold(name) == LABEL_SOURCE), None)
    has_source = source.label_column is not None and _fold(source.label_column) == "label"
    is_escaped = label_source is not None and source.format in ("csv", "tsv")
    for number, values in enumerate(_values(source), start=1):
        label = None if source.label_column is None else normalize_label(values.get(source.label_column))
        predicted = has_source and _fold(str(values.get(label_source or LABEL_SOURCE))) == "model"
        text = post_text(source, number, values.get(source.text_column))
        if is_escaped:
            text, label = unescape_formula(text), label and unescape_formula(label)
        yield TableRow(number, values, text, "" if predicted else label, predicted)


def _fold(name: str) -> str:
    return name.strip().casefold()


def post_text(source: PostTable, number: int, value: Any) -> str:
    """Return the text of the cell of row `number`, at most MAX_POST_LENGTH characters. Raise UserInputError for no
    text."""
    if isinstance(value, str):
        return value[:MAX_POST_LENGTH]
    if value is None or (isinstance(value, float) and isnan(value)):  # pandas' empty cell
        return ""
    if isinstance(value, (list, dict, bytes)):
        message = _("{path}, row {row}: column {column} contains no text. Choose another column with --column.")
        raise UserInputError(message.format(path=source.path, row=number, column=source.text_column))
    return str(value)


def preview_table(
    path: Path,
    column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    limit: int = 5,
) -> Preview:
    """Return how a file will be read, and its first `limit` rows. Raise the errors of `open_table` and `read_rows`."""
    source = open_table(path, column, label_column, encoding)
    return Preview(source, tuple(islice(read_rows(source), limit)))


def count_rows(source: PostTable) -> Generator[Progress, None, int]:
    """Return the number of rows of `read_rows`."""
    if source.format == "parquet":
        with open_parquet(source.path) as file:
            return int(file.metadata.num_rows)
    done = -1 if source.format != "jsonl" else 0  # a header is no row
    records: Iterable[object] = (read_objects if source.format == "jsonl" else read_cells)(source.table)
    for _record in records:
        done += 1
        if done % _STEP == 0:
            yield Progress("counting", done)
    return done


def _values(source: PostTable) -> Iterator[dict[str, Any]]:
    if source.format == "parquet":
        for batch in read_batches(source.table):
            yield from to_python(source.table, batch)
    elif source.format == "jsonl":
        for _line, values in read_objects(source.table):
            yield values
    else:
        for row in islice(read_cells(source.table), 1, None):
            yield dict(zip(source.columns, row, strict=True))


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise UserInputError(_("{path} is a folder. Give a file.").format(path=path))
    if not path.exists():
        raise UserInputError(_("File not found: {path}. Check the name.").format(path=path))
    if not path.is_file():
        message = _("{path} is not a regular file, but must be read more than once. Save it as a file first.")
        raise UserInputError(message.format(path=path))
    if path.stat().st_size == 0:
        raise UserInputError(_("{path} is empty.").format(path=path))


def _detect_table(path: Path, encoding_name: str | None) -> Table:
    with path.open("rb") as file:
        head = file.read(4)
    format_ = FORMATS.get(path.suffix.lower())
    if format_ == "parquet" or (format_ is None and head == b"PAR1"):
        return Table(path, "parquet", Encoding("utf-8"))
    encoding = detect_encoding(path, encoding_name)
    with open_lines(path, encoding, newline="") as lines:
        first = next(lines, "")
    format_ = format_ or ("jsonl" if first.lstrip().startswith("{") else "csv")
    newline = "\r\n" if first.endswith("\r\n") else "\r" if first.endswith("\r") else "\n"
    return Table(path, format_, encoding, _delimiter(format_, first), newline)


def _delimiter(format_: Format, header: str) -> str:
    if format_ == "tsv":
        return "\t"
    return next((delimiter for delimiter in ",\t;" if delimiter in header), ",")


def _columns(table: Table) -> tuple[str, ...]:
    """Return the names of the columns. Raise UserInputError for a table without rows."""
    if table.format == "parquet":
        with open_parquet(table.path) as file:
            columns = tuple(file.schema_arrow.names)
            empty = file.metadata.num_rows == 0
    elif table.format == "jsonl":
        columns = _keys(table)
        empty = not columns
    else:
        head = list(islice(read_cells(table), 2))
        columns = tuple(head[0]) if head else ()
        empty = len(head) < 2
    if empty:
        message = _("{path} has no rows.")
        raise UserInputError(message.format(path=table.path))
    if len(columns) > MAX_COLUMNS:
        message = _("{path} has more than {limit} columns. Is it a table of posts?")
        raise UserInputError(message.format(path=table.path, limit=MAX_COLUMNS))
    return columns


def _keys(table: Table) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for _line, value in islice(read_objects(table), _MAX_OBJECTS_FOR_COLUMNS):
        keys.update(dict.fromkeys(value))
        if len(keys) > MAX_COLUMNS:
            break
    return tuple(keys)


def _two_columns_error(path: Path, name: str) -> UserInputError:
    message = _("{path} has two columns named {name}. Give each column its own name.")
    return UserInputError(message.format(path=path, name=repr(truncate(name))))


def _find_column(
    path: Path, columns: Sequence[str], requested: str | None, usual: Sequence[str], option: str
) -> str | None:
    """Return the column that the user requested, by default the first with a usual name, or None.

    Case does not matter, unless two columns differ in nothing else.
    """
    if requested is not None and requested in columns:
        return requested
    by_folded_name: dict[str, list[str]] = {}
    for name in columns:
        by_folded_name.setdefault(_fold(name), []).append(name)
    names = usual if requested is None else [_fold(requested)]
    matches = next((by_folded_name[name] for name in names if name in by_folded_name), None)
    if matches is not None:
        if len(matches) > 1:
            raise _two_columns_error(path, matches[1].strip())
        return matches[0]
    if requested is None:
        return None
    message = _("{path} has no column {name}. Choose one with {option}. Columns: {columns}.")
    there = join_names(columns, _MAX_COLUMNS_IN_MESSAGE)
    raise UserInputError(message.format(path=path, name=truncate(requested), option=option, columns=there))
