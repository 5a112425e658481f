"""The history's table with its details, loaded piece by piece from the records' thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from weibo_tui.app.base import get_app
from weibo_tui.app.history.details import DetailsDialog, EntryDetails
from weibo_tui.app.history.rows import pattern
from weibo_tui.app.history.table import EntryTable
from weibo_tui.app.history.window import PAGE, HistoryBuffer, Key, again, around, key_of, newer_than, newest, oldest
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.storage.history import EVERYTHING, Entry, History, HistoryFilter

_AHEAD = 30
"""Rows beyond the view that are loaded before anybody asks for them."""
_WIDE, _HIGH = 110, 22
"""Cells from which on the details have room beside the table, or below it."""


class HistoryBrowser(Container):
    """Shows the entries that match a filter, and the one under the cursor in full where there is room for it."""

    DEFAULT_CSS = """
    HistoryBrowser {
        height: 1fr;
        & .hall { height: 1fr; layout: vertical; }
        & EntryTable { height: 3fr; }
        & EntryDetails { display: none; height: 2fr; }
        & .where { height: 1; padding: 0 1; color: $text-muted; }
        & .range { width: 1fr; }
        & .marks { width: auto; color: $primary; }
        &.-high EntryDetails { display: block; }
        &.-wide {
            & .hall { layout: horizontal; }
            & EntryTable { width: 2fr; height: 1fr; }
            & EntryDetails { display: block; width: 1fr; min-width: 46; height: 1fr; padding: 1 2; }
        }
    }
    """

    class Changed(Message):
        """Other rows are shown, or the cursor is on another one: other keys may work."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = EVERYTHING
        """What is shown of the history."""
        self.marked: dict[Key, Entry] = {}
        """Entries that were marked, also those that are not loaded any more."""
        self._window: HistoryBuffer | None = None
        self._total: int | None = None
        self._fetching = False

    def compose(self) -> ComposeResult:
        with Container(classes="hall"):
            yield EntryTable()
            yield EntryDetails()
        with Horizontal(classes="where"):
            yield Static(classes="range")
            yield Static(classes="marks")

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= _WIDE, "-wide")
        self.set_class(event.size.height >= _HIGH, "-high")

    @property
    def table(self) -> EntryTable:
        return self.query_one(EntryTable)

    @property
    def entry(self) -> Entry | None:
        """The one under the cursor."""
        return self.table.entry

    @property
    def total(self) -> int | None:
        """How many entries match; None before they were counted."""
        return self._total

    # ---- what to show

    def ask_for(self, asked: HistoryFilter) -> None:
        """Show the newest of what this asks for."""
        self.asked = asked
        self._total = None
        self._load(self._open(newest, 0))

    def refresh_entries(self) -> None:
        """Look again at what is shown; the cursor stays on its entry, and that where it is on the screen."""
        self.refresh_around(self.entry)

    def refresh_around(self, entry: Entry | None) -> None:
        """Look again, with the cursor on this one of the entries that are loaded."""
        if entry is None or self._window is None:
            self._load(self._open(newest, 0))
        else:
            self._load(self._refresh(entry))

    def go_to(self, entry: Entry, asked: HistoryFilter | None = None) -> None:
        """Show this entry among its neighbours, of what is shown or of what else is asked."""
        if asked is not None and asked != self.asked:
            self.asked = asked
            self._total = None
        self._load(self._open_around(entry))

    def go_to_newest(self) -> None:
        if self._window is not None and self._window.more_newer:
            self._load(self._open(newest, 0))
        else:
            self.table.go_to(0)

    def go_to_oldest(self) -> None:
        if self._window is not None and self._window.more_older:
            self._load(self._open(oldest, PAGE))
        else:
            self.table.go_to(len(self.table.entries))

    def neighbour(self, gone: dict[Key, Entry]) -> Entry | None:
        """The entry that the cursor goes to when these are gone: the next older, else the next newer one."""
        entries, cursor = self.table.entries, self.table.cursor
        for entry in [*entries[cursor:], *reversed(entries[:cursor])]:
            if key_of(entry) not in gone:
                return entry
        return None

    # ---- loading

    def _load(self, work: Coroutine[Any, Any, None]) -> None:
        get_app(self).run_task(work, "rows", exclusive=True, node=self)

    async def _ask(self, question: Callable[[History, HistoryFilter], HistoryBuffer]) -> HistoryBuffer:
        asked = self.asked
        return await get_app(self).records.call(lambda bench: question(bench.history, asked))

    async def _open(self, question: Callable[[History, HistoryFilter], HistoryBuffer], cursor: int) -> None:
        self._put(await self._ask(question), cursor, cursor, anew=True)

    async def _open_around(self, entry: Entry) -> None:
        window = await self._ask(lambda history, asked: around(history, entry, asked))
        cursor = window.index(key_of(entry)) or 0
        self._put(window, cursor, cursor - self.table.rows // 2, anew=True)

    async def _refresh(self, entry: Entry) -> None:
        assert self._window is not None
        table, before = self.table, self.table.cursor
        at_top = table.top == 0 and not self._window.more_newer
        window = await self._ask(lambda history, asked: again(history, entry, at_top, asked))
        if table.cursor != before and table.entry is not None:
            entry = table.entry  # the person has moved on meanwhile
        found = window.index(key_of(entry))
        cursor = table.cursor if found is None else found
        self._put(window, cursor, 0 if at_top and table.top == 0 else cursor - (table.cursor - table.top))

    def _put(self, window: HistoryBuffer, cursor: int, top: int, anew: bool = False) -> None:
        if window.first is None and not anew and self._window is not None:
            window.first = self._window.first  # until it is counted again
        self._window = window
        self._show_window(cursor, top, anew)
        get_app(self).run_task(self._count(window), "count", exclusive=True, node=self)

    async def _count(self, window: HistoryBuffer) -> None:
        """How many there are, asked apart, so that the rows need not wait for it."""
        asked = self.asked
        self._total = await get_app(self).records.call(lambda bench: bench.history.count(asked))
        if window is self._window and window.more_newer:
            at = window.entries[0]
            newer = await get_app(self).records.call(lambda bench: newer_than(bench.history, at, asked))
            place = window.index(key_of(at))
            if newer is not None and place is not None:
                window.first = newer - place
        self._tell_where()
        self.post_message(self.Changed())

    async def _fetch(self, older: bool) -> None:
        """Load the page beyond one end, unless another is being loaded."""
        if self._fetching:
            return
        self._fetching = True
        try:
            window, asked = self._window, self.asked
            assert window is not None
            end = window.entries[-1 if older else 0]
            beyond = {"before": end} if older else {"after": end}
            page = await get_app(self).records.call(lambda bench: bench.history.page(PAGE, filter=asked, **beyond))
            if window is self._window:
                moved = window.add_older(page) if older else window.add_newer(page)
                self._show_window(self.table.cursor + moved, self.table.top + moved)
        finally:
            self._fetching = False

    def _load_ahead(self) -> None:
        table, window = self.table, self._window
        if window is None or not window.entries:
            return
        if window.more_older and table.top + table.rows + _AHEAD > len(window.entries):
            get_app(self).run_task(self._fetch(older=True), "rows", node=self)
        elif window.more_newer and table.top < _AHEAD:
            get_app(self).run_task(self._fetch(older=False), "rows", node=self)

    # ---- what is seen

    def _show_window(self, cursor: int, top: int, anew: bool = False) -> None:
        assert self._window is not None
        self.table.load(self._window.entries, cursor, top, pattern(self.asked.text), anew)
        self._show_marks()
        self._show_entry()
        self._load_ahead()

    def _show_entry(self) -> None:
        details = self.query_one(EntryDetails)
        if details.display:
            details.show(self.entry, pattern(self.asked.text))
        self._tell_where()
        self.post_message(self.Changed())

    def _tell_where(self) -> None:
        """Which part of how many is seen."""
        window, table = self._window, self.table
        words = ""
        if window is not None and window.entries:
            total = "…" if self._total is None else f"{self._total:,}"
            matching = self.asked != EVERYTHING
            if window.first is None:
                words = (_("of {total} that match") if matching else _("of {total}")).format(total=total)
            else:
                begin = window.first + table.top + 1
                end = min(begin + table.rows - 1, window.first + len(window.entries))
                text = _("{begin:,}–{end:,} of {total} that match") if matching else _("{begin:,}–{end:,} of {total}")
                words = text.format(begin=begin, end=end, total=total)
        self.query_one(".range", Static).update(Content(words), layout=False)

    def on_entry_table_moved(self) -> None:
        self._show_entry()
        self._load_ahead()

    def on_entry_table_opened(self) -> None:
        details = self.query_one(EntryDetails)
        if details.display:
            self.screen.set_focus(details)
        elif self.entry is not None:
            self.app.push_screen(DetailsDialog(self.entry, pattern(self.asked.text)))

    def on_entry_details_exited(self) -> None:
        self.screen.set_focus(self.table)

    # ---- marks

    def mark(self) -> None:
        """Mark the entry under the cursor, or take its mark away, and go on to the next."""
        if self.entry is None:
            return
        key = key_of(self.entry)
        if self.marked.pop(key, None) is None:
            self.marked[key] = self.entry
        self._show_marks()
        self.table.action_move(1)

    def unmark(self) -> None:
        """Take all marks away."""
        self.marked.clear()
        self._show_marks()

    def _show_marks(self) -> None:
        self.table.mark([key_of(entry) in self.marked for entry in self.table.entries] if self.marked else [])
        count = len(self.marked)
        words = ngettext("{count:,} marked", "{count:,} marked", count).format(count=count) if count else ""
        self.query_one(".marks", Static).update(Content(words))
