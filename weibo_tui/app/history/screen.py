"""The history screen: search, read, correct, delete and export past predictions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.export_line import ExportLine
from weibo_tui.app.history.browser import HistoryBrowser
from weibo_tui.app.history.details import EntryDetails
from weibo_tui.app.history.editing import EditingScreen
from weibo_tui.app.history.export import ExportForm, history_export
from weibo_tui.app.history.filter_dialog import FilterDialog, filter_terms
from weibo_tui.app.history.rows import COLUMNS
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.label_keys import LabelKeys
from weibo_tui.app.widgets.row_table import RowTable
from weibo_tui.app.widgets.table_search import FilterLine, SearchField
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.history import EVERYTHING, Analysis, HistoryFilter

_NEED_AN_ENTRY = ("delete", "copy", "mark", "newest", "oldest", "details")
_CONDITIONAL = (
    *("search", "filter", "unfilter", "sort", "unmark", "correct", "delete", "undo", "export", "stop_export", "clear"),
)
"""Actions whose keys are in the footer, or stop working with those."""


class HistorySearch(SearchField):
    """The search text of the history."""

    BINDINGS = bindings("history_search")


class HistoryScreen(EditingScreen):
    """A search field, the filter, the table with its details, and a running export."""

    NAME = "history"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - as Screen declares it
    HELP_TEXT = N_(
        "All predictions are kept here until you delete them. Search, filter and sort them, and export them as a CSV "
        "file for a spreadsheet. A digit corrects the label and moves to the next row. Corrections, deletions and "
        "exports act on the marked rows, without marks on the selected one. A corrected row stays in its place until "
        "the list is loaded again."
    )
    BINDINGS = bindings("history")
    AUTO_FOCUS = "EntryTable"

    def __init__(self) -> None:
        super().__init__()
        self._pending_id: int | None = None
        """The analysis to show when the screen opens."""
        self._working: list[bool | None] = []
        self._filter_terms: list[str] = []

    def compose_body(self) -> Iterable[Widget]:
        yield HistorySearch()
        yield FilterLine()
        yield HistoryBrowser()
        yield LabelKeys(classes="labels")
        yield ExportLine()

    def on_mount(self) -> None:
        self.on_settings_changed()

    def on_settings_changed(self) -> None:
        placeholder = _("{key} searches the posts").format(key=self.key("history.search"))
        self.query_one(SearchField).placeholder = placeholder
        self._filter_terms = []
        self._show_filter(self.browser.filter)

    def show(self, analysis_id: int) -> None:
        """Open the history with this analysis under the cursor; search and filter are cleared for it."""
        self._pending_id = analysis_id
        if self.is_current:
            self.on_screen_resume()
        else:
            self.app.switch_mode(self.NAME)

    def on_screen_resume(self) -> None:
        if self._pending_id is not None:
            self.run_task(self._show(self._pending_id), "show", exclusive=True)
            self._pending_id = None
        else:
            self.browser.refresh_entries()

    async def _show(self, analysis_id: int) -> None:
        try:
            analysis = await self.app.records.call(lambda wb: wb.history.get(analysis_id))
        except Exception:
            self.browser.refresh_entries()
            raise
        self._clear_search()
        self.browser.go_to(analysis, EVERYTHING)
        self.set_focus(self.browser.table)

    def on_row_browser_changed(self) -> None:
        self.browser.table.placeholder = self._placeholder()
        self._show_filter(self.browser.filter)
        self.show_labels()
        self._update_keys()

    def on_descendant_focus(self) -> None:
        self.browser.table.placeholder = self._placeholder()
        self._update_keys()

    def on_job_finished(self) -> None:
        self._update_keys()

    def _update_keys(self) -> None:
        # Only where other keys work now: a new footer takes a while, and the cursor passes rows quickly.
        working = [self.check_action(action, ()) for action in _CONDITIONAL]
        if working != self._working:
            self._working = working
            self.refresh_bindings()

    def _show_filter(self, query: HistoryFilter) -> None:
        terms = filter_terms(query)
        if terms == self._filter_terms:
            return
        self._filter_terms = terms
        self.query_one(FilterLine).show(terms, self.key("history.unfilter"))

    def _placeholder(self) -> Content:
        """Return the text for an empty table."""
        if self.browser.total is None:
            return Content("")
        if self.browser.filter.text:
            return safe_content(self.query_one(SearchField).no_matches(self.key("history.back")))
        if self.browser.filter != EVERYTHING:
            text, key = _("No entry matches. {key} clears the filter."), "history.unfilter"
        elif not self.app.settings.history:
            text, key = _("Predictions are not recorded. Press {key} to turn the history on."), "app.settings"
        else:
            key = "app.predict"
            text = _(
                "Predictions appear here, to be searched, corrected and exported. Press {key}, type a post "
                "and press Enter."
            )
        return safe_content(text.format(key=self.key(key)))

    # ---- search and filter

    def on_input_changed(self, event: Input.Changed) -> None:
        self._apply_filter(replace(self.browser.filter, text=event.value))

    def _apply_filter(self, query: HistoryFilter) -> None:
        if query != self.browser.filter:
            self.browser.apply_filter(query)

    def _clear_search(self) -> None:
        with self.prevent(Input.Changed):
            self.query_one(SearchField).value = ""

    def action_search(self) -> None:
        self.set_focus(self.query_one(SearchField))  # at once: the next key is its own

    def action_unfilter(self) -> None:
        self._clear_search()
        self._apply_filter(EVERYTHING)

    def action_filter(self) -> None:
        self.run_task(self._open_filter())

    async def _open_filter(self) -> None:
        choices = await self.app.records.call(lambda wb: wb.history.filter_choices())
        query = await self.app.push_screen_wait(FilterDialog(self.browser.filter, choices))
        if query is not None:
            self._apply_filter(query)

    def action_only(self, condition: str) -> None:
        """Show only the entries that meet a condition of the filter, or also the others."""
        query = self.browser.filter
        if condition == "uncertain":
            query = replace(query, uncertain=None if query.uncertain else True)
        else:
            query = replace(query, corrected=None if query.corrected else True)
        if getattr(query, condition) or self.browser.row is None:
            self.browser.apply_filter(query)
        else:
            self.browser.go_to(self.browser.row, query)

    def action_sort(self) -> None:
        self.run_task(self._sort())

    async def _sort(self) -> None:
        order = self.browser.order
        answers = [(column.order.column, column.title_in(order)) for column in COLUMNS]
        question = _("Sort by (choose the same column again to reverse):")
        answer = await self.app.push_screen_wait(ChoiceDialog(question, answers, order.column))
        for column in COLUMNS:
            if column.order.column == answer:
                self.browser.sort(column.next_order(order))

    def action_reverse(self) -> None:
        self.browser.sort(self.browser.order.reversed)

    def on_row_table_heading_clicked(self, event: RowTable.HeadingClicked) -> None:
        self.browser.sort(event.column.next_order(self.browser.order))

    def action_back(self) -> None:
        """Leave the details, or clear the marks or the search."""
        if isinstance(self.focused, EntryDetails):
            self.set_focus(self.browser.table)
        elif self.browser.marked:
            self.browser.clear_marks()
        else:
            self.query_one(SearchField).value = ""

    # ---- actions on entries

    def action_copy(self) -> None:
        entry = self.browser.row
        if isinstance(entry, Analysis):
            self.app.copy_to_clipboard(entry.text)
            self.show_message(_("Copied the post."), "success")
        elif entry is not None:
            self.app.copy_to_clipboard(str(entry.out))
            self.show_message(_("Copied the path of the labeled file."), "success")

    def action_explain(self) -> None:
        self.browser.explain_row()

    def action_clear(self) -> None:
        if self.query_one(ExportLine).job is None:
            self.run_task(self._clear())
        else:
            self.show_message(_("An export is running. Wait until it is done, or stop it."), "error")

    async def _clear(self) -> None:
        """Delete everything for good, if the user agrees."""
        count = await self.app.records.call(lambda wb: wb.history.count())
        message = ngettext(
            "Delete the {count:,} history entry? This cannot be undone.",
            "Delete all {count:,} history entries? This cannot be undone.",
            count,
        )
        if await self.confirm(message.format(count=count), _("Keep"), _("Delete all")):
            await self.app.records.call(lambda wb: wb.history.clear())
            self.edits.clear()
            self.browser.clear_marks()
            self.action_unfilter()
            self.browser.refresh_around(None)
            self.show_message(_("The history is empty now."), "success")

    def action_to_prompt(self) -> None:
        if isinstance(self.browser.row, Analysis):
            self.app.edit_in_prompt(self.browser.row.text)

    # ---- export

    def action_export(self) -> None:
        self.run_task(self._export())

    async def _export(self) -> None:
        marked = [entry for entry in self.browser.marked.values() if isinstance(entry, Analysis)]
        ids = tuple(entry.id for entry in marked if entry.id is not None)
        options = await self.app.push_screen_wait(ExportForm(self.browser.filter, ids, self.browser.order))
        if options is not None:
            self.query_one(ExportLine).start(options.path, history_export(options))
            self._update_keys()

    def action_stop_export(self) -> None:
        self.query_one(ExportLine).stop()

    # ---- moving

    def action_newest(self) -> None:
        self.browser.go_to_first()

    def action_oldest(self) -> None:
        self.browser.go_to_last()

    def action_details(self) -> None:
        self.browser.open_details()

    def action_refresh(self) -> None:
        self.browser.refresh_entries()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if not self.is_mounted:
            return True
        entry, filtered = self.browser.row, self.browser.filter != EVERYTHING
        if action in _NEED_AN_ENTRY:
            return entry is not None
        exporting = self.query_one(ExportLine).job is not None
        some = entry is not None or filtered or self.browser.total is None  # not counted yet
        working = {
            "correct": bool(self.selected_posts),
            "uncorrect": any(post.corrected is not None for post in self.selected_posts),
            "to_prompt": isinstance(entry, Analysis),
            "explain": self.browser.explained_post is not None,
            "unmark": bool(self.browser.marked),
            "search": some and not self.query_one(SearchField).has_focus,
            "filter": some,
            "only": some,
            "sort": entry is not None,
            "reverse": entry is not None,
            "unfilter": filtered,
            "undo": bool(self.edits),
            "export": entry is not None and not exporting,
            "stop_export": exporting,
            "clear": some,
        }
        return working.get(action, True)
