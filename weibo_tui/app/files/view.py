"""An opened file: its table with search and filter, and the actions on its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input

from weibo_tui.app.base import get_app
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.files.browser import FileBrowser
from weibo_tui.app.files.columns import human_name
from weibo_tui.app.files.details import FileRowDetails
from weibo_tui.app.files.export import FileExportForm
from weibo_tui.app.files.filter_dialog import FileFilterDialog, filter_terms
from weibo_tui.app.files.use import FileUse
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.export_line import ExportLine
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.services.jobs import Job, JobFinished
from weibo_tui.app.widgets.label_dialog import LabelDialog, correction_message
from weibo_tui.app.widgets.label_keys import LabelKeys, pressed_digit
from weibo_tui.app.widgets.row_table import RowTable
from weibo_tui.app.widgets.table_search import FilterLine, SearchField
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.labels import label_errors_sentence
from weibo_tui.storage.row_filters import ALL_ROWS, CANNOT_TELL_LABEL, FILE_ORDER, RowFilter
from weibo_tui.workbench.label_errors import FoundLabelErrors
from weibo_tui.workbench.opened_file import FileInfo, FileRow, OpenedFile

_CONDITIONAL = ("search", "filter", "sort", "unfilter", "unmark", "correct", "export", "mark", "only")
"""Actions whose keys are in the footer, or stop working with those."""
_NEED_ALL_ROWS = (
    *("filter", "sort", "reverse", "only", "correct", "uncorrect", "undo", "export"),
    *("annotate", "estimate", "report", "train", "measure", "label_errors"),
)


class FileSearch(SearchField):
    """The search text of a file."""

    BINDINGS = bindings("file_search")


class FileView(Container):
    """The table of a file, its search and filter, and the labels that the digits give."""

    BINDINGS = bindings("file")
    DEFAULT_CSS = "FileView { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.browser = FileBrowser()
        self._use = FileUse()
        self._search: Job | None = None
        """The search for wrong labels, while it runs."""
        self._searched: Path | None = None
        """The file of that search, or of the last one."""
        self._working: list[bool | None] = []
        self._filter_terms: list[str] = []

    def compose(self) -> ComposeResult:
        yield FileSearch()
        yield FilterLine()
        yield self.browser
        yield LabelKeys(classes="labels")
        yield ExportLine()

    def on_mount(self) -> None:
        self.on_settings_changed()

    def on_settings_changed(self) -> None:
        self.query_one(FileSearch).placeholder = _("{key} searches the posts").format(key=self.key("file.search"))
        self._filter_terms = []
        self._show_filter(self.browser.filter)

    def key(self, action: str) -> str:
        return first_key(action, get_app(self).keymap)

    @property
    def file(self) -> OpenedFile | None:
        return self.browser.file

    def show_file(self, file: OpenedFile, query: RowFilter = ALL_ROWS, number: int | None = None) -> None:
        """Show a file with a filter, and with the cursor on the row `number` or on the first."""
        self._show_search(query.text)
        self.browser.show_file(file, query, number)

    def _show_search(self, text: str) -> None:
        with self.prevent(Input.Changed):
            self.query_one(FileSearch).value = text

    # ---- what is seen

    def on_row_browser_changed(self) -> None:
        self.browser.table.placeholder = self._placeholder()
        self._show_filter(self.browser.filter)
        self._show_labels()
        self.update_keys()

    def on_descendant_focus(self) -> None:
        self.browser.table.placeholder = self._placeholder()
        self.update_keys()

    def on_job_finished(self, message: JobFinished) -> None:
        if message.job is self._search:
            self._search = None
            if isinstance(message.result, FoundLabelErrors):
                get_app(self).run_task(self._show_label_errors(message.result), node=self)
        self.update_keys()
        self.screen.refresh_bindings()

    def update_keys(self) -> None:
        """Draw the footer again where other keys work now."""
        working = [self.check_action(action, ()) for action in _CONDITIONAL]
        if working != self._working:
            self._working = working
            self.refresh_bindings()

    def _show_filter(self, query: RowFilter) -> None:
        terms = filter_terms(query)
        if terms == self._filter_terms:
            return
        self._filter_terms = terms
        self.query_one(FilterLine).show(terms, self.key("file.unfilter"))

    def _show_labels(self) -> None:
        info, rows = self.browser.info, self.browser.selected
        if info is not None:
            labels = info.labels if info.is_ready and rows else ()
            self.query_one(LabelKeys).show(labels, any(row.human_source == "answer" for row in rows))

    def _placeholder(self) -> Content:
        """Return the text for an empty table."""
        if self.browser.total is None:
            return Content("")
        if not self.browser.is_ready:
            return safe_content(_("Reading the file …"))
        if self.browser.filter.text:
            return safe_content(self.query_one(FileSearch).no_matches(self.key("files.back")))
        if self.browser.filter != ALL_ROWS:
            return safe_content(_("No row matches. {key} clears the filter.").format(key=self.key("file.unfilter")))
        return safe_content(_("The file has no rows."))

    # ---- search, filter and order

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.value != self.browser.filter.text:
            self.browser.apply_filter(replace(self.browser.filter, text=event.value))

    def action_search(self) -> None:
        self.screen.set_focus(self.query_one(FileSearch))  # at once: the next key is its own

    def action_unfilter(self) -> None:
        number = self.browser.row.number if self.browser.row is not None else None
        self._show_search("")
        self.browser.apply_filter(ALL_ROWS, number)

    def action_filter(self) -> None:
        get_app(self).run_task(self._open_filter(), node=self)

    async def _open_filter(self) -> None:
        file, info = self._opened()
        choices = await get_app(self).records.call(lambda _wb: file.choices())
        query = await self.app.push_screen_wait(FileFilterDialog(self.browser.filter, file, info, choices))
        if query is not None:
            self.browser.apply_filter(query)

    def action_only(self, condition: str) -> None:
        """Show only the rows that meet a condition of the filter, or also the others."""
        query, row = self.browser.filter, self.browser.row
        if condition == "distinct":
            query = replace(query, distinct=not query.distinct)
        elif condition == "uncertain":
            query = replace(query, uncertain=None if query.uncertain else True)
        else:
            query = replace(query, disagreeing=None if query.disagreeing else True)
        is_wider = not getattr(query, condition)
        self.browser.apply_filter(query, row.number if row is not None and is_wider else None)

    def action_sort(self) -> None:
        get_app(self).run_task(self._sort(), node=self)

    async def _sort(self) -> None:
        order = self.browser.order
        columns = {column.order.column: column for column in self.browser.columns}
        answers = [(name, column.title_in(order)) for name, column in columns.items()]
        answers.insert(0, ("row", _("order of the file")))
        question = _("Sort by (choose the same column again to reverse):")
        answer = await self.app.push_screen_wait(ChoiceDialog(question, answers, order.column))
        if answer == "row":
            self.browser.sort(order.reversed if order.column == "row" else FILE_ORDER)
        elif answer is not None:
            self.browser.sort(columns[answer].next_order(order))

    def action_reverse(self) -> None:
        self.browser.sort(self.browser.order.reversed)

    def on_row_table_heading_clicked(self, event: RowTable.HeadingClicked) -> None:
        if self.browser.is_ready:
            self.browser.sort(event.column.next_order(self.browser.order))

    def go_back(self) -> bool:
        """Leave the details, or clear the marks or the search. Return False if there is nothing of these."""
        if isinstance(self.screen.focused, FileRowDetails):
            self.screen.set_focus(self.browser.table)
        elif self.browser.marked:
            self.browser.clear_marks()
        elif self.browser.filter.text:
            self.query_one(FileSearch).value = ""
        else:
            return False
        return True

    # ---- moving, marks and copies

    def action_first(self) -> None:
        self.browser.table.go_to(0)

    def action_last(self) -> None:
        self.browser.table.go_to(len(self.browser.table.rows))

    def action_mark(self) -> None:
        self.browser.toggle_mark()

    def action_unmark(self) -> None:
        self.browser.clear_marks()

    def action_copy(self) -> None:
        if self.browser.row is not None:
            self.app.copy_to_clipboard(self.browser.row.text)
            get_app(self).show_message(_("Copied the post."), "success")

    def action_explain(self) -> None:
        self.browser.explain_row()

    # ---- corrections

    def on_key(self, event: events.Key) -> None:
        """Give the label of a digit, and go to the next row."""
        if self.browser.info is None or (digit := pressed_digit(self.screen, event)) is None:
            return
        labels = self.browser.info.labels
        if digit <= len(labels):
            is_marked = bool(self.browser.marked)
            self._correct(self.browser.selected, labels[digit - 1])
            if not is_marked:
                self.browser.table.action_move(1)

    def action_uncorrect(self) -> None:
        self._correct(self.browser.selected, None)

    def action_correct(self) -> None:
        if rows := self.browser.selected:
            get_app(self).run_task(self._ask_for_label(rows), node=self)

    async def _ask_for_label(self, rows: Sequence[FileRow]) -> None:
        assert self.browser.info is not None
        labels = [*self.browser.info.labels, CANNOT_TELL_LABEL]
        [first, *_others] = rows
        current = labels.index(first.human) if first.human in labels else None
        names = [human_name(label) for label in labels]
        dialog = LabelDialog([row.text for row in rows], names, human_name(first.predicted), current)
        answer = await self.app.push_screen_wait(dialog)
        if answer is not None:
            self._correct(rows, labels[int(answer)] if answer else None)

    def _correct(self, rows: Sequence[FileRow], label: str | None) -> None:
        if not rows or self.file is None:
            return
        if self.browser.marked:
            self.browser.clear_marks()
            name = None if label is None else human_name(label)
            get_app(self).show_message(correction_message(len(rows), name), "success")
        get_app(self).run_task(self._store(self.file, rows, label), node=self)

    async def _store(self, file: OpenedFile, rows: Sequence[FileRow], label: str | None) -> None:
        """Show a correction at once, and store it."""
        changed = [replace(row, human=label, human_source="answer") for row in rows] if label is not None else []
        self.browser.update_rows(changed)
        numbers = [row.number for row in rows]
        try:
            await get_app(self).records.call(lambda _wb: file.correct(numbers, label))
        except Exception:
            self.browser.saved(changed)
            self.browser.reload_rows()
            raise
        self.browser.saved(changed)
        if label is None:  # the file may have a human label of its own
            self.browser.reload_rows()

    def action_undo(self) -> None:
        if self.file is not None:
            get_app(self).run_task(self._undo(self.file), node=self)

    async def _undo(self, file: OpenedFile) -> None:
        """Take back the last answers to the file, also those of an earlier session."""
        numbers = await get_app(self).records.call(lambda _wb: file.undo())
        if not numbers:
            get_app(self).show_message(_("There is nothing to undo in this file."))
            return
        self.browser.go_to_number(numbers[0])
        self.browser.reload_rows()
        text = ngettext("Undone: answer to {count:,} row.", "Undone: answers to {count:,} rows.", len(numbers))
        get_app(self).show_message(text.format(count=len(numbers)), "success")

    # ---- uses

    def action_annotate(self) -> None:
        get_app(self).run_task(self._use.annotate(get_app(self), *self._opened()), node=self)

    def action_estimate(self) -> None:
        self._use.estimate(get_app(self), *self._opened())

    def action_report(self) -> None:
        self._use.report(get_app(self), *self._opened())

    def action_train(self) -> None:
        get_app(self).run_task(self._use.train(get_app(self), self._opened()[1]), node=self)

    def action_measure(self) -> None:
        get_app(self).run_task(self._use.measure(get_app(self), *self._opened()), node=self)

    def action_label_errors(self) -> None:
        get_app(self).run_task(self._find_label_errors(self._opened()[1]), node=self)

    async def _find_label_errors(self, info: FileInfo) -> None:
        self._searched = info.path
        self._search = await self._use.find_label_errors(get_app(self), info, self)
        self.update_keys()
        self.screen.refresh_bindings()

    async def _show_label_errors(self, result: FoundLabelErrors) -> None:
        """Open the list, or say where it is if another screen or file is in view by now."""
        message = label_errors_sentence(result)
        is_in_view = self.display and self.file is not None and self.file.info.path == self._searched
        if self.screen.is_current and is_in_view and result.errors:
            await get_app(self).open_file_rows(result.path.absolute(), message=message)
        else:
            get_app(self).show_message(message)

    def _opened(self) -> tuple[OpenedFile, FileInfo]:
        file, info = self.file, self.browser.info
        assert file is not None  # otherwise the keys do not work
        assert info is not None
        return file, info

    # ---- export

    def action_export(self) -> None:
        get_app(self).run_task(self._export(), node=self)

    async def _export(self) -> None:
        file, info = self._opened()
        form = FileExportForm(file, info, self.browser.filter, self.browser.order)
        plan = await self.app.push_screen_wait(form)
        if plan is not None:
            self.query_one(ExportLine).start(
                plan.path,
                lambda wb: wb.iter_export_file(file, plan.path, plan.filter, plan.order, overwrite=plan.overwrite),
            )
            self.update_keys()

    @property
    def is_exporting(self) -> bool:
        return self.query_one(ExportLine).job is not None

    @property
    def is_working(self) -> bool:
        """True during an export or a search for wrong labels."""
        return self.is_exporting or self._search is not None

    def stop_work(self) -> None:
        """Stop the export, or the search for wrong labels."""
        if self.is_exporting:
            self.query_one(ExportLine).stop()
        elif self._search is not None:
            self._search.stop()
            get_app(self).wake_workers()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if not self.is_mounted:
            return True
        browser, row = self.browser, self.browser.row
        if not self.display or browser.info is None or (action in _NEED_ALL_ROWS and not browser.is_ready):
            return False
        filtered = browser.filter != ALL_ROWS
        some = row is not None or filtered
        working = {
            "search": some and not self.query_one(FileSearch).has_focus,
            "filter": some,
            "only": some,
            "unfilter": filtered,
            "sort": row is not None,
            "reverse": row is not None,
            "correct": row is not None,
            "uncorrect": any(row.human_source == "answer" for row in browser.selected),
            "mark": row is not None,
            "copy": row is not None,
            "explain": browser.explained_post is not None,
            "unmark": bool(browser.marked),
            "export": row is not None and not self.is_exporting,
            "annotate": bool(browser.info.rows),
            "estimate": bool(browser.info.counts),
            "report": bool(browser.info.counts),
            "label_errors": "label" in browser.info.roles and self._search is None,
            "train": bool(browser.info.answers),
            "measure": bool(browser.info.answers),
        }
        return working.get(action, True)
