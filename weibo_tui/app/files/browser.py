"""The table of an opened file with its details. Rows are selected and read in the records thread."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from textual.content import Content

from weibo_tui.app.base import get_app
from weibo_tui.app.files.columns import file_columns
from weibo_tui.app.files.details import FileRowDetails
from weibo_tui.app.files.pages import Pages, page_places
from weibo_tui.app.formatting import safe_line
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.columns import Column, Pattern, search_pattern, sorted_title
from weibo_tui.app.widgets.row_browser import RowBrowser, range_text
from weibo_tui.app.widgets.row_table import RowTable
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.storage.row_filters import ALL_ROWS, FILE_ORDER, RowFilter, RowOrder, Selection
from weibo_tui.workbench.opened_file import FileInfo, FileRow, OpenedFile

_PREFETCH = 50
"""Rows beyond the view that are read in advance."""


class FileTable(RowTable[FileRow, RowOrder]):
    """The table of a file."""

    BINDINGS = bindings("file_table")
    HELP_TEXT = N_(
        "The rows of the file. A click on a heading sorts by it, a second click reverses. ? marks an uncertain "
        "prediction, ⚑ a flagged row. Enter shows all cells of a row."
    )

    def rows_to_fit(self) -> Sequence[FileRow]:
        return self.loaded(range(self.top, min(self.top + self.page_rows, len(self.rows))))


class FileBrowser(RowBrowser[FileRow, RowOrder, int]):
    """Shows the rows of a file that match a filter. Marks hold the numbers of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.file: OpenedFile | None = None
        self.info: FileInfo | None = None
        self.filter = ALL_ROWS
        self.order = FILE_ORDER
        self._selection: Selection | None = None
        self._pages = Pages(0)
        self._unsaved: dict[int, FileRow] = {}
        """Rows by number whose change is shown but not stored yet. Rows that are read until then are older."""
        self._fetching = False

    def create_table(self) -> FileTable:
        return FileTable((), FILE_ORDER)

    def create_details(self) -> FileRowDetails:
        return FileRowDetails()

    def title(self) -> Content:
        return safe_line(self.info.path.name) if self.info is not None else Content("")

    def key_of(self, row: FileRow) -> int:
        return row.number

    def pattern(self) -> Pattern:
        return search_pattern(self.filter.text)

    def on_settings_changed(self) -> None:
        self.show_titles()
        self.refresh_rows()

    @property
    def columns(self) -> Sequence[Column[FileRow, RowOrder]]:
        return self.table.columns

    @property
    def total(self) -> int | None:
        """The number of selected rows, None before they are selected."""
        return None if self._selection is None else self._selection.total

    @property
    def is_ready(self) -> bool:
        """True if all rows are read, so that they can be filtered, sorted and corrected."""
        return self.info is not None and self.info.is_ready

    # ---- what to show

    def show_file(self, file: OpenedFile, query: RowFilter, number: int | None) -> None:
        """Show a file with a filter, and with the cursor on the row `number` or on the first."""
        self.file, self.info = file, None
        self.filter, self.order = query, FILE_ORDER
        self.marked.clear()
        self._unsaved.clear()
        self._selection = None
        self._run(self._select(number))

    def apply_filter(self, query: RowFilter, number: int | None = None) -> None:
        """Show the rows that match, with the cursor on the row `number` or on the first."""
        self.filter = query
        self._run(self._select(number))

    def sort(self, order: RowOrder) -> None:
        """Show the first rows of this order."""
        self.order = order
        self._run(self._select(None))

    def refresh_rows(self, number: int | None = None) -> None:
        """Select the rows again. The cursor goes to the row `number`, or stays where it is."""
        if self.file is None:
            return
        if number is not None or self._selection is None:
            self._run(self._select(number))
        else:
            self._run(self._select(self.row.number if self.row is not None else None, keep_view=True))

    def grow(self) -> None:
        """Show the rows that were read since, of a file that is still being read."""
        if self._selection is not None:
            get_app(self).run_task(self._grow(), "grow", exclusive=True, node=self)

    def update_rows(self, rows: Sequence[FileRow]) -> None:
        """Show the new state of some rows in their places, also where they no longer match or belong elsewhere.

        Call `saved` when it is stored, or cannot be."""
        self._unsaved |= {row.number: row for row in rows}
        self._pages.update(rows)
        self.table.refresh()
        self.show_row()

    def saved(self, rows: Sequence[FileRow]) -> None:
        """Show from now on what is stored of some rows, where they were not changed again."""
        for row in rows:
            if self._unsaved.get(row.number) is row:
                del self._unsaved[row.number]

    def reload_rows(self) -> None:
        """Read the rows near the cursor again. All stay in their places."""
        if self._selection is not None:
            self._run(self._reload(self._selection))

    def go_to_number(self, number: int) -> None:
        """Put the cursor on a row, if it is selected."""
        if self._selection is not None and (place := self._selection.position(number)) is not None:
            self.table.go_to(place)

    # ---- loading

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        get_app(self).run_task(work, "rows", exclusive=True, node=self)

    async def _select(self, number: int | None, keep_view: bool = False) -> None:
        """Select rows. The cursor goes to the row `number`, or to the first one."""
        file, query, order = self.file, self.filter, self.order
        assert file is not None

        def select() -> tuple[FileInfo, Selection, int | None, range, list[FileRow]]:
            file.refresh()
            selection = file.select(query, order)
            place = None if number is None else selection.position(number)
            first = page_places(place if place is not None else 0, selection.total)
            return file.info, selection, place, first, file.rows(selection, first.start, first.stop)

        self.info, selection, place, first, rows = await get_app(self).records.call(lambda _wb: select())
        if keep_view and self.row is not None and self.row.number != number:  # the cursor has moved in the meantime
            place = selection.position(self.row.number)
        self._selection = selection
        self._pages = Pages(selection.total)
        self._add_page(first.start, rows)
        table = self.table
        cursor = place if place is not None else table.cursor if keep_view else 0
        top = cursor - (table.cursor - table.top if keep_view else table.page_rows // 2)
        self._show_columns(rows)
        table.order = order
        table.load(self._pages, cursor, top, self.pattern(), keep_widths=keep_view)
        self.show_titles()
        self.show_marks()
        self.show_row()
        self.prefetch()

    async def _grow(self) -> None:
        """Show how many rows there are now of a file that is still being read. All stay in their places."""
        file = self.file
        assert file is not None

        def select() -> tuple[FileInfo, Selection]:
            file.refresh()
            return file.info, file.select()

        info, selection = await get_app(self).records.call(lambda _wb: select())
        if not info.is_ready:  # otherwise its rows have other cells
            self.info, self._selection = info, selection
            self._pages.resize(selection.total)
            self.table.refresh()
            self.show_position()
            self.prefetch()

    async def _reload(self, selection: Selection) -> None:
        file, places = self.file, page_places(self.table.cursor, selection.total)
        assert file is not None
        rows = await get_app(self).records.call(lambda _wb: file.rows(selection, places.start, places.stop))
        self._pages = Pages(selection.total)
        self._add_page(places.start, rows)
        self.table.load(self._pages, self.table.cursor, self.table.top, self.pattern(), keep_widths=True)
        self.show_row()
        self.prefetch()

    def _add_page(self, start: int, rows: list[FileRow]) -> None:
        self._pages.add(start, rows)
        self._pages.update(self._unsaved.values())

    def _show_columns(self, rows: Sequence[FileRow]) -> None:
        info, below = self.info, get_app(self).settings.uncertain_below
        assert info is not None
        with_roles = set(info.roles.values())
        others = [name for name in rows[0].cells if name not in with_roles] if rows and info.is_ready else []
        self.table.columns = file_columns(info, others, below, self.filter.distinct)
        if isinstance(self.details, FileRowDetails):
            self.details.labels, self.details.uncertain_below = info.labels, below
            self.details.adapter = self._explaining_adapter(info)

    def _explaining_adapter(self, info: FileInfo) -> str:
        """Return the adapter of the file's predictions if it is installed, otherwise the default one."""
        catalog = get_app(self).catalog
        installed = {card.name for card in catalog.adapters}
        return info.adapter if info.adapter in installed else catalog.adapter

    def prefetch(self) -> None:
        table = self.table
        page = self._pages.missing(table.top, table.top + table.page_rows)
        page = page or self._pages.missing(table.top - _PREFETCH, table.top + table.page_rows + _PREFETCH)
        if page is not None and self._selection is not None and not self._fetching:
            self._fetching = True
            get_app(self).run_task(self._fetch(self._selection, page), "pages", node=self)

    async def _fetch(self, selection: Selection, places: range) -> None:
        file, pages = self.file, self._pages
        assert file is not None
        try:
            rows = await get_app(self).records.call(lambda _wb: file.rows(selection, places.start, places.stop))
        finally:
            self._fetching = False
        if pages is self._pages:
            self._add_page(places.start, rows)
            self.table.refresh()
            if self.table.cursor in places:
                self.show_row()
        self.prefetch()

    # ---- what is seen

    def position(self) -> str:
        if self.info is None or self._selection is None or not self._selection.total:
            return ""
        table, total = self.table, self._selection.total
        filtered = self.is_ready and self.filter != ALL_ROWS
        text = range_text(table.top + 1, min(table.top + table.page_rows, total), f"{total:,}", filtered)
        if not self.is_ready:
            return text + " · " + _("reading … search, filters and labels work after the last row")
        if self.order != FILE_ORDER:  # a narrow table may not show the column
            text += " · " + (sorted_title(self.columns, self.order) or self.order.column)
        return text
