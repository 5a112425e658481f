"""The history table with its details, loaded page by page in the records thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from weibo_tui.app.base import get_app
from weibo_tui.app.history.details import EntryDetails
from weibo_tui.app.history.rows import COLUMNS
from weibo_tui.app.history.window import (
    PAGE,
    HistoryBuffer,
    Key,
    key_of,
    load_around,
    load_first,
    load_last,
    reload,
)
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.columns import Pattern, search_pattern, sorted_title
from weibo_tui.app.widgets.row_browser import RowBrowser, range_text
from weibo_tui.app.widgets.row_table import RowTable
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.storage.history import EVERYTHING, NEWEST_FIRST, Entry, History, HistoryFilter, HistoryOrder, LabeledFile

_PREFETCH = 30
"""Rows beyond the view that are loaded in advance."""
Load = Callable[[History, HistoryFilter, HistoryOrder], HistoryBuffer]


class EntryTable(RowTable[Entry, HistoryOrder]):
    """The table of the history."""

    BINDINGS = bindings("history_table")
    HELP_TEXT = N_(
        "More rows are loaded as you scroll. A click on a heading sorts by it, a second click reverses. "
        "? marks an uncertain prediction; → shows the corrected label. Enter opens a labeled file as a table, i shows "
        "its details."
    )


class HistoryBrowser(RowBrowser[Entry, HistoryOrder, Key]):
    """Shows the entries that match a filter, and the details of the one under the cursor where there is room."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = EVERYTHING
        self.order = NEWEST_FIRST
        self.total: int | None = None
        """The number of entries that match, None before they are counted."""
        self._buffer: HistoryBuffer | None = None
        self._changed: dict[Key, Entry] = {}
        """Entries that were changed since they were loaded. They stay where they are until they are loaded again."""
        self._fetching = False

    def create_table(self) -> EntryTable:
        return EntryTable(COLUMNS, NEWEST_FIRST)

    def create_details(self) -> EntryDetails:
        return EntryDetails()

    def title(self) -> str:
        return _("Predictions")

    def key_of(self, row: Entry) -> Key:
        return key_of(row)

    def pattern(self) -> Pattern:
        return search_pattern(self.filter.text)

    def open_row(self) -> None:
        """Open a labeled file on the files screen, or the details of a post."""
        if isinstance(self.row, LabeledFile):
            get_app(self).run_task(get_app(self).open_file_rows(self.row.out), node=self)
        else:
            self.open_details()

    def on_settings_changed(self) -> None:
        self.show_titles()
        self.refresh_entries()

    @property
    def entries(self) -> list[Entry]:
        """The entries in the table."""
        return self.table.loaded(range(len(self.table.rows)))

    # ---- what to show

    def _set_filter(self, query: HistoryFilter) -> None:
        if query != self.filter:
            self.filter = query
            self.total = None

    def apply_filter(self, query: HistoryFilter) -> None:
        """Show the first entries that match."""
        self._set_filter(query)
        self._run(self._open(load_first, 0))

    def sort(self, order: HistoryOrder) -> None:
        """Show the first entries of this order."""
        self.order = self.table.order = order
        self._run(self._open(load_first, 0))

    def refresh_entries(self) -> None:
        """Reload the entries; the cursor stays on its entry and in its place on the screen."""
        self.refresh_around(self.row)

    def refresh_around(self, entry: Entry | None) -> None:
        """Reload the entries with the cursor on `entry`, which is one of those in memory."""
        if entry is None or self._buffer is None:
            self._run(self._open(load_first, 0))
        else:
            self._run(self._reload(entry))

    def go_to(self, entry: Entry, query: HistoryFilter | None = None) -> None:
        """Show this entry among its neighbors, with another filter where one is given."""
        if query is not None:
            self._set_filter(query)
        self._run(self._open_around(entry))

    def move_to(self, entry: Entry) -> None:
        """Put the cursor on this entry, which is loaded only if it is not in the table."""
        keys = [key_of(other) for other in self.entries]
        if key_of(entry) in keys:
            self.table.go_to(keys.index(key_of(entry)))
        else:
            self.go_to(entry)

    def go_to_first(self) -> None:
        if self._buffer is not None and self._buffer.more_before:
            self._run(self._open(load_first, 0))
        else:
            self.table.go_to(0)

    def go_to_last(self) -> None:
        if self._buffer is not None and self._buffer.more_after:
            self._run(self._open(load_last, PAGE))
        else:
            self.table.go_to(len(self.entries))

    def update_entries(self, entries: Iterable[Entry]) -> None:
        """Show the new state of some entries in their rows, also where they no longer match or belong elsewhere."""
        self._changed |= {key_of(entry): entry for entry in entries}
        if self._buffer is not None:
            before = self.row
            self._load_table(self.table.cursor, self.table.top)
            if self.row != before:  # laying out the details takes longer than everything else here
                self.show_row()

    def neighbor(self, deleted: set[Key]) -> Entry | None:
        """Return the entry for the cursor after a deletion: the next one, otherwise the previous one."""
        entries, cursor = self.entries, self.table.cursor
        candidates = [*entries[cursor:], *reversed(entries[:cursor])]
        return next((entry for entry in candidates if key_of(entry) not in deleted), None)

    # ---- loading

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        get_app(self).run_task(work, "rows", exclusive=True, node=self)

    async def _load(self, load: Load) -> HistoryBuffer:
        query, order, changed = self.filter, self.order, self._changed.copy()
        buffer = await get_app(self).records.call(lambda wb: load(wb.history, query, order))
        self._changed = {key: entry for key, entry in self._changed.items() if changed.get(key) is not entry}
        return buffer

    async def _open(self, load: Load, cursor: int) -> None:
        self._show(await self._load(load), cursor, cursor, reset=True)

    async def _open_around(self, entry: Entry) -> None:
        buffer = await self._load(lambda history, query, order: load_around(history, entry, query, order))
        cursor = buffer.index(key_of(entry)) or 0
        self._show(buffer, cursor, cursor - self.table.page_rows // 2, reset=True)

    async def _reload(self, entry: Entry) -> None:
        assert self._buffer is not None
        table, before = self.table, self.table.cursor
        at_top = table.top == 0 and not self._buffer.more_before
        buffer = await self._load(lambda history, query, order: reload(history, entry, at_top, query, order))
        if table.cursor != before and table.row is not None:
            entry = table.row  # the user moved on while it loaded
        index = buffer.index(key_of(entry))
        cursor = table.cursor if index is None else index
        self._show(buffer, cursor, 0 if at_top and table.top == 0 else cursor - (table.cursor - table.top))

    def _show(self, buffer: HistoryBuffer, cursor: int, top: int, reset: bool = False) -> None:
        if buffer.first is None and not reset and self._buffer is not None:
            buffer.first = self._buffer.first  # until it is counted again
        self._buffer = buffer
        self._show_buffer(cursor, top, reset)
        get_app(self).run_task(self._count(buffer), "count", exclusive=True, node=self)

    async def _count(self, buffer: HistoryBuffer) -> None:
        # Separate from loading, so that the rows need not wait for it.
        query, order, records = self.filter, self.order, get_app(self).records
        self.total = await records.call(lambda wb: wb.history.count(query))
        if buffer is self._buffer and buffer.more_before:
            first = buffer.entries[0]
            before = await records.call(lambda wb: wb.history.count_before(first, query, order))
            if (index := buffer.index(key_of(first))) is not None:
                buffer.first = before - index
        self.show_position()
        self.post_message(self.Changed())

    async def _fetch(self, after: bool) -> None:
        """Load the page beyond one end, unless another is being loaded."""
        if self._fetching:
            return
        self._fetching = True
        try:
            buffer, query, order = self._buffer, self.filter, self.order
            assert buffer is not None
            end = buffer.entries[-1 if after else 0]
            before, after_this = (end, None) if after else (None, end)
            page = await get_app(self).records.call(lambda wb: wb.history.page(PAGE, before, query, after_this, order))
            if buffer is self._buffer:
                moved = buffer.add_after(page) if after else buffer.add_before(page)
                self._show_buffer(self.table.cursor + moved, self.table.top + moved)
        finally:
            self._fetching = False

    def prefetch(self) -> None:
        table, buffer = self.table, self._buffer
        if buffer is None or not buffer.entries:
            return
        if buffer.more_after and table.top + table.page_rows + _PREFETCH > len(buffer.entries):
            get_app(self).run_task(self._fetch(after=True), "rows", node=self)
        elif buffer.more_before and table.top < _PREFETCH:
            get_app(self).run_task(self._fetch(after=False), "rows", node=self)

    # ---- what is seen

    def _show_buffer(self, cursor: int, top: int, reset: bool = False) -> None:
        self._load_table(cursor, top, reset)
        self.show_row()
        self.prefetch()

    def _load_table(self, cursor: int, top: int, reset: bool = False) -> None:
        assert self._buffer is not None
        entries = [self._changed.get(key_of(entry), entry) for entry in self._buffer.entries]
        self.table.load(entries, cursor, top, self.pattern(), not reset)

    def position(self) -> str:
        buffer, table = self._buffer, self.table
        if buffer is None or not buffer.entries:
            return ""
        total = "…" if self.total is None else f"{self.total:,}"
        filtered = self.filter != EVERYTHING
        if buffer.first is None:
            text = (_("of {total} matches") if filtered else _("of {total}")).format(total=total)
        else:
            begin = buffer.first + table.top + 1
            end = min(begin + table.page_rows - 1, buffer.first + len(buffer.entries))
            text = range_text(begin, end, total, filtered)
        if self.order != NEWEST_FIRST:  # a narrow table may not show the column
            text += " · " + sorted_title(COLUMNS, self.order)
        return text
