"""The export of the history: the dialog that asks where and how, and the line with the progress."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import get_app
from weibo_tui.app.formatting import bar, safe_content, safe_line
from weibo_tui.app.forms.base import FieldError, PlanForm
from weibo_tui.app.forms.fields import FieldSpec
from weibo_tui.app.forms.path_completion import check_path
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.history.filter_dialog import filter_terms
from weibo_tui.app.services.jobs import Job, JobFinished
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.storage.entries import FILE_SOURCE, OLDEST_FIRST
from weibo_tui.storage.history import EVERYTHING, NEWEST_FIRST, History, HistoryFilter, HistoryOrder

_YES = "yes"
_MARKED, _READABLE = "marked", "readable"
_BAR_CELLS = 20


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Options of an export; `path` is absolute. With `ids`, only the analyses with these are written."""

    path: Path
    filter: HistoryFilter
    ids: tuple[int, ...] | None = None
    order: HistoryOrder = OLDEST_FIRST
    readable: bool = True
    bom: bool = True
    guard: bool = True
    overwrite: bool = False


class ExportForm(PlanForm[ExportOptions]):
    """Asks for the options of an export."""

    HELP_TEXT = N_(
        "Each row has a post with its prediction, labels, probabilities and time. Labeled files in the "
        "history are not included."
    )
    DEFAULT_CSS = """
    ExportForm PathInput, ExportForm .count { margin: 1 0; }
    ExportForm .count { height: auto; color: $text-muted; }
    """

    def __init__(self, query: HistoryFilter, marked: tuple[int, ...] = (), order: HistoryOrder = NEWEST_FIRST) -> None:
        super().__init__(_("Export to a CSV file"))
        self._filter = query
        self._order = order
        self._marked = marked
        self._path = PathInput(str(_default_path()), (".csv",), save=True)
        self._count = Static(classes="count")

    def compose_fields(self) -> Iterable[Widget]:
        query = self._filter
        choices = [("all", N_("the whole history"))]
        if query != EVERYTHING:
            choices.insert(0, ("shown", N_("the filtered posts")))
        if self._marked:
            choices.insert(0, (_MARKED, N_("only the marked")))
        about = " · ".join([*([_("“{text}”").format(text=query.text)] if query.text else []), *filter_terms(query)])
        yield self._path
        yield from self.fields(
            FieldSpec("what", N_("Posts"), about, choices=tuple(choices)),
            FieldSpec(
                "columns",
                N_("Columns"),
                N_("readable: in the order of the list, local time, one column per label"),
                choices=((_READABLE, N_("readable")), ("full", N_("all fields"))),
            ),
            _switch("bom", N_("Start with a BOM"), N_("Excel needs it to read Chinese")),
            _switch("guard", N_("Guard formulas"), N_("' before texts like =1+1")),
        )
        yield self._count

    def on_mount(self) -> None:
        self._path.focus()
        self.update_dependents()

    def update_dependents(self) -> None:
        self.run_task(self._show_count(self._selected_filter()), "count", exclusive=True)

    def on_path_input_chosen(self) -> None:
        self._fields["what"].focus()

    def output(self) -> PathInput | None:
        return self._path if self._path.value.strip() else None

    def plan(self) -> ExportOptions:
        path = self._path.path
        problem = check_path(path, save=True).problem if self.output() else _("Choose a file to write.")
        if problem:
            raise FieldError(self._path, problem)
        values = self.values("what", "columns", "bom", "guard")
        readable = values["columns"] == _READABLE
        return ExportOptions(
            path.absolute(),
            self._selected_filter(),
            self._marked if values["what"] == _MARKED else None,
            order=self._order if readable else OLDEST_FIRST,
            readable=readable,
            bom=values["bom"] == _YES,
            guard=values["guard"] == _YES,
            overwrite=self._replaceable == path,
        )

    def _selected_filter(self) -> HistoryFilter:
        return self._filter if self._fields["what"].value == "shown" else EVERYTHING

    async def _show_count(self, query: HistoryFilter) -> None:
        if self._fields["what"].value == _MARKED:
            count = len(self._marked)
        else:
            count = await self.app.records.call(lambda wb: _count_posts(wb.history, query))
        text = ngettext("{count:,} post", "{count:,} posts", count).format(count=count)
        quoted = [_("“{text}”").format(text=query.text)] if query.text else []
        self._count.update(safe_content(" · ".join([text, *quoted, *filter_terms(query)])))


class ExportLine(Static):
    """Runs an export in the records thread and shows its progress. It is hidden otherwise."""

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
            lambda wb: wb.iter_export_history(
                path,
                options.filter,
                options.bom,
                options.guard,
                options.overwrite,
                options.readable,
                options.ids,
                options.order,
            ),
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

    def on_job_progress(self) -> None:
        if self.job is not None:
            self._show_progress(self.job)

    def on_job_finished(self, message: JobFinished) -> None:
        self.job = None
        self.remove_class("-shown")
        if message.job.outcome == "done":
            self._announce(message.job)
        elif message.job.outcome == "stopped":
            get_app(self).show_message(_("Export stopped. No file was written."))

    def _announce(self, job: Job) -> None:
        self.app.copy_to_clipboard(str(self._path))
        count = job.progress.done if job.progress is not None else 0
        posts = ngettext("{count:,} post", "{count:,} posts", count).format(count=count)
        text = _("{posts} written, path copied: {path}").format(posts=posts, path=self._path)
        get_app(self).show_message(text, "success")

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


def _switch(name: str, label: str, about: str) -> FieldSpec:
    return FieldSpec(name, label, about, choices=((_YES, N_("yes")), ("no", N_("no"))))


def _count_posts(history: History, query: HistoryFilter) -> int:
    """Return the number of rows of the export, which leaves out the labeled files."""
    if query.source == FILE_SOURCE:
        return 0
    files = history.count(replace(query, source=FILE_SOURCE)) if query.source is None else 0
    return history.count(query) - files


def _default_path() -> Path:
    """Return the path of a new file in the home folder."""
    name = f"weibo-history-{date.today():%Y%m%d}"
    path, number = Path.home() / f"{name}.csv", 1
    while path.exists():
        number += 1
        path = Path.home() / f"{name}-{number}.csv"
    return path
