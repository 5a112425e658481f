"""An export at work, on one line: how far it is, and in the end where the file is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.base import get_app
from weibo_tui.app.formatting import bar, percent, safe_content, safe_line
from weibo_tui.app.services.jobs import Job, JobFinished
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.storage.history import HistoryFilter

_BAR = 20


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What goes where: `path` is absolute."""

    path: Path
    asked: HistoryFilter
    bom: bool = True
    guard: bool = True
    overwrite: bool = False


class ExportLine(Static):
    """Begins an export on the records' thread and tells of it; not seen while there is nothing to tell."""

    DEFAULT_CSS = """
    ExportLine { height: auto; padding: 0 1; background: $surface; display: none; }
    ExportLine.-shown { display: block; }
    """

    job: Job | None = None
    """The export that is at work."""

    def start(self, plan: ExportOptions) -> None:
        """Write the file; its place goes to the clipboard when it is whole."""
        app = get_app(self)
        job = Job(
            "export",
            plan.path.name,
            iterate=lambda bench: bench.export_history(plan.path, plan.asked, plan.bom, plan.guard, plan.overwrite),
            owner=self,
        )
        self._path = plan.path
        self.job = app.start_job(job, app.records)
        self.add_class("-shown")
        self._draw(job)

    def stop(self) -> None:
        """End the export; it leaves no file, and the one that was there before as it was."""
        if self.job is not None:
            self.job.stop()
            get_app(self).wake_workers()

    @property
    def is_over(self) -> bool:
        """Whether it tells of an export that is done."""
        return self.job is None and self.has_class("-shown")

    def clear_away(self) -> None:
        self.remove_class("-shown")

    def on_job_progress(self) -> None:
        if self.job is not None:
            self._draw(self.job)

    def on_job_finished(self, message: JobFinished) -> None:
        self.job = None
        if message.job.outcome == "done":
            self._tell_done(message.job)
        else:
            self.remove_class("-shown")
            if message.job.outcome == "stopped":
                get_app(self).show_message(_("The export was stopped: no file was written."))

    def _tell_done(self, job: Job) -> None:
        self.app.copy_to_clipboard(str(self._path))
        written = job.progress.done if job.progress is not None else 0
        words = ngettext("{count:,} post", "{count:,} posts", written).format(count=written)
        message = _("{posts} written, and the file's place copied:").format(posts=words)
        self.update(Content.assemble(("✓ ", "$text-success"), message, " ", safe_line(str(self._path), "bold")))

    def _draw(self, job: Job) -> None:
        done, total = (job.progress.done, job.progress.total or 0) if job.progress is not None else (0, 0)
        share = done / total if total else 0.0
        self.update(
            Content.assemble(
                safe_line(_("Exporting {file}").format(file=job.title)),
                "  ",
                bar(share, _BAR, "$primary"),
                "  ",
                percent(share, 0),
                safe_content(
                    "  " + _("{done:,} of {total:,}").format(done=done, total=total) if total else "", "$text-muted"
                ),
            )
        )
