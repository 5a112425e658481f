"""The part of the history screen that changes entries: correct, delete, undo, and their marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual import events

from weibo_tui.app.base import MainScreen
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.formatting import quote
from weibo_tui.app.history.browser import HistoryBrowser
from weibo_tui.app.history.edits import Correction, Deletion, possible_labels
from weibo_tui.app.history.window import key_of
from weibo_tui.app.keymap import first_key
from weibo_tui.app.widgets.label_dialog import LabelDialog, correction_message
from weibo_tui.app.widgets.label_keys import LabelKeys, pressed_digit
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.storage.history import Analysis, Entry


class EditingScreen(MainScreen):
    """Acts on the marked entries, or without marks on the one under the cursor."""

    def __init__(self) -> None:
        super().__init__()
        self.edits: list[Correction | Deletion] = []
        """The edits that can be undone, the last one last."""

    @property
    def browser(self) -> HistoryBrowser:
        return self.query_one(HistoryBrowser)

    @property
    def selected_posts(self) -> list[Analysis]:
        """The analyses among the marked entries, or without marks the one under the cursor."""
        return [entry for entry in self.browser.selected if isinstance(entry, Analysis)]

    def key(self, action: str) -> str:
        return first_key(action, self.app.keymap)

    # ---- marks

    def action_mark(self) -> None:
        self.browser.toggle_mark()

    def action_unmark(self) -> None:
        self.browser.clear_marks()

    # ---- corrections

    def show_labels(self) -> None:
        """Show the labels that the digits give."""
        posts = self.selected_posts
        removable = any(post.corrected is not None for post in posts)
        self.query_one(LabelKeys).show(possible_labels(self.app.catalog, posts), removable)

    def on_key(self, event: events.Key) -> None:
        """Correct to the label of a digit and go to the next row."""
        if (digit := pressed_digit(self, event)) is None:
            return
        posts = self.selected_posts
        labels = possible_labels(self.app.catalog, posts)
        if digit <= len(labels):
            is_marked = bool(self.browser.marked)
            self._correct(posts, labels[digit - 1])
            if not is_marked:
                self.browser.table.action_move(1)

    def action_uncorrect(self) -> None:
        self._correct(self.selected_posts, None)

    def action_correct(self) -> None:
        if posts := self.selected_posts:
            self.run_task(self._ask_for_label(posts))

    async def _ask_for_label(self, posts: list[Analysis]) -> None:
        """Ask for the right label, and store it next to the predicted one."""
        labels = possible_labels(self.app.catalog, posts)
        if not labels:
            choices = await self.app.records.call(lambda wb: wb.history.filter_choices())
            labels = [label for label in choices.labels if label]
        [first, *_others] = posts
        current = labels.index(first.corrected) if first.corrected in labels else None
        names = [label_name(label) for label in labels]
        dialog = LabelDialog([post.text for post in posts], names, _label_text(first.label), current)
        answer = await self.app.push_screen_wait(dialog)
        if answer is not None:
            self._correct(posts, labels[int(answer)] if answer else None)

    def _correct(self, posts: Sequence[Analysis], label: str | None) -> None:
        if not posts:
            return
        correction = Correction(posts)
        self.edits.append(correction)
        if self.browser.marked:
            self.browser.clear_marks()
            name = None if label is None else label_name(label)
            self.show_message(correction_message(len(posts), name), "success")
        self.run_task(self._store(correction, label))

    async def _store(self, correction: Correction, label: str | None) -> None:
        """Show a correction at once, and store it."""
        posts = correction.before
        self.browser.update_entries([replace(post, corrected=label) for post in posts])
        try:
            await self.app.records.call(lambda wb: correction.apply(wb.history, label))
        except Exception:
            if correction in self.edits:
                self.edits.remove(correction)
            self.browser.refresh_entries()
            raise
        if len(correction.before) < len(posts):  # another program has deleted some
            self.browser.refresh_entries()

    # ---- deletions

    def action_delete(self) -> None:
        if entries := self.browser.selected:
            self.run_task(self._delete(entries))

    async def _delete(self, entries: list[Entry]) -> None:
        if len(entries) == 1 and not isinstance(entries[0], Analysis):
            question = _("Remove “{file}” from the history? The file itself is kept.").format(file=_quote(*entries))
        elif len(entries) == 1:
            question = _("Delete “{post}”?").format(post=_quote(*entries))
        else:
            message = ngettext("Delete {count:,} marked entry?", "Delete {count:,} marked entries?", len(entries))
            question = message.format(count=len(entries))
        if not await self.confirm(question, _("Keep"), _("Delete")):
            return
        neighbor = self.browser.neighbor({key_of(entry) for entry in entries})
        deletion = Deletion(entries)
        await self.app.records.call(lambda wb: deletion.apply(wb.history))
        self.edits.append(deletion)
        self.browser.clear_marks()
        self.browser.refresh_around(neighbor)
        message = ngettext(
            "{count:,} entry deleted. Press {key} to undo.",
            "{count:,} entries deleted. Press {key} to undo.",
            len(deletion.before),
        )
        self.show_message(message.format(count=len(deletion.before), key=self.key("history.undo")), "success")

    async def confirm(self, question: str, keep: str, delete: str) -> bool:
        answer = await self.app.push_screen_wait(ChoiceDialog(question, [("", keep), ("delete", delete)]))
        return answer == "delete"

    # ---- undo

    def action_undo(self) -> None:
        if self.edits:
            self.run_task(self._undo(self.edits.pop()))

    async def _undo(self, edit: Correction | Deletion) -> None:
        try:
            await self.app.records.call(lambda wb: edit.undo(wb.history))
        except Exception:
            self.edits.append(edit)
            raise
        if not edit.before:
            return
        if isinstance(edit, Correction):
            self.browser.update_entries(edit.before)
            self.browser.move_to(edit.before[0])
        else:
            self.browser.go_to(edit.before[0])
        self.show_message(_undone(edit), "success")


def _undone(edit: Correction | Deletion) -> str:
    """Return what was undone, in words."""
    count = len(edit.before)
    if isinstance(edit, Deletion):
        text = ngettext("{count:,} entry restored.", "{count:,} entries restored.", count)
    elif count == 1:
        [post] = edit.before
        return _("Correction undone: “{post}” is {label} again.").format(
            post=_quote(post), label=_label_text(post.effective_label)
        )
    else:
        text = ngettext("Correction of {count:,} post undone.", "Correction of {count:,} posts undone.", count)
    return text.format(count=count)


def _label_text(label: str) -> str:
    return label_name(label) if label else _("failed")


def _quote(entry: Entry) -> str:
    return quote(entry.text if isinstance(entry, Analysis) else str(entry.path))
