"""The files screen: a list of files, or one of them as a table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from textual.widget import Widget

from weibo_tui.app.base import MainScreen
from weibo_tui.app.files.list_view import FileListTable, FileListView
from weibo_tui.app.files.view import FileView
from weibo_tui.app.keymap import bindings
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress
from weibo_tui.locale import N_
from weibo_tui.storage.row_filters import ALL_ROWS, RowFilter
from weibo_tui.workbench.opened_file import OpenedFile


class FilesScreen(MainScreen):
    """Shows the list of files until one is opened, then its table; a key goes back to the list."""

    NAME = "files"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - as Screen declares it
    HELP_TEXT = N_(
        "A labeled file, or any table of posts, opens as a table that can be searched, filtered, sorted, corrected and "
        "exported. The file itself is never changed: answers are kept apart from it. A digit gives the label and moves "
        "to the next row; 0 removes it. Corrections act on the marked rows, without marks on the selected one. A "
        "corrected row stays in its place until the rows are selected again. Esc goes back to the list of files."
    )
    BINDINGS = bindings("files")
    AUTO_FOCUS = "FileListTable"

    def __init__(self) -> None:
        super().__init__()
        self.list_view = FileListView()
        self.view = FileView()
        self.view.display = False
        self._jobs: list[Job] = []
        """The files that are being read, the last one last."""
        self._opening: Job | None = None
        """The job of the file in view, until it is read."""
        self._target: tuple[RowFilter, int | None] = (ALL_ROWS, None)
        """The rows to show of the file that is opened: their filter, and the number of the one for the cursor."""
        self._shown_target: tuple[RowFilter, int | None] | None = None
        """The target that is in view."""
        self._message = ""
        """A sentence to show before the summary of the file that is opened."""

    def compose_body(self) -> Iterable[Widget]:
        yield self.list_view
        yield self.view

    # ---- opening

    def on_screen_resume(self) -> None:
        if self.view.display:
            self.view.browser.refresh_rows()
        else:
            self._refresh_list()

    def open(self, path: Path, query: RowFilter = ALL_ROWS, number: int | None = None, message: str = "") -> None:
        """Open a file with a filter, and with the cursor on the row `number` or on the first.

        `message` is shown before its summary."""
        self._target = query, number
        self._message = message
        job = Job("open", path.name, lambda wb: wb.iter_open_file(path), owner=self)
        self._jobs.append(job)
        self._opening = self.app.start_job(job, self.app.records)
        self.refresh_bindings()

    def on_job_progress(self, message: JobProgress) -> None:
        if message.job is not self._opening:
            return
        files = [event for event in message.events if isinstance(event, OpenedFile)]
        if files and not files[0].info.is_ready:
            self._show_file(files[0])
        elif self.view.display:
            self.view.browser.grow()

    def on_job_finished(self, message: JobFinished) -> None:
        if message.job in self._jobs:
            self._jobs.remove(message.job)
        if message.job is self._opening:
            self._opening = None
            if isinstance(message.result, OpenedFile):
                self._finish(message.result)
            else:
                self._show_list()
        elif not self.view.display:
            self._refresh_list()
        self.refresh_bindings()

    def _finish(self, file: OpenedFile) -> None:
        """Show a file that is read to its end."""
        if self.view.display and self.view.file is file and self._shown_target is self._target:
            self.view.browser.refresh_rows(self._target[1])
        else:
            self._show_file(file)
        info = file.info
        lines = [self._message] * bool(self._message) + [info.summary, *info.warnings]
        self.show_message("\n".join(lines), "notice" if info.warnings else "information")

    def _show_file(self, file: OpenedFile) -> None:
        self.list_view.display, self.view.display = False, True
        self.view.show_file(file, *self._target)
        self._shown_target = self._target
        self.set_focus(self.view.browser.table)

    # ---- the list

    def _show_list(self) -> None:
        self._opening = None
        self.list_view.display, self.view.display = True, False
        self.set_focus(self.list_view.table)
        self._refresh_list()

    def _refresh_list(self) -> None:
        self.run_task(self._load_list(), "list", exclusive=True)

    async def _load_list(self) -> None:
        self.list_view.show(await self.app.records.call(lambda wb: wb.list_files()))
        self.refresh_bindings()

    def on_row_table_opened(self) -> None:
        row = self.list_view.table.row
        if self.list_view.display and row is not None:
            self.open(row.path)

    def on_file_list_table_chosen(self, message: FileListTable.Chosen) -> None:
        self.open(message.path)

    def on_file_list_table_removed(self) -> None:
        self._refresh_list()

    # ---- actions

    def action_back(self) -> None:
        """Leave the details, clear the marks or the search, or go back to the list."""
        if not self.view.go_back():
            self._show_list()

    def action_stop(self) -> None:
        """Stop the export or the search for wrong labels, or reading the last file."""
        if self.view.is_working:
            self.view.stop_work()
        elif self._jobs:
            self._jobs[-1].stop()
            self.app.wake_workers()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if not self.is_mounted:
            return True
        working = {"back": self.view.display, "stop": bool(self._jobs) or self.view.is_working}
        return working.get(action, True)
