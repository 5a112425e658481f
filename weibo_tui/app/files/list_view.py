"""The list of files: those that were opened, and the labeled ones of the history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.widgets import Static

from weibo_tui.app.base import get_app
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.files.columns import LIST_COLUMNS, LIST_ORDER
from weibo_tui.app.formatting import quote, safe_content, safe_line
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.widgets.row_table import RowTable
from weibo_tui.datasets.containers import SUFFIXES
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.storage.row_filters import RowOrder
from weibo_tui.workbench.file_caches import ListedFile


class FileListTable(RowTable[ListedFile, RowOrder]):
    """The files, newest first."""

    BINDINGS = bindings("files_list")
    HELP_TEXT = N_(
        "Files that were opened here and files that were labeled, newest first. Enter opens the selected one, o opens "
        "any other table of posts by its path. Removing a file from the list deletes the index that makes it fast, and "
        "on request the answers; the file itself is kept."
    )

    class Chosen(Message):
        """Another file was chosen by its path."""

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    class Removed(Message):
        """The index of a file was removed."""

        def __init__(self, file: ListedFile) -> None:
            super().__init__()
            self.file = file

    def action_choose(self) -> None:
        get_app(self).run_task(self._choose(), node=self)

    async def _choose(self) -> None:
        path = await self.app.push_screen_wait(PathDialog(_("Table of posts to open:"), suffixes=SUFFIXES))
        if path is not None:
            self.post_message(self.Chosen(path.absolute()))

    def action_remove(self) -> None:
        if self.row is not None:
            get_app(self).run_task(self._remove(self.row.path), node=self)

    async def _remove(self, path: Path) -> None:
        # The row may be older than the file's answers, or from when it was being read.
        file = await get_app(self).records.call(lambda wb: wb.find_file(str(path)))
        question = _("Remove the index of “{file}”? The file itself is kept.").format(file=quote(file.path.name))
        choices = [("", _("Keep")), ("remove", _("Remove, and keep the answers"))]
        if file.answers:
            choices.append(("answers", _("Remove, and delete all answers for good")))
        choice = await self.app.push_screen_wait(ChoiceDialog(question, choices))
        if choice:
            await get_app(self).records.call(lambda wb: wb.remove_file(file, answers=choice == "answers"))
            self.post_message(self.Removed(file))

    def action_first(self) -> None:
        self.go_to(0)

    def action_last(self) -> None:
        self.go_to(len(self.rows))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if self.parent is None or not self.parent.display:
            return False
        if action == "remove":
            return self.row is not None and bool(self.row.fingerprint)
        return self.row is not None if action in ("open", "first", "last") else True


class FileListView(Container):
    """The list of files, and the path of the selected one."""

    DEFAULT_CSS = """
    FileListView { height: 1fr; }
    FileListView .path { height: 1; padding: 0 1; color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.table = FileListTable(LIST_COLUMNS, LIST_ORDER)
        self._path = Static(classes="path")

    def compose(self) -> ComposeResult:
        yield self.table
        yield self._path

    def on_mount(self) -> None:
        self.table.add_class("pane")
        self.on_settings_changed()

    def on_settings_changed(self) -> None:
        self.table.border_title = _("Files")
        text = _("No files yet. Press {key} to open a table of posts, or label one on the predict screen ({predict}).")
        keymap = get_app(self).keymap
        keys = {"key": first_key("files_list.choose", keymap), "predict": first_key("app.predict", keymap)}
        self.table.placeholder = safe_content(text.format(**keys))

    def show(self, files: Sequence[ListedFile]) -> None:
        """Show the files; the cursor stays on its file."""
        paths = [file.path for file in files]
        row = self.table.row
        cursor = paths.index(row.path) if row is not None and row.path in paths else self.table.cursor
        self.table.load(files, cursor, self.table.top, None, keep_widths=False)
        self._show_path()

    def on_row_table_moved(self) -> None:
        self._show_path()

    def _show_path(self) -> None:
        row = self.table.row
        self._path.update(safe_line(str(row.path)) if row is not None else "")
        self.table.refresh_bindings()
