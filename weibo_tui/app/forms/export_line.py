"""The line with the progress of an export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.base import get_app
from weibo_tui.app.formatting import bar, safe_content, safe_line
from weibo_tui.app.services.jobs import Job, JobFinished
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.numbers import percent
from weibo_tui.workbench.file_export import ExportedFile
from weibo_tui.workbench.workbench import Workbench

_BAR_CELLS = 20


class ExportLine(Static):
    """Runs an export in the records thread and shows its progress. It is hidden otherwise."""

    DEFAULT_CSS = """
    ExportLine { height: auto; padding: 0 1; background: $surface; display: none; }
    ExportLine.-shown { display: block; }
    """

    job: Job | None = None
    """The running export."""

    def start(self, path: Path, iterate: Callable[[Workbench], Iterator[object]]) -> None:
        """Write the file, and copy its path to the clipboard when it is done."""
        app = get_app(self)
        self._path = path
        job = Job("export", path.name, iterate, owner=self)
        self.job = app.start_job(job, app.records)
        self.add_class("-shown")
        self._show_progress(job)

    def stop(self) -> None:
        """Stop the export; no file is written, and an existing file stays as it was."""
        if self.job is not None:
            self.job.stop()
            get_app(self).wake_workers()

    def on_job_progress(self) -> None:
        if self.job is not None:
            self._show_progress(self.job)

    def on_job_finished(self, message: JobFinished) -> None:
        self.job = None
        self.remove_class("-shown")
        if message.job.outcome == "done":
            self._announce(message.job, message.result.note if isinstance(message.result, ExportedFile) else "")
        elif message.job.outcome == "stopped":
            get_app(self).show_message(_("Export stopped. No file was written."))

    def _announce(self, job: Job, note: str) -> None:
        self.app.copy_to_clipboard(str(self._path))
        count = job.progress.done if job.progress is not None else 0
        posts = ngettext("{count:,} post", "{count:,} posts", count).format(count=count)
        text = _("{posts} written, path copied: {path}").format(posts=posts, path=self._path)
        get_app(self).show_message(f"{text}\n{note}".strip(), "success")

    def _show_progress(self, job: Job) -> None:
        done, total = (job.progress.done, job.progress.total or 0) if job.progress is not None else (0, 0)
        reading = job.progress is not None and job.progress.stage == "reading"
        text = _("Reading the labels for {file}") if reading else _("Exporting {file}")
        share = done / total if total else 0.0
        figures = "  " + _("{done:,} of {total:,}").format(done=done, total=total) if total else ""
        self.update(
            Content.assemble(
                safe_line(text.format(file=job.title)),
                "  ",
                bar(share, _BAR_CELLS, "$primary"),
                "  ",
                percent(share, 0),
                safe_content(figures, "$text-muted"),
            )
        )


def new_path(folder: Path, stem: str, suffix: str) -> Path:
    """Return the path of a file that does not exist, with a number where the name is taken."""
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path
