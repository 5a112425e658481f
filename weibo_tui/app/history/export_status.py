"""The progress of an export on one line, and in the end the path of the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.base import get_app
from weibo_tui.app.formatting import bar, safe_content, safe_line
from weibo_tui.app.services.jobs import Job, JobFinished
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.numbers import percent
from weibo_tui.storage.history import HistoryFilter

_BAR_CELLS = 20


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Options of an export; `path` is absolute."""

    path: Path
    filter: HistoryFilter
    bom: bool = True
    guard: bool = True
    overwrite: bool = False


class ExportLine(Static):
    """Runs an export in the records thread and shows its progress; hidden while there is nothing to show."""

    DEFAULT_CSS = """
    ExportLine { height: auto; padding: 0 1; background: $surface; display: none; }
    ExportLine.-shown { display: block; }
    """

    job: Job | None = None
    """The running export."""

    def start(self, options: ExportOptions) -> None:
        """Write the file, and copy its path to the clipboard when it is done."""
        app = get_app(self)
        self._path = path = options.path
        job = Job(
            "export",
            path.name,
            lambda wb: wb.iter_export_history(path, options.filter, options.bom, options.guard, options.overwrite),
            owner=self,
        )
        self.job = app.start_job(job, app.records)
        self.add_class("-shown")
        self._show_progress(job)

    def stop(self) -> None:
        """Stop the export; no file is written, and an existing file stays as it was."""
        if self.job is not None:
            self.job.stop()
            get_app(self).wake_workers()

    @property
    def is_done(self) -> bool:
        """True while the line shows a finished export."""
        return self.job is None and self.has_class("-shown")

    def hide(self) -> None:
        self.remove_class("-shown")

    def on_job_progress(self) -> None:
        if self.job is not None:
            self._show_progress(self.job)

    def on_job_finished(self, message: JobFinished) -> None:
        self.job = None
        if message.job.outcome == "done":
            self._show_done(message.job)
            return
        self.hide()
        if message.job.outcome == "stopped":
            get_app(self).show_message(_("The export was stopped: no file was written."))

    def _show_done(self, job: Job) -> None:
        self.app.copy_to_clipboard(str(self._path))
        count = job.progress.done if job.progress is not None else 0
        posts = ngettext("{count:,} post", "{count:,} posts", count).format(count=count)
        message = _("{posts} written, and the file's place copied:").format(posts=posts)
        self.update(Content.assemble(("✓ ", "$text-success"), message, " ", safe_line(str(self._path), "bold")))

    def _show_progress(self, job: Job) -> None:
        done, total = (job.progress.done, job.progress.total or 0) if job.progress is not None else (0, 0)
        share = done / total if total else 0.0
        figures = "  " + _("{done:,} of {total:,}").format(done=done, total=total) if total else ""
        self.update(
            Content.assemble(
                safe_line(_("Exporting {file}").format(file=job.title)),
                "  ",
                bar(share, _BAR_CELLS, "$primary"),
                "  ",
                percent(share, 0),
                safe_content(figures, "$text-muted"),
            )
        )
