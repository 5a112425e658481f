"""Detection of how delimited text is written: delimiter, quotes, header and columns, from the start of a file."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from weibo_tui.datasets.columns import fold, is_known, is_label_column
from weibo_tui.datasets.containers import DataFile
from weibo_tui.datasets.encodings import Encoding
from weibo_tui.datasets.parsers import FASTTEXT, FORMS, ID, NUMBER, Lines, fits, parse
from weibo_tui.datasets.rows import has_content
from weibo_tui.datasets.tables import Dialect, Form, Format, Layout, Report

SAMPLE = 2**18
"""Characters at the start of a file from which its form is detected."""

_DELIMITERS = ",\t;|"
_LINES = 300  # that decide the delimiter
_MAX_TITLES = 5
_MAX_NAME = 30
_SENTENCE = re.compile(r"[，。！？、：；…“”【】\[\]#@!?]|https?:")
_NAME = re.compile(r"[A-Za-z_][\w .-]*")
_SEP = re.compile(r'"?sep=(.)"?\r?\n')
_MIN_FORMED = 5  # rows
_MAX_CLASSES = 8
_MIN_CLASS = 3  # lines of a label
_MIN_OF_ONE = 20  # lines with the same label


@dataclass(frozen=True, slots=True)
class Sample:
    """The start of a file in whole lines."""

    data: DataFile
    encoding: Encoding
    text: str

    def rows(self, dialect: Dialect, layout: Layout) -> tuple[list[list[str]], Report]:
        """Return the records, and the report of what cannot be read."""
        report = Report()
        lines = Lines(self.data.path, io.StringIO(self.text, newline=""), self.encoding.name)
        return [row for _line, row in parse(lines, dialect, layout, report)], report


def detect_dialect(sample: Sample) -> tuple[Format, Dialect]:
    """Return format and dialect of a text."""
    lines = list(islice((line for line in io.StringIO(sample.text, newline="") if line.strip()), _LINES))
    newline = detect_newline(sample.text)
    if lines and sum(FASTTEXT.match(line) is not None for line in lines) > 0.8 * len(lines):
        return "fasttext", Dialect("", newline=newline)
    match = _SEP.match(sample.text)
    delimiter = match[1] if match else _delimiter(lines, sample.data.suffix)
    if not delimiter:
        return "txt", Dialect("", newline=newline)
    doubled = Dialect(delimiter, newline=newline)
    choices = [doubled]
    if '"' in sample.text:
        choices += [Dialect(delimiter, escape="\\", newline=newline)] if '\\"' in sample.text else []
        choices += [Dialect(delimiter, quotes=False, newline=newline)]
    dialect = choices[0] if len(choices) == 1 else min(choices, key=lambda choice: _faults(sample, choice))
    return "tsv" if delimiter == "\t" else "csv", dialect


def find_label_form(lines: Sequence[str]) -> Form | None:
    """Return the form of the labels where almost each line begins with one of a few, and a blank; otherwise None."""
    counts = Counter(words[0] for line in lines if len(words := line.split(maxsplit=1)) == 2)
    labels = frozenset(word for word, number in counts.items() if number >= _MIN_CLASS)
    are_numbers = all(map(NUMBER.fullmatch, labels))
    is_few = 1 < len(labels) <= _MAX_CLASSES and max(map(len, labels)) <= _MAX_NAME
    # A file may be sorted by label.
    is_one = are_numbers and len(labels) == 1 and len(lines) >= _MIN_OF_ONE
    if not (is_few or is_one) or sum(counts[label] for label in labels) < 0.95 * len(lines):
        return None
    return NUMBER if are_numbers else labels


def has_plain_quotes(lines: Iterable[str], delimiter: str, width: int) -> bool:
    """Return whether quotes are characters in these lines.

    A program that quotes also quotes each cell with a quote in it, and doubles that quote.
    """
    characters = quotes = 0
    for line in lines:
        cells = line.rstrip("\r\n").split(delimiter)
        if len(cells) != width:
            quotes += 1
            continue
        for cell in cells:
            is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")
            quotes += is_quoted
            characters += '"' in cell and not is_quoted
    return characters > quotes


def detect_newline(sample: str) -> str:
    """Return the end of the first line."""
    first = next(io.StringIO(sample, newline=""), "")
    return "\r\n" if first.endswith("\r\n") else "\r" if first.endswith("\r") else "\n"


def _delimiter(lines: Sequence[str], suffix: str) -> str:
    """Return the delimiter, empty where each line is a post."""
    is_table = suffix in (".csv", ".tsv", ".tab")
    scores = {delimiter: _regularity(lines, delimiter) for delimiter in _DELIMITERS}
    best = max(scores, key=lambda delimiter: (scores[delimiter][0], -_DELIMITERS.index(delimiter)))
    share, has_columns = scores[best]
    if is_table:
        if share >= 0.5:
            return best
        # Posts in a single column, of which some have commas and no quotes.
        is_plain = bool(lines) and is_known(lines[0]) and '"' not in "".join(lines) and "," in "".join(lines)
        return "" if is_plain else "\t" if suffix != ".csv" else ","
    return best if share >= 0.9 and (best == "\t" or has_columns) else ""


def _regularity(lines: Sequence[str], delimiter: str) -> tuple[float, bool]:
    """Return the share of records with as many cells as others, and whether some column has a name or one form."""
    best = (0.0, False)
    for options in ({"quotechar": '"'}, {"quotechar": '"', "escapechar": "\\"}, {"quoting": csv.QUOTE_NONE}):
        try:
            rows = [row for row in csv.reader(lines, delimiter=delimiter, **options) if row]
        except csv.Error:
            continue
        header = next((row for row in rows[: _MAX_TITLES + 1] if any(map(is_known, row))), None)
        width = len(header) if header else Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
        widest = width + 1 if header else width
        fitting = [row for row in rows if 1 < len(row) <= widest and (header or len(row) == width)]
        # Rows that were merged by a quote are fewer records than lines.
        share = len(fitting) / max(1, len(rows)) if width > 1 else 0.0
        has_columns = bool(header) or any(_form(column) for column in zip(*fitting, strict=False))
        best = max(best, (share, has_columns))
    return best


def _faults(sample: Sample, dialect: Dialect) -> int:
    """Return the number of rows and cells that do not fit the dialect."""
    layout = detect_layout(sample.rows(dialect, Layout())[0], None)
    rows, report = sample.rows(dialect, layout)
    faults = report.num_bad + report.odd + sum(len(row) != len(layout.names) for row in rows)
    if not dialect.quotes:
        faults += sum(len(cell) > 1 and cell[0] == cell[-1] == '"' for row in rows for cell in row)
    return faults


def detect_layout(rows: Sequence[Sequence[Any]], has_header: bool | None, is_lines: bool = False) -> Layout:
    """Return the layout of a table that begins with these records.

    `has_header` is what the user says, None for unknown. With `is_lines` each record is a line of text, and its first
    one is a header only where it has a usual name.
    """
    if not rows:
        return Layout()
    titles = 0 if has_header is False else _titles(rows)
    first = [str(cell if cell is not None else "").strip() for cell in rows[titles]]
    below = rows[titles + 1 :]
    if has_header is None:
        has_header = any(map(is_known, first)) or (not is_lines and _is_header(first, below))
    if not has_header:
        width = _width(rows[titles:])
        names: list[str] = [str(number) for number in range(1, width + 1)]
        return Layout(tuple(names), (), titles, _forms(rows[titles:], width))
    header = ["" if cell is None else str(cell) for cell in rows[titles]]
    width = _width(below) if below else len(header)
    if width == len(header) + 1 and _are_row_numbers([row[0] for row in below]):
        header = ["", *header]  # R and pandas write them without a name
    while len(header) > 1 and not header[-1].strip() and _is_empty(below, len(header) - 1):
        header.pop()
    taken = {fold(name) for name in header}
    names = []
    for at, name in enumerate(header):
        is_free = name.strip() and name not in names
        names.append(name if is_free else _free_name(f"{name} ({at + 1})" if name.strip() else str(at + 1), taken))
    return Layout(tuple(names), tuple(header), titles, _forms(below, len(names)))


def _titles(rows: Sequence[Sequence[Any]]) -> int:
    """Return the number of records above the header: `sep=`, and lines with one text."""
    start = int(str(next(iter(rows[0]), "")).startswith("sep="))
    width = _width(rows)
    for at, row in enumerate(rows[start : start + _MAX_TITLES + 1], start):
        if any(map(is_known, row)) and all(_filled(title) < _filled(row) for title in rows[start:at]):
            return at
    alone = next((at for at, row in enumerate(rows[start:], start) if _filled(row) > 1 or width == 1), start)
    return alone if alone <= _MAX_TITLES else start


def _filled(row: Sequence[Any]) -> int:
    return sum(map(has_content, row))


def _width(rows: Sequence[Sequence[Any]]) -> int:
    return max(Counter(map(len, rows)).items(), key=lambda item: (item[1], item[0]))[0] if rows else 0


def _is_header(first: Sequence[str], below: Sequence[Sequence[Any]]) -> bool:
    """Return whether a record is a header: its cells differ in form from those below, or are names."""
    if not below:
        return True
    names = [cell for cell in first if cell]
    are_names = all(
        len(name) <= _MAX_NAME and not _SENTENCE.search(name) and not NUMBER.fullmatch(name) for name in names
    )
    if names == list(map(str, range(len(names)))) and any(map(has_content, below[0])) and len(names) > 1:
        return True  # pandas numbers columns without names, from 0
    if not are_names or not names:
        return False
    forms = [(cell, _form([row[at] for row in below if at < len(row)])) for at, cell in enumerate(first)]
    formed = [(cell, form) for cell, form in forms if form]
    if len(formed) > len(names) - len(set(names)):  # some programs repeat a name
        return all(cell == "" or not fits(cell, form) for cell, form in formed)
    if len(set(names)) < len(names) or any(_is_partly_equal(first, row) for row in below):
        return False
    return len(first) > 1 or _NAME.fullmatch(first[0]) is not None


def _is_partly_equal(first: Sequence[str], row: Sequence[Any]) -> bool:
    """Return whether a row has a cell of the first one, such as its label, but is not the same."""
    same = [cell == str(other).strip() for cell, other in zip(first, row, strict=False) if cell]
    return any(same) and not all(same)


def _form(values: Sequence[Any]) -> Form | None:
    """Return the form of the cells of a column, None for any text."""
    present = [text for value in values if value is not None and (text := str(value).strip())]
    if form := next((form for form in FORMS if present and all(map(form.fullmatch, present))), None):
        return form if form is not ID or len(present) >= _MIN_FORMED else None
    return frozenset(present) if len(present) >= _MIN_FORMED and is_label_column(present) else None


def _forms(rows: Sequence[Sequence[Any]], width: int) -> tuple[tuple[int, Form], ...]:
    forms = ((at, _form([row[at] for row in rows if len(row) == width])) for at in range(width))
    return tuple((at, form) for at, form in forms if form)


def _are_row_numbers(values: Sequence[Any]) -> bool:
    return len(values) > 1 and len(set(values)) == len(values) and all(str(value).isdecimal() for value in values)


def _is_empty(rows: Sequence[Sequence[Any]], at: int) -> bool:
    return not any(at < len(row) and has_content(row[at]) for row in rows)


def _free_name(name: str, taken: set[str]) -> str:
    """Return a name for a column without one of its own, and add it to those that are taken."""
    while fold(name) in taken:
        name += "_"
    taken.add(fold(name))
    return name
