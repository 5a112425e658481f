"""Edits of the history: correct a label, delete entries, undo, clear."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from weibo_tui.app.base import get_app
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.formatting import label_name, safe_line
from weibo_tui.app.history.browser import HistoryBrowser
from weibo_tui.app.history.window import Key
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.storage.history import Analysis, Entry, History
from weibo_tui.text.terminal import truncate_cells

_QUOTE_CELLS = 40
"""Cells of a post that a question quotes."""


class HistoryEdits:
    """Asks the user, changes the history in the records thread, and refreshes the browser."""

    def __init__(self, browser: HistoryBrowser) -> None:
        self._browser = browser
        self._app = get_app(browser)
        self._deleted: list[list[Entry]] = []

    @property
    def can_undo(self) -> bool:
        """True if there is a deletion to undo."""
        return bool(self._deleted)

    async def correct(self, analysis: Analysis) -> None:
        """Ask for the right label, and store it next to the predicted one."""
        # The adapter may be gone or be another one of the same name, so the labels of the prediction count too.
        labels = list(dict.fromkeys([*self._app.catalog.labels(analysis.adapter), *analysis.probabilities]))
        if not labels:
            choices = await self._app.records.call(lambda wb: wb.history.filter_choices())
            labels = [label for label in choices.labels if label]
        predicted = label_name(analysis.label) if analysis.error is None else _("failed")
        answers = [("", _("as judged: {label}").format(label=predicted))]
        answers += [(str(number), label_name(label)) for number, label in enumerate(labels)]
        current = str(labels.index(analysis.corrected)) if analysis.corrected in labels else ""
        question = _("What is the label of “{post}”?").format(post=_quote(analysis))
        answer = await self._app.push_screen_wait(ChoiceDialog(question, answers, current))
        if answer is None or analysis.id is None:
            return
        analysis_id, label = analysis.id, labels[int(answer)] if answer else None
        await self._app.records.call(lambda wb: wb.history.correct(analysis_id, label))
        self._browser.refresh_entries()

    async def delete(self, entries: dict[Key, Entry], undo_key: str) -> None:
        """Delete entries, if the user agrees. `undo_key` is the key to name for `undo`."""
        if len(entries) == 1:
            question = _("Delete “{post}”?").format(post=_quote(*entries.values()))
        else:
            message = ngettext("Delete {count:,} marked entry?", "Delete {count:,} marked entries?", len(entries))
            question = message.format(count=len(entries))
        if not await self._confirm(question, _("Keep"), _("Delete")):
            return
        neighbor = self._browser.neighbor(entries)
        deleted = await self._app.records.call(lambda wb: _delete(wb.history, entries.values()))
        self._deleted.append(deleted)
        self._browser.clear_marks()
        self._browser.refresh_around(neighbor)
        message = ngettext(
            "{count:,} entry deleted; {key} brings it back.",
            "{count:,} entries deleted; {key} brings them back.",
            len(deleted),
        )
        self._app.show_message(message.format(count=len(deleted), key=undo_key), "success")

    async def undo(self) -> None:
        """Restore the entries of the last deletion."""
        if not self._deleted:
            return
        entries = self._deleted.pop()
        try:
            await self._app.records.call(lambda wb: wb.history.restore(entries))
        except Exception:
            self._deleted.append(entries)
            raise
        self._browser.go_to(entries[0])
        message = ngettext("{count:,} entry is back.", "{count:,} entries are back.", len(entries))
        self._app.show_message(message.format(count=len(entries)), "success")

    async def clear(self) -> bool:
        """Delete everything for good, if the user agrees. Return True if it was done."""
        count = await self._app.records.call(lambda wb: wb.history.count())
        message = ngettext(
            "Delete the {count:,} entry of the history? This cannot be undone.",
            "Delete all {count:,} entries of the history? This cannot be undone.",
            count,
        )
        if not await self._confirm(message.format(count=count), _("Keep them"), _("Delete all")):
            return False
        await self._app.records.call(lambda wb: wb.history.clear())
        self._deleted.clear()
        self._browser.clear_marks()
        self._app.show_message(_("The history is empty now."), "success")
        return True

    async def _confirm(self, question: str, keep: str, delete: str) -> bool:
        answer = await self._app.push_screen_wait(ChoiceDialog(question, [("", keep), ("delete", delete)]))
        return answer == "delete"


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
