"""What a person does to entries of the history: correct, delete, bring back, delete all."""

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
from weibo_tui.text import truncate_cells

_QUOTED = 40
"""Cells of a post that a question quotes."""


class HistoryEdits:
    """Asks, has the records' thread do it, and lets the browser look again."""

    def __init__(self, browser: HistoryBrowser) -> None:
        self._browser = browser
        self._app = get_app(browser)
        self._deleted: list[list[Entry]] = []

    @property
    def can_undo(self) -> bool:
        """Whether anything was deleted that can be brought back."""
        return bool(self._deleted)

    async def correct(self, analysis: Analysis) -> None:
        """Ask for the label that counts, and keep it beside the verdict."""
        # The adapter may be gone, or another of its name be there: what was told apart then counts too.
        labels = list(dict.fromkeys([*self._app.catalog.labels(analysis.adapter), *analysis.probabilities]))
        if not labels:
            choices = await self._app.records.call(lambda bench: bench.history.choices())
            labels = [label for label in choices.labels if label]
        judged = label_name(analysis.label) if analysis.error is None else _("failed")
        answers = [("", _("as judged: {label}").format(label=judged))]
        answers += [(str(number), label_name(label)) for number, label in enumerate(labels)]
        chosen = str(labels.index(analysis.corrected)) if analysis.corrected in labels else ""
        question = _("What is the label of “{post}”?").format(post=_quoted(analysis))
        answer = await self._app.push_screen_wait(ChoiceDialog(question, answers, chosen))
        if answer is None or analysis.id is None:
            return
        identity, label = analysis.id, labels[int(answer)] if answer else None
        await self._app.records.call(lambda bench: bench.history.correct(identity, label))
        self._browser.refresh_entries()

    async def delete(self, chosen: dict[Key, Entry], undo_key: str) -> None:
        """Delete entries, if the person agrees; `undo` brings them back, and `undo_key` is what does it."""
        if len(chosen) == 1:
            question = _("Delete “{post}”?").format(post=_quoted(*chosen.values()))
        else:
            message = ngettext("Delete {count:,} marked entry?", "Delete {count:,} marked entries?", len(chosen))
            question = message.format(count=len(chosen))
        if (
            await self._app.push_screen_wait(ChoiceDialog(question, [("", _("Keep")), ("delete", _("Delete"))]))
            != "delete"
        ):
            return
        neighbour = self._browser.neighbour(chosen)
        gone = await self._app.records.call(lambda bench: _delete(bench.history, chosen.values()))
        self._deleted.append(gone)
        self._browser.unmark()
        self._browser.refresh_around(neighbour)
        message = ngettext(
            "{count:,} entry deleted; {key} brings it back.",
            "{count:,} entries deleted; {key} brings them back.",
            len(gone),
        )
        self._app.show_message(message.format(count=len(gone), key=undo_key), "success")

    async def undo(self) -> None:
        """Bring back what was deleted last."""
        if not self._deleted:
            return
        entries = self._deleted.pop()
        try:
            await self._app.records.call(lambda bench: bench.history.restore(entries))
        except Exception:
            self._deleted.append(entries)
            raise
        self._browser.go_to(entries[0])
        message = ngettext("{count:,} entry is back.", "{count:,} entries are back.", len(entries))
        self._app.show_message(message.format(count=len(entries)), "success")

    async def clear(self) -> bool:
        """Delete everything for good, if the person agrees; whether it was done."""
        count = await self._app.records.call(lambda bench: bench.history.count())
        message = ngettext(
            "Delete the {count:,} entry of the history? This cannot be undone.",
            "Delete all {count:,} entries of the history? This cannot be undone.",
            count,
        )
        answers = [("", _("Keep them")), ("delete", _("Delete all"))]
        if await self._app.push_screen_wait(ChoiceDialog(message.format(count=count), answers)) != "delete":
            return False
        await self._app.records.call(lambda bench: bench.history.clear())
        self._deleted.clear()
        self._browser.unmark()
        self._app.show_message(_("The history is empty now."), "success")
        return True


def _quoted(entry: Entry) -> str:
    text = entry.text if isinstance(entry, Analysis) else str(entry.path)
    return truncate_cells(safe_line(text[: 4 * _QUOTED]).plain, _QUOTED)


def _delete(history: History, entries: Iterable[Entry]) -> list[Entry]:
    """Delete entries; they are given back as they were at last, for the marks may be from before a correction."""
    found: list[Entry] = []
    for entry in entries:
        if isinstance(entry, Analysis) and entry.id is not None:
            with suppress(UserInputError):  # gone already, by another program
                found.append(history.get(entry.id))
        else:
            found.append(entry)
    history.delete(found)
    return found
