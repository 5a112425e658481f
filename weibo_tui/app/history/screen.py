"""The history screen: search, read, correct, delete and export past predictions."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from weibo_tui.app.base import MainScreen
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.formatting import label_name, safe_content, safe_line
from weibo_tui.app.history.browser import HistoryBrowser
from weibo_tui.app.history.details import EntryDetails
from weibo_tui.app.history.export import ExportForm, ExportLine
from weibo_tui.app.history.filter_dialog import FilterDialog, filter_terms
from weibo_tui.app.history.window import Key, key_of
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.widgets.single_line_input import SingleLineInput
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.history import EVERYTHING, Analysis, Entry, History, HistoryFilter
from weibo_tui.text.terminal import truncate_cells

_QUOTE_CELLS = 40
"""Cells of a post that a question quotes."""
_NEED_AN_ENTRY = ("delete", "copy", "mark", "newest", "oldest")
_NEED_AN_ANALYSIS = ("correct", "to_prompt")
_CONDITIONAL = ("search", "filter", "unfilter", "correct", "delete", "undo", "export", "stop_export", "clear")
"""Actions whose keys are in the footer, or stop working with those."""


class SearchField(SingleLineInput):
    """The search text; the history is searched as it is typed."""

    BINDINGS = bindings("history_search")
    HELP_TEXT = N_("Shows the posts that contain the typed text, upper or lower case, as you type.")

    def action_leave(self) -> None:
        # Not by a message: the next key may be waiting already, and is the table's.
        self.screen.set_focus(self.screen.query_one(HistoryBrowser).table)


class HistoryScreen(MainScreen):
    """A search field, the filter, the table with its details, and a running export."""

    NAME = "history"
    HELP_TEXT = N_(
        "All predictions are kept here until you delete them. Search, filter, correct a label, and export "
        "the rows as a CSV file for a spreadsheet."
    )
    BINDINGS = bindings("history")
    AUTO_FOCUS = "EntryTable"
    CSS = """
    HistoryScreen SearchField { background: $surface; }
    HistoryScreen SearchField:focus { background: $boost; }
    HistoryScreen SearchField > .input--placeholder { color: $text-muted; }
    HistoryScreen .filters { height: auto; padding: 0 1; display: none; }
    HistoryScreen .filters.-shown { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._pending_id: int | None = None
        """The analysis to show when the screen opens."""
        self._working: list[bool | None] = []
        self._filter_terms: list[str] = []
        self._deleted: list[list[Entry]] = []
        """The deletions that can be undone, the last one last."""

    def compose_body(self) -> Iterable[Widget]:
        yield SearchField()
        yield Static(classes="filters")
        yield HistoryBrowser()
        yield ExportLine()

    def on_mount(self) -> None:
        self.on_settings_changed()

    def on_settings_changed(self) -> None:
        placeholder = _("{key} searches the posts").format(key=self._key("history.search"))
        self.query_one(SearchField).placeholder = placeholder
        self._filter_terms = []
        self._show_filter(self.browser.filter)

    @property
    def browser(self) -> HistoryBrowser:
        return self.query_one(HistoryBrowser)

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

    def on_history_browser_changed(self) -> None:
        self.browser.table.placeholder = self._placeholder()
        self._show_filter(self.browser.filter)
        self._update_keys()

    def on_descendant_focus(self) -> None:
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
        hint = "   " + _("{key} clears").format(key=self._key("history.unfilter"))
        filters = self.query_one(".filters", Static)
        filters.set_class(bool(terms), "-shown")
        filters.update(Content.assemble(safe_line(" · ".join(terms), "$secondary"), (hint, "$text-muted")))

    def _placeholder(self) -> Content:
        """Return the text for an empty table."""
        if self.browser.total is None:
            return Content("")
        if self.browser.filter.text:
            text, key = _("No matches. {key} clears the search."), "history.back"
        elif self.browser.filter != EVERYTHING:
            text, key = _("No entry matches. {key} clears the filter."), "history.unfilter"
        elif not self.app.settings.history:
            text, key = _("Predictions are not recorded. Press {key} to turn the history on."), "app.settings"
        else:
            key = "app.predict"
            text = _(
                "Predictions appear here, to be searched, corrected and exported. Press {key}, type a post "
                "and press Enter."
            )
        return safe_content(text.format(key=self._key(key)))

    def _key(self, action: str) -> str:
        return first_key(action, self.app.keymap)

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

    def action_back(self) -> None:
        """Leave the details, or clear the search, a finished export or the marks."""
        field, export = self.query_one(SearchField), self.query_one(ExportLine)
        if isinstance(self.focused, EntryDetails) or (field.has_focus and not field.value):
            self.set_focus(self.browser.table)
        elif field.has_focus:
            field.value = ""
        elif export.is_done:
            export.hide()
        elif self.browser.marked:
            self.browser.clear_marks()
        else:
            field.value = ""

    # ---- actions on entries

    def action_mark(self) -> None:
        self.browser.toggle_mark()

    def action_copy(self) -> None:
        entry = self.browser.entry
        if isinstance(entry, Analysis):
            self.app.copy_to_clipboard(entry.text)
            self.show_message(_("Copied the post."), "success")
        elif entry is not None:
            self.app.copy_to_clipboard(str(entry.out))
            self.show_message(_("Copied the path of the labeled file."), "success")

    def action_correct(self) -> None:
        if isinstance(self.browser.entry, Analysis):
            self.run_task(self._correct(self.browser.entry))

    async def _correct(self, analysis: Analysis) -> None:
        """Ask for the right label, and store it next to the predicted one."""
        # The adapter may be gone or be another one of the same name, so the labels of the prediction count too.
        labels = list(dict.fromkeys([*self.app.catalog.labels(analysis.adapter), *analysis.probabilities]))
        if not labels:
            choices = await self.app.records.call(lambda wb: wb.history.filter_choices())
            labels = [label for label in choices.labels if label]
        predicted = label_name(analysis.label) if analysis.error is None else _("failed")
        answers = [("", _("predicted: {label}").format(label=predicted))]
        answers += [(str(number), label_name(label)) for number, label in enumerate(labels)]
        current = str(labels.index(analysis.corrected)) if analysis.corrected in labels else ""
        question = _("Label of “{post}”:").format(post=_quote(analysis))
        answer = await self.app.push_screen_wait(ChoiceDialog(question, answers, current))
        if answer is None or analysis.id is None:
            return
        analysis_id, label = analysis.id, labels[int(answer)] if answer else None
        await self.app.records.call(lambda wb: wb.history.correct(analysis_id, label))
        self.browser.refresh_entries()

    def action_delete(self) -> None:
        if (entry := self.browser.entry) is not None:
            self.run_task(self._delete(dict(self.browser.marked) or {key_of(entry): entry}))

    async def _delete(self, entries: dict[Key, Entry]) -> None:
        if len(entries) == 1:
            question = _("Delete “{post}”?").format(post=_quote(*entries.values()))
        else:
            message = ngettext("Delete {count:,} marked entry?", "Delete {count:,} marked entries?", len(entries))
            question = message.format(count=len(entries))
        if not await self._confirm(question, _("Keep"), _("Delete")):
            return
        neighbor = self.browser.neighbor(entries)
        deleted = await self.app.records.call(lambda wb: _delete(wb.history, entries.values()))
        self._deleted.append(deleted)
        self.browser.clear_marks()
        self.browser.refresh_around(neighbor)
        message = ngettext(
            "{count:,} entry deleted. Press {key} to undo.",
            "{count:,} entries deleted. Press {key} to undo.",
            len(deleted),
        )
        self.show_message(message.format(count=len(deleted), key=self._key("history.undo")), "success")

    def action_undo(self) -> None:
        if self._deleted:
            self.run_task(self._restore(self._deleted.pop()))

    async def _restore(self, entries: list[Entry]) -> None:
        try:
            await self.app.records.call(lambda wb: wb.history.restore(entries))
        except Exception:
            self._deleted.append(entries)
            raise
        self.browser.go_to(entries[0])
        message = ngettext("{count:,} entry restored.", "{count:,} entries restored.", len(entries))
        self.show_message(message.format(count=len(entries)), "success")

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
        if await self._confirm(message.format(count=count), _("Keep"), _("Delete all")):
            await self.app.records.call(lambda wb: wb.history.clear())
            self._deleted.clear()
            self.browser.clear_marks()
            self.action_unfilter()
            self.browser.refresh_around(None)
            self.show_message(_("The history is empty now."), "success")

    async def _confirm(self, question: str, keep: str, delete: str) -> bool:
        answer = await self.app.push_screen_wait(ChoiceDialog(question, [("", keep), ("delete", delete)]))
        return answer == "delete"

    def action_to_prompt(self) -> None:
        if isinstance(self.browser.entry, Analysis):
            self.app.edit_in_prompt(self.browser.entry.text)

    # ---- export

    def action_export(self) -> None:
        self.run_task(self._export())

    async def _export(self) -> None:
        options = await self.app.push_screen_wait(ExportForm(self.browser.filter))
        if options is not None:
            self.query_one(ExportLine).start(options)
            self._update_keys()

    def action_stop_export(self) -> None:
        self.query_one(ExportLine).stop()

    # ---- moving

    def action_newest(self) -> None:
        self.browser.go_to_newest()

    def action_oldest(self) -> None:
        self.browser.go_to_oldest()

    def action_refresh(self) -> None:
        self.browser.refresh_entries()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if not self.is_mounted:
            return True
        entry, filtered = self.browser.entry, self.browser.filter != EVERYTHING
        if action in _NEED_AN_ENTRY:
            return entry is not None
        if action in _NEED_AN_ANALYSIS:
            return isinstance(entry, Analysis)
        exporting = self.query_one(ExportLine).job is not None
        some = entry is not None or filtered
        working = {
            "search": some and not self.query_one(SearchField).has_focus,
            "filter": some,
            "unfilter": filtered,
            "undo": bool(self._deleted),
            "export": entry is not None and not exporting,
            "stop_export": exporting,
            "clear": some,
        }
        return working.get(action, True)


def _quote(entry: Entry) -> str:
    text = entry.text if isinstance(entry, Analysis) else str(entry.path)
    return truncate_cells(safe_line(text[: 4 * _QUOTE_CELLS]).plain, _QUOTE_CELLS)


def _delete(history: History, entries: Iterable[Entry]) -> list[Entry]:
    """Delete entries, and return them as they were last: a mark may be older than a correction."""
    current: list[Entry] = []
    for entry in entries:
        if isinstance(entry, Analysis) and entry.id is not None:
            with suppress(UserInputError):  # deleted by another program
                current.append(history.get(entry.id))
        else:
            current.append(entry)
    history.delete(current)
    return current
