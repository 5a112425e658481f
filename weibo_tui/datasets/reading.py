"""Opening a table of posts: its format, its encoding, and which columns hold the post and the label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isnan
from pathlib import Path
from typing import Any

from weibo_tui.datasets.encodings import Encoding, find_encoding
from weibo_tui.datasets.labels import raw_label
from weibo_tui.datasets.parsers import (
    MAX_COLUMNS,
    Format,
    Table,
    cells,
    objects,
    open_lines,
    open_parquet,
    parquet_rows,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
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
"""The column of an exported history that says whose the `label` is: `human` or `model`."""
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
_OBJECTS_LOOKED_AT = 1000  # the columns of a JSONL file are the keys of its first objects
_NAMED = 20  # columns that a sentence names
_STEP = 1000  # rows between two steps of progress


@dataclass(frozen=True, slots=True)
class PostTable:
    """A table of posts that can be read: every field of it was found in the file."""

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
    """One row: its number (from 1, header and blank lines not counted), its cells as they are, post, label.

    `text` is the post as far as LONGEST_POST characters: nothing reads the rest. `label` is None where the source has
    no label column, and empty where the cell is, or where its label is `predicted`, by the model. Both are without the
    guard of an exported history.
    """

    number: int
    cells: dict[str, Any]
    text: str
    label: str | None
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """A table before anybody reads it: how it will be read, and its first rows."""

    source: PostTable
    rows: tuple[TableRow, ...]


def open_source(
    path: Path,
    column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    need_label: bool = False,
) -> PostTable:
    """Look into a file and find out how to read it.

    UserInputError when it is missing, empty or unreadable, when its encoding cannot be told, and when a column is
    not there or cannot be told by its name.
    """
    try:
        _check_readable(path)
        table = _table(path, encoding)
        columns = _columns(table)
    except PermissionError as error:
        message = _("{path} cannot be read: you have no permission for it.")
        raise UserInputError(message.format(path=path)) from error
    except OSError as error:
        message = _("{path} cannot be read ({reason}): check the name and its permissions.")
        raise UserInputError(message.format(path=path, reason=error.strerror)) from error
    repeated = next((name for name, number in Counter(columns).items() if number > 1), None)
    if repeated is not None:
        raise _two_columns(path, repeated)
    text = _column(path, columns, column, TEXT_COLUMNS, "--column")
    if text is None and len(columns) == 1:
        text = columns[0]
    if text is None:
        message = _("{path}: which column holds the posts? Say it with --column; there are: {columns}.")
        raise UserInputError(message.format(path=path, columns=_listed(columns)))
    label = _column(path, columns, label_column, LABEL_COLUMNS, "--label-column")
    if label == text:
        if label_column is not None:
            message = _("{path}: the column {name} cannot be both post and label.")
            raise UserInputError(message.format(path=path, name=text))
        label = None
    if label is None and need_label:
        message = _("{path}: which column holds the labels? Say it with --label-column; there are: {columns}.")
        raise UserInputError(message.format(path=path, columns=_listed(columns)))
    return PostTable(table, columns, text, label)


def rows(source: PostTable) -> Iterator[TableRow]:
    """Every row of the file in order. UserInputError at the first that cannot be read."""
    # Spreadsheets and their users change case and blanks.
    origin = next((name for name in source.columns if _folded(name) == LABEL_SOURCE), None)
    is_about_label = source.label_column is not None and _folded(source.label_column) == "label"
    is_guarded = origin is not None and source.format in ("csv", "tsv")
    for number, values in enumerate(_values(source), start=1):
        label = None if source.label_column is None else raw_label(values.get(source.label_column))
        predicted = is_about_label and _folded(str(values.get(origin or LABEL_SOURCE))) == "model"
        text = post_text(source, number, values.get(source.text_column))
        if is_guarded:
            text, label = unescape_formula(text), label and unescape_formula(label)
        yield TableRow(number, values, text, "" if predicted else label, predicted)


def _folded(name: str) -> str:
    return name.strip().casefold()


def post_text(source: PostTable, number: int, value: Any) -> str:
    """Return what the cell of row `number` holds, LONGEST_POST characters at most. UserInputError where it is no
    text."""
    if isinstance(value, str):
        return value[:MAX_POST_LENGTH]
    if value is None or (isinstance(value, float) and isnan(value)):  # pandas' empty cell
        return ""
    if isinstance(value, (list, dict, bytes)):
        message = _("{path}, row {row}: {column} holds no text; choose another column with --column.")
        raise UserInputError(message.format(path=source.path, row=number, column=source.text_column))
    return str(value)


def peek(
    path: Path,
    column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    limit: int = 5,
) -> Preview:
    """Look into a file, as far as its first `limit` rows. UserInputError for whatever `open_source` and `rows`
    refuse."""
    source = open_source(path, column, label_column, encoding)
    return Preview(source, tuple(islice(rows(source), limit)))


def count(source: PostTable) -> Generator[Progress, None, int]:
    """How many rows `rows` will give."""
    if source.format == "parquet":
        with open_parquet(source.path) as file:
            return int(file.metadata.num_rows)
    done = -1 if source.format != "jsonl" else 0  # a header is no row
    records: Iterable[object] = objects(source.table) if source.format == "jsonl" else cells(source.table)
    for _record in records:
        done += 1
        if done % _STEP == 0:
            yield Progress("counting", done)
    return done


def _values(source: PostTable) -> Iterator[dict[str, Any]]:
    if source.format == "parquet":
        yield from parquet_rows(source.table)
    elif source.format == "jsonl":
        for _line, values in objects(source.table):
            yield values
    else:
        for row in islice(cells(source.table), 1, None):
            yield dict(zip(source.columns, row, strict=True))


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise UserInputError(_("{path} is a folder: name a file in it.").format(path=path))
    if not path.exists():
        raise UserInputError(_("There is no file {path}: check the name.").format(path=path))
    if not path.is_file():
        message = _("{path} is not a regular file, and it is read more than once: save it as one first.")
        raise UserInputError(message.format(path=path))
    if path.stat().st_size == 0:
        raise UserInputError(_("{path} is empty: there are no posts in it.").format(path=path))


def _table(path: Path, named: str | None) -> Table:
    with path.open("rb") as file:
        head = file.read(4)
    kind = FORMATS.get(path.suffix.lower())
    if kind == "parquet" or (kind is None and head == b"PAR1"):
        return Table(path, "parquet", Encoding("utf-8"))
    encoding = find_encoding(path, named)
    with open_lines(path, encoding, newline="") as lines:
        first = next(lines, "")
    kind = kind or ("jsonl" if first.lstrip().startswith("{") else "csv")
    newline = "\r\n" if first.endswith("\r\n") else "\r" if first.endswith("\r") else "\n"
    return Table(path, kind, encoding, _delimiter(kind, first), newline)


def _delimiter(kind: Format, header: str) -> str:
    if kind == "tsv":
        return "\t"
    return next((delimiter for delimiter in ",\t;" if delimiter in header), ",")


def _columns(table: Table) -> tuple[str, ...]:
    """The names of the columns, of a table that has at least one row."""
    if table.format == "parquet":
        with open_parquet(table.path) as file:
            columns = tuple(file.schema_arrow.names)
            empty = file.metadata.num_rows == 0
    elif table.format == "jsonl":
        columns = _keys(table)
        empty = not columns
    else:
        beginning = list(islice(cells(table), 2))
        columns = tuple(beginning[0]) if beginning else ()
        empty = len(beginning) < 2
    if empty:
        message = _("{path} has no rows: there are no posts in it.")
        raise UserInputError(message.format(path=table.path))
    if len(columns) > MAX_COLUMNS:
        raise _too_many_columns(table)
    return columns


def _keys(table: Table) -> tuple[str, ...]:
    """The columns of a JSONL file: the keys of its first objects."""
    found: dict[str, None] = {}
    for _line, value in islice(objects(table), _OBJECTS_LOOKED_AT):
        found.update(dict.fromkeys(value))
        if len(found) > MAX_COLUMNS:
            raise _too_many_columns(table)
    return tuple(found)


def _too_many_columns(table: Table) -> UserInputError:
    message = _("{path} has more than {limit} columns: is this a table of posts?")
    return UserInputError(message.format(path=table.path, limit=MAX_COLUMNS))


def _two_columns(path: Path, name: str) -> UserInputError:
    message = _("{path} has two columns named {name}: give each column a name of its own.")
    return UserInputError(message.format(path=path, name=repr(truncate(name))))


def _listed(columns: Sequence[str]) -> str:
    """The names of the columns in a sentence; of very many the first."""
    more = ["…"] if len(columns) > _NAMED else []
    return ", ".join([*map(truncate, columns[:_NAMED]), *more])


def _column(path: Path, columns: Sequence[str], named: str | None, usual: Sequence[str], option: str) -> str | None:
    """The column that the user named, else the first with a usual name, else None; case does not matter, unless two
    are told apart by nothing else."""
    if named is not None and named in columns:
        return named
    known: dict[str, list[str]] = {}
    for name in columns:
        known.setdefault(_folded(name), []).append(name)
    wanted = usual if named is None else [_folded(named)]
    found = next((known[name] for name in wanted if name in known), None)
    if found is not None:
        if len(found) > 1:
            raise _two_columns(path, found[1].strip())
        return found[0]
    if named is None:
        return None
    message = _("{path} has no column {name}: choose one with {option}; there are: {columns}.")
    raise UserInputError(message.format(path=path, name=truncate(named), option=option, columns=_listed(columns)))
