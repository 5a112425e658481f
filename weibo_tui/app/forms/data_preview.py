"""A preview of data files: how they are read, their first rows, the rows that are skipped, and an audit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Button, Static

from weibo_tui.app.base import get_app
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.audit_lines import audit_lines, gives_away
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.forms.reading_lines import bad_row_lines, row_lines, source_lines
from weibo_tui.app.forms.readings import Reading, expand_data, iter_report, read_file
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.datasets.tables import Columns
from weibo_tui.datasets.writing import write_bad_rows
from weibo_tui.display_names import display_name
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.numbers import percent
from weibo_tui.progress import Progress
from weibo_tui.workbench.config import AuditConfig
from weibo_tui.workbench.core import AuditResult
from weibo_tui.workbench.workbench import Workbench

DEBOUNCE_SECONDS = 0.3
"""Pause in typing before files are read."""
PROGRESS_SECONDS = 0.1
SUGGESTED_DROPOUT = "0.5"


class DataPreview(Vertical):
    """Reads files as soon as they are chosen.

    The audit has its own thread: it reads large files and fits a model, and predictions must not wait for that."""

    DEFAULT_CSS = """
    DataPreview {
        height: auto;
        & > * { height: auto; }
        & > .problem { color: $text-error; }
        & > .rows { margin: 1 0; }
        & > .progress { color: $text-muted; }
        & > Button { margin-top: 1; display: none; }
        & > .bad { margin-bottom: 1; display: none; }
        &.-skips > .bad { display: block; }
        &.-skips > #save-bad-rows { display: block; margin: 0 0 1 0; }
        &.-gives-away > #set-dropout { display: block; }
    }
    """

    class Loaded(Message):
        """The files were read, or could not be: each reading may have a problem."""

        def __init__(self, readings: Sequence[Reading]) -> None:
            super().__init__()
            self.readings = readings

    class Suggested(Message):
        """The user accepted the suggested emoticon dropout."""

    def __init__(self, audit: bool = True, need_label: bool = True) -> None:
        """Without `audit` only the format, the first rows and those that are skipped are shown."""
        super().__init__()
        self._with_audit = audit
        self._need_label = need_label
        self._plan: AuditConfig | None = None
        self._thread: WorkerThread | None = None
        self.readings: Sequence[Reading] = ()
        """Those of the present files, empty until they are read."""
        self._source = Static()
        self._problem = Static(classes="problem")
        self._rows = Static(classes="rows")
        self._bad = Static(classes="bad")
        self._progress = Static(classes="progress")
        self._audit = Static(classes="audit")

    def compose(self) -> ComposeResult:
        yield Static(safe_content(_("Contents")), classes="section")
        yield self._source
        yield self._problem
        yield self._rows
        yield self._bad
        yield Button(safe_content(_("Save the skipped rows")), id="save-bad-rows")
        yield self._progress
        yield self._audit
        yield Button(safe_content(_("Set emoticon dropout to 0.5")), id="set-dropout")

    def on_mount(self) -> None:
        self._clear()

    def on_unmount(self) -> None:
        if self._thread is not None:
            self._thread.close(wait=False)

    def load(self, plan: AuditConfig) -> None:
        """Show these files and folders, read with these columns and labels."""
        if plan != self._plan:
            self._plan, self.readings = plan, ()
            get_app(self).run_task(self._load(plan), group="preview", exclusive=True, node=self)

    async def _load(self, plan: AuditConfig) -> None:
        await asyncio.sleep(DEBOUNCE_SECONDS)
        records = get_app(self).records
        try:
            files, columns = await records.call(lambda _wb: expand_data(plan.data, plan.columns))
            readings = [
                await records.call(lambda _wb: read_file(path, columns, self._need_label))  # noqa: B023 - called at once
                for path in files
            ]
            self._clear()
            if not plan.data:
                return
            self.readings = readings
            self._show_readings()
            self.post_message(self.Loaded(readings))
            for reading in readings:
                await self._read_to_end(reading, columns)
            if self._with_audit and not any(reading.problem for reading in readings):
                await self._show_audit(AuditConfig(files, columns, plan.labels, plan.map))
        except WeiboTuiError as error:
            self._show_problem(user_message(error))
        self._show_progress("")

    async def _read_to_end(self, reading: Reading, columns: Columns) -> None:
        try:
            await self.run(lambda _wb: iter_report(reading, columns), self._show_progress)
        except WeiboTuiError as error:
            reading.problem = reading.problem or user_message(error)
        self._show_readings()

    def _show_readings(self) -> None:
        readings = self.readings
        self._source.update(ResponsiveText(lambda width: source_lines(readings, width)))
        self._rows.update(ResponsiveText(lambda width: row_lines(readings, width)))
        self._bad.update(ResponsiveText(lambda width: bad_row_lines(readings, width)))
        self.set_class(any(reading.report is not None and reading.report.bad for reading in readings), "-skips")

    async def _show_audit(self, plan: AuditConfig) -> None:
        event = await self.run(lambda wb: wb.iter_audit(plan), self._show_progress)
        assert isinstance(event, AuditResult)
        self._audit.update(ResponsiveText(lambda width: audit_lines(event.audit, width)))
        self.set_class(gives_away(event.audit.emoticons), "-gives-away")

    async def run(self, work: Callable[[Workbench], Iterator[object]], show: Callable[[str], None]) -> object:
        """Do `work` in the thread of the audit, `show` its progress, and return its last event."""
        if self._thread is None:
            self._thread = WorkerThread("audit", get_app(self).paths.data)  # it uses no file of the home
            self._thread.start()
        thread, last = self._thread, None
        events = await thread.call(work)
        while (event := await thread.call(lambda _wb: _advance(events))) is not None:
            last = event
            if isinstance(event, Progress):
                show(_progress_text(event))
        return last

    def _clear(self) -> None:
        self.readings = ()
        self._show_readings()
        if not (self._plan and self._plan.data):
            self._source.update(safe_content(_("A preview of the chosen files appears here.")))
        self._show_problem("")
        self._show_progress("")
        self._audit.update("")
        self.remove_class("-gives-away")

    def _show_problem(self, text: str) -> None:
        self._show_part(self._problem, text)

    def _show_progress(self, text: str) -> None:
        self._show_part(self._progress, text)

    def _show_part(self, part: Static, text: str) -> None:
        part.update(safe_content(text))
        part.display = bool(text)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "set-dropout":
            self.remove_class("-gives-away")
            self.post_message(self.Suggested())
        else:
            get_app(self).run_task(self._save_bad_rows(), node=self)

    async def _save_bad_rows(self) -> None:
        """Ask for a file, and write the rows that cannot be read to it."""
        app, plan = get_app(self), self._plan
        paths = [reading.path for reading in self.readings if reading.report is not None and reading.report.bad]
        if plan is None or not paths:  # the files changed just now
            return
        dialog = PathDialog(
            _("Save the skipped rows with their lines and reasons to:"),
            str(paths[0].with_name(f"{paths[0].stem}.skipped.csv")),
            save=True,
            suffixes=(".csv",),
        )
        out = await app.push_screen_wait(dialog)
        if out is None:
            return

        def write(wb: Workbench) -> Iterator[int]:
            files, columns = expand_data(plan.data, plan.columns)
            wb.check_output(out, dialog.overwrite, files)
            yield write_bad_rows(files, columns, out, dialog.overwrite)

        number = await self.run(write, self._show_progress)
        assert isinstance(number, int)
        message = ngettext("{number:,} skipped row saved: {path}.", "{number:,} skipped rows saved: {path}.", number)
        app.show_message(message.format(number=number, path=out), "success")


def _advance(events: Iterator[object]) -> object:
    """Run work for a tenth of a second, so that it can be abandoned. Return its last event, None at its end."""
    until = time.monotonic() + PROGRESS_SECONDS
    event = None
    while (newer := next(events, None)) is not None:
        event = newer
        if time.monotonic() >= until:
            break
    return event


def _progress_text(progress: Progress) -> str:
    done = f"{progress.done:,}" if not progress.total else percent(progress.done / progress.total, 0)
    return f"{display_name(progress.stage)} {done}"
