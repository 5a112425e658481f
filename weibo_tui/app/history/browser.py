"""The history table with its details, loaded page by page in the records thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from weibo_tui.app.base import get_app
from weibo_tui.app.history.details import DetailsDialog, EntryDetails
from weibo_tui.app.history.rows import COLUMNS, search_pattern
from weibo_tui.app.history.table import EntryTable
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
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.storage.history import EVERYTHING, NEWEST_FIRST, Entry, History, HistoryFilter, HistoryOrder

_PREFETCH = 30
"""Rows beyond the view that are loaded in advance."""
_MIN_WIDTH, _MIN_HEIGHT = 110, 22
"""Cells from which on the details have room next to the table, or below it."""

Load = Callable[[History, HistoryFilter, HistoryOrder], HistoryBuffer]


class HistoryBrowser(Container):
    """Shows the entries that match a filter, and the details of the one under the cursor where there is room."""

    DEFAULT_CSS = """
    HistoryBrowser {
        height: 1fr;
        & .content { height: 1fr; layout: vertical; }
        & EntryTable { height: 3fr; }
        & EntryDetails { display: none; height: 2fr; }
        & .position { height: 1; padding: 0 1; color: $text-muted; }
        & .range { width: 1fr; }
        & .selection { width: auto; color: $primary; }
        &.-high EntryDetails { display: block; }
        &.-wide {
            & .content { layout: horizontal; }
            & EntryTable { width: 2fr; height: 1fr; }
            & EntryDetails { display: block; width: 1fr; min-width: 46; height: 1fr; }
        }
    }
    """

    class Changed(Message):
        """Other rows are shown, or the cursor is on another one: other keys may work."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = EVERYTHING
        self.order = NEWEST_FIRST
        self.marked: dict[Key, Entry] = {}
        """The marked entries, also those that are not in memory any more."""
        self.total: int | None = None
        """The number of entries that match, None before they are counted."""
        self._buffer: HistoryBuffer | None = None
        self._changed: dict[Key, Entry] = {}
        """Entries that were changed since they were loaded. They stay where they are until they are loaded again."""
        self._fetching = False

    def compose(self) -> ComposeResult:
        with Container(classes="content"):
            yield EntryTable()
            yield EntryDetails()
        with Horizontal(classes="position"):
            yield Static(classes="range")
            yield Static(classes="selection")

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= _MIN_WIDTH, "-wide")
        self.set_class(event.size.height >= _MIN_HEIGHT, "-high")

    def on_mount(self) -> None:
        self._show_titles()

    def on_settings_changed(self) -> None:
        self._show_titles()
        self.refresh_entries()

    def _show_titles(self) -> None:
        panes = {self.table: _("Predictions"), self.query_one(EntryDetails): _("Details")}
        for pane, title in panes.items():
            pane.add_class("pane")
            pane.border_title = title

    @property
    def table(self) -> EntryTable:
        return self.query_one(EntryTable)

    @property
    def entry(self) -> Entry | None:
        """The entry under the cursor."""
        return self.table.entry

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
        self.refresh_around(self.entry)

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
        keys = [key_of(other) for other in self.table.entries]
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
            self.table.go_to(len(self.table.entries))

    def update_entries(self, entries: Iterable[Entry]) -> None:
        """Show the new state of some entries in their rows, also where they no longer match or belong elsewhere."""
        self._changed |= {key_of(entry): entry for entry in entries}
        if self._buffer is not None:
            before = self.entry
            self._load_table(self.table.cursor, self.table.top)
            if self.entry != before:  # laying out the details takes longer than everything else here
                self._show_entry()

    def neighbor(self, deleted: set[Key]) -> Entry | None:
        """Return the entry for the cursor after a deletion: the next one, otherwise the previous one."""
        entries, cursor = self.table.entries, self.table.cursor
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
        self._show(buffer, cursor, cursor - self.table.rows // 2, reset=True)

    async def _reload(self, entry: Entry) -> None:
        assert self._buffer is not None
        table, before = self.table, self.table.cursor
        at_top = table.top == 0 and not self._buffer.more_before
        buffer = await self._load(lambda history, query, order: reload(history, entry, at_top, query, order))
        if table.cursor != before and table.entry is not None:
            entry = table.entry  # the user moved on while it loaded
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
        self._show_position()
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

    def _prefetch(self) -> None:
        table, buffer = self.table, self._buffer
        if buffer is None or not buffer.entries:
            return
        if buffer.more_after and table.top + table.rows + _PREFETCH > len(buffer.entries):
            get_app(self).run_task(self._fetch(after=True), "rows", node=self)
        elif buffer.more_before and table.top < _PREFETCH:
            get_app(self).run_task(self._fetch(after=False), "rows", node=self)

    # ---- what is seen

    def _show_buffer(self, cursor: int, top: int, reset: bool = False) -> None:
        self._load_table(cursor, top, reset)
        self._show_entry()
        self._prefetch()

    def _load_table(self, cursor: int, top: int, reset: bool = False) -> None:
        assert self._buffer is not None
        entries = [self._changed.get(key_of(entry), entry) for entry in self._buffer.entries]
        self.table.load(entries, cursor, top, search_pattern(self.filter.text), not reset)
        self._show_marks()

    def _show_entry(self) -> None:
        details = self.query_one(EntryDetails)
        if details.display:
            details.show(self.entry, search_pattern(self.filter.text))
        self._show_position()
        self.post_message(self.Changed())

    def _show_position(self) -> None:
        buffer, table = self._buffer, self.table
        text = ""
        if buffer is not None and buffer.entries:
            total = "…" if self.total is None else f"{self.total:,}"
            filtered = self.filter != EVERYTHING
            if buffer.first is None:
                text = (_("of {total} matches") if filtered else _("of {total}")).format(total=total)
            else:
                begin = buffer.first + table.top + 1
                end = min(begin + table.rows - 1, buffer.first + len(buffer.entries))
                template = (
                    _("{begin:,}–{end:,} of {total} that match") if filtered else _("{begin:,}–{end:,} of {total}")
                )
                text = template.format(begin=begin, end=end, total=total)
            if self.order != NEWEST_FIRST:  # a narrow table may not show the column
                text += " · " + next(
                    column.title_in(self.order) for column in COLUMNS if column.sort == self.order.column
                )
        self.query_one(".range", Static).update(Content(text), layout=False)

    def on_entry_table_moved(self) -> None:
        self._show_entry()
        self._prefetch()

    def on_entry_table_opened(self) -> None:
        details = self.query_one(EntryDetails)
        if details.display:
            self.screen.set_focus(details)
        elif self.entry is not None:
            self.app.push_screen(DetailsDialog(self.entry, search_pattern(self.filter.text)))

    def on_entry_details_exited(self) -> None:
        self.screen.set_focus(self.table)

    # ---- marks

    def toggle_mark(self) -> None:
        """Mark or unmark the entry under the cursor, and go on to the next."""
        if self.entry is None:
            return
        key = key_of(self.entry)
        if self.marked.pop(key, None) is None:
            self.marked[key] = self.entry
        self._show_marks()
        self.table.action_move(1)

    def clear_marks(self) -> None:
        self.marked.clear()
        self._show_marks()
        self.post_message(self.Changed())

    def _show_marks(self) -> None:
        self.table.mark([key_of(entry) in self.marked for entry in self.table.entries] if self.marked else [])
        count = len(self.marked)
        text = ngettext("{count:,} marked", "{count:,} marked", count).format(count=count) if count else ""
        self.query_one(".selection", Static).update(Content(text))
