"""The columns of the history table, and its entries as lines of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual.content import Content

from weibo_tui.app.formatting import label_content, local_time, safe_line
from weibo_tui.display_names import label_name, source_name
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import confidence
from weibo_tui.storage.entries import SortColumn
from weibo_tui.storage.history import Analysis, Entry, HistoryOrder, LabeledFile
from weibo_tui.text.terminal import sanitize

MATCH_STYLE = "bold underline $warning"
"""The style of search matches; the underline shows without color too."""

_MAX_CHARACTERS = 2000
"""Characters of a post that a row may show."""
_CONTEXT = 6
"""Characters before a match in a row that begins in the middle of its post."""
_MARK = "✓ "
_WIDE = 76
"""Cells from which on there is room for whole dates, the adapter and the source."""

Pattern = re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its title (marked for translation), and the function that shows an entry in a number of
    cells.

    `sort` names its values for `HistoryOrder`; `descending` is the direction that it is sorted in first.
    `wide` and `narrow` are the smallest and the largest width, in tables with and without room for all columns. A
    width of 0 hides the column. `stretch` gives it the cells that the other columns leave.
    """

    title: str
    sort: SortColumn
    cell: Callable[[Entry, int, Pattern], Content]
    wide: tuple[int, int]
    narrow: tuple[int, int] = (0, 0)
    right: bool = False
    stretch: bool = False
    descending: bool = True

    def title_in(self, order: HistoryOrder) -> str:
        """Return the title, with an arrow where the list is sorted by this column."""
        arrow = ("↓" if order.descending else "↑") if order.column == self.sort else ""
        return _(self.title) + arrow

    def next_order(self, order: HistoryOrder) -> HistoryOrder:
        """Return the order for a list that is sorted by this column next; by the same once more is reversed."""
        return order.reversed if order.column == self.sort else HistoryOrder(self.sort, self.descending)

    def fit(self, entries: Sequence[Entry], wide: bool, previous: int) -> int:
        """Return the width for these entries, not below `previous` where the column may be as wide."""
        smallest, largest = self.wide if wide else self.narrow
        if smallest == largest:
            return smallest
        longest = max((self.cell(entry, largest, None).cell_length for entry in entries), default=0)
        return min(max(longest, previous, smallest), largest)

    def draw(self, content: Content, width: int) -> Content:
        """Fit a cell's content into `width` cells."""
        # Textual's own measure: it decides where the next cell begins on the screen.
        cut = content.truncate(width, ellipsis=True, pad=not self.right)
        return cut.pad_left(max(width - cut.cell_length, 0)) if self.right else cut


def _time(entry: Entry, width: int, _pattern: Pattern) -> Content:
    time = local_time(entry.created_at)
    today = f"{datetime.now():%Y-%m-%d}"
    if width < len(today):
        time = time[11:] if time[:10] == today else time[5:10] if time[:4] == today[:4] else time[:4]
    return Content.styled(time, "$text-muted")


def _prediction(entry: Entry, _width: int, _pattern: Pattern) -> Content:
    """Return the predicted label, and after an arrow the one that the user gave instead."""
    if isinstance(entry, LabeledFile):
        return Content.styled("▤ " + _("file"), "$text-muted")
    labels = tuple(entry.probabilities)
    if entry.error is not None:
        predicted = Content.styled("✗ " + _("failed"), "$text-error")
    else:
        predicted = _join_lines(label_content(entry.label, labels, entry.uncertain))
    if entry.corrected is None:
        return predicted
    return Content.assemble(predicted[:1], ("→", "$text-muted"), _join_lines(label_content(entry.corrected, labels)))


def _join_lines(label: Content) -> Content:
    return label if "\n" not in label.plain and "\t" not in label.plain else Content(" ".join(label.plain.split()))


def _confidence(entry: Entry, _width: int, _pattern: Pattern) -> Content:
    if not isinstance(entry, Analysis) or entry.error is not None:
        return Content("")
    return Content(confidence(entry.confidence, entry.uncertain))


def _post(entry: Entry, width: int, pattern: Pattern) -> Content:
    """Return a post with the matches of `pattern` marked, from a place where the first of them is in sight."""
    if isinstance(entry, LabeledFile):
        return _file_summary(entry)
    if pattern is None:
        return safe_line(entry.text[: 4 * width])  # more than has room
    text = safe_line(entry.text[:_MAX_CHARACTERS])
    match = pattern.search(text.plain)
    if match is not None and text[: match.end()].cell_length > width - 1:
        start = max(match.start() - _CONTEXT, 0)
        while start and text[start - 1 :].cell_length < width:  # no room stays empty where the post ends
            start -= 1
        text = Content.assemble("…" if start else "", text[start:])
    return text.highlight_regex(pattern, style=MATCH_STYLE)


def _file_summary(file: LabeledFile) -> Content:
    rows = ngettext("{count:,} post", "{count:,} posts", file.rows).format(count=file.rows)
    parts = [rows, *(f"{label_name(label)} {count:,}" for label, count in file.counts.items())]
    if file.failed:
        parts.append(_("{count:,} failed").format(count=file.failed))
    return safe_line(f"{file.path.name} → {file.out.name} · {' · '.join(parts)}")


def _adapter(entry: Entry, _width: int, _pattern: Pattern) -> Content:
    return safe_line(entry.adapter, "$text-muted")


def _source(entry: Entry, _width: int, _pattern: Pattern) -> Content:
    return safe_line(source_name(entry.source) if isinstance(entry, Analysis) else _("file"), "$text-muted")


COLUMNS = (
    Column(N_("when"), "time", _time, (16, 16), (5, 5)),
    Column(N_("prediction"), "label", _prediction, (11, 24), (11, 14)),
    Column(N_("conf."), "confidence", _confidence, (7, 7), (7, 7), right=True, descending=False),
    Column(N_("post"), "text", _post, (5, 5), (5, 5), stretch=True, descending=False),
    Column(N_("adapter"), "adapter", _adapter, (8, 16)),
    Column(N_("source"), "source", _source, (7, 7)),
)
"""The table's columns, from left to right."""


@dataclass(frozen=True, slots=True)
class RowLayout:
    """The widths of `COLUMNS` in cells, 0 for a hidden one, and the gap between two columns."""

    widths: tuple[int, ...]
    gap: int

    @classmethod
    def fit(cls, width: int, entries: Sequence[Entry], previous: RowLayout | None = None) -> RowLayout:
        """Return the layout of a table of `width` cells that shows `entries`.

        No column is narrower than in `previous`, so that columns do not move from page to page."""
        wide = width >= _WIDE
        gap = 2 if wide else 1
        before = previous.widths if previous is not None else (0,) * len(COLUMNS)
        widths = [column.fit(entries, wide, old) for column, old in zip(COLUMNS, before, strict=True)]
        used = len(_MARK) + sum(widths) + gap * (sum(map(bool, widths)) - 1)
        rest = max(width - used, 0)
        return cls(tuple(size + rest * column.stretch for column, size in zip(COLUMNS, widths, strict=True)), gap)

    def header(self, order: HistoryOrder) -> Content:
        """Return the line of the columns' titles."""
        return self._line("", lambda column, _width: Content(column.title_in(order)))

    def column_at(self, x: int) -> Column | None:
        """Return the column at a cell of the line."""
        end = len(_MARK)
        for column, width in zip(COLUMNS, self.widths, strict=True):
            if width and x < (end := end + width):
                return column
            end += self.gap * bool(width)
        return None

    def row(self, entry: Entry, pattern: Pattern = None, marked: bool = False) -> Content:
        """Return an entry as one line, with the matches of `pattern` in its post marked."""
        return self._line(_MARK if marked else "", lambda column, width: column.cell(entry, width, pattern))

    def _line(self, mark: str, cell: Callable[[Column, int], Content]) -> Content:
        visible_columns = [(column, width) for column, width in zip(COLUMNS, self.widths, strict=True) if width]
        cells = [column.draw(cell(column, width), width) for column, width in visible_columns]
        return Content.assemble((mark.ljust(len(_MARK)), "bold $primary"), Content(" " * self.gap).join(cells))


def search_pattern(text: str) -> Pattern:
    """Return a pattern that finds a search in the text as shown, where any white space may have become a blank."""
    words = sanitize(text).split()
    return re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE) if words else None
