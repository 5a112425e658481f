"""The lines of a preview: how files are read, their first rows, and the rows that are skipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from textual.content import Content

from weibo_tui.app.formatting import safe_line
from weibo_tui.app.forms.readings import ROWS, Reading
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.text.terminal import sanitize, truncate, truncate_cells, wrap_cells

_MAX_FILES = 8
_MAX_OTHERS = 8  # columns that are named
_MAX_NAME = 16  # cells
_MAX_PROBLEM = 400  # characters
_MAX_BAD_ROWS = 3
_LABEL_CELLS = 10


def source_lines(readings: Sequence[Reading], width: int) -> Iterator[Content]:
    """Yield how each file is read, and what is wrong with it. Files with problems come first if there are many."""
    shown = sorted(readings, key=lambda reading: not reading.problem) if len(readings) > _MAX_FILES else readings
    for reading in shown[:_MAX_FILES]:
        if reading.source is not None:
            yield from _wrapped(_source_text(reading), width)
        if reading.problem:
            yield from _wrapped(truncate(reading.problem, _MAX_PROBLEM), width, "$text-error")
    if len(shown) > _MAX_FILES:
        more = len(shown) - _MAX_FILES
        yield from _wrapped(
            ngettext("and {number:,} more file", "and {number:,} more files", more).format(number=more), width
        )


def _source_text(reading: Reading) -> str:
    source = reading.source
    assert source is not None
    text = source.summary(reading.report)
    others = [column for column in source.columns if column not in (source.text_column, source.label_column)]
    if others:
        named = [truncate_cells(_one_line(column), _MAX_NAME) for column in others[:_MAX_OTHERS]]
        more = [f"… ({len(others)})"] if len(others) > _MAX_OTHERS else []
        text += _("; also {columns}").format(columns=join_list([*named, *more]))
    return text


def row_lines(readings: Sequence[Reading], width: int) -> Iterator[Content]:
    """Yield the first rows, each after its label: several of one file, or two each of several."""
    rows = [row for reading in readings[:ROWS] for row in reading.rows[: ROWS if len(readings) == 1 else 2]]
    labels = [truncate_cells(_one_line(row.label or "–"), _LABEL_CELLS) for row in rows]
    first = max(map(cell_len, labels), default=0) + 2
    for row, label in zip(rows, labels, strict=True):
        post = truncate_cells(_one_line(row.text), max(1, width - first))
        yield Content.assemble(safe_line(label, "$text-muted"), " " * (first - cell_len(label)), safe_line(post))


def bad_row_lines(readings: Sequence[Reading], width: int) -> Iterator[Content]:
    """Yield how many rows are skipped, and why the first of them are."""
    skipped = [(reading, row) for reading in readings if reading.report is not None for row in reading.report.bad]
    total = sum(reading.report.num_bad for reading in readings if reading.report is not None)
    if not skipped:
        return
    yield from _wrapped(
        ngettext("{number:,} row is skipped:", "{number:,} rows are skipped:", total).format(number=total), width
    )
    for reading, row in skipped[:_MAX_BAD_ROWS]:
        message = _("line {line}: {reason}") if len(readings) == 1 else _("{file}, line {line}: {reason}")
        text = message.format(file=reading.path.name, line=f"{row.line:,}", reason=row.reason)
        yield safe_line(truncate_cells(_one_line(text), width), "$text-warning")
        yield safe_line("  " + truncate_cells(_one_line(row.content), max(1, width - 2)), "$text-muted")


def _wrapped(text: str, width: int, style: str = "") -> Iterator[Content]:
    for line in wrap_cells(_one_line(text), width):
        yield safe_line(line, style)


def _one_line(text: str) -> str:
    return " ".join(sanitize(text).split())
