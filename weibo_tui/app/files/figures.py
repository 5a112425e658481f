"""Base of the screens that show figures of a labeled file: a job computes them, and Enter on one opens its rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from textual import events
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.explanation import in_app_terms, user_message
from weibo_tui.app.formatting import safe_line
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress, Kind
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.app.widgets.figure_table import paragraph_lines
from weibo_tui.app.widgets.job_progress import JobLine
from weibo_tui.app.widgets.line_list import LineList
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.storage.row_filters import RowFilter
from weibo_tui.workbench.opened_file import FileInfo, OpenedFile
from weibo_tui.workbench.workbench import Workbench

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class FigureLine:
    """A line of a list of figures, drawn when it is in view, because there may be thousands.

    `rows` are the rows of the file that it is about, and `number` is one of them, from 1. `about` returns what is shown
    below the list, and `days` are highlighted in a timeline, as ordinals.
    """

    draw: Callable[[], Content]
    rows: RowFilter | None = None
    number: int | None = None
    about: Callable[[], str] = str
    days: range = range(0)

    @classmethod
    def of(cls, content: Content) -> FigureLine:
        """Return a line that is about no rows."""
        return cls(lambda: content)


BLANK = FigureLine.of(Content(""))

Layout = Callable[[int], Iterable[FigureLine]]
"""Function from a width in cells to lines."""


def paragraphs(texts: Iterable[str], width: int, style: str = "$text-muted") -> Iterator[FigureLine]:
    """Yield sentences as lines."""
    for text in texts:
        yield from map(FigureLine.of, paragraph_lines(in_app_terms(text), width, style))


class FigureList(LineList):
    """Figures and sentences, one a line."""

    HELP_TEXT = N_("Enter opens the rows that a line is about, in Files.")

    def __init__(self) -> None:
        super().__init__()
        self.lines: Sequence[FigureLine] = ()
        self._layout_lines: Layout = lambda _width: ()

    @property
    def current(self) -> FigureLine | None:
        """The line under the cursor."""
        return self.lines[self.cursor] if self.lines else None

    @property
    def line_count(self) -> int:
        return len(self.lines)

    def line(self, row: int, width: int) -> Content:  # noqa: ARG002 - they are laid out for it
        return self.lines[row].draw()

    def show(self, layout: Layout, cursor: int | None = None) -> None:
        """Show other lines. The cursor is on `cursor`, or on the first line with rows if that is in view."""
        self._layout_lines = layout
        self._lay_out()
        self.scroll_home(animate=False)
        if cursor is None:
            in_view = self.lines[: self.scrollable_content_region.height]
            cursor = next((row for row, line in enumerate(in_view) if line.rows is not None), 0)
        self.cursor = cursor
        self.post_message(self.Moved())

    def _lay_out(self) -> None:
        width = max(self.scrollable_content_region.width, 1)
        self.lines = tuple(self._layout_lines(width))
        self.update_lines()

    def on_resize(self, event: events.Resize) -> None:  # noqa: ARG002
        self._lay_out()
        self.cursor = self.validate_cursor(self.cursor)


class FiguresScreen(FormScreen[None]):
    """Shows figures of an opened file. Closing it stops its job."""

    KIND: ClassVar[Kind]
    DEFAULT_CSS = """
    FiguresScreen {
        .title { height: auto; padding: 0 1; background: $panel; text-style: bold; }
        FigureList { height: 1fr; min-height: 3; padding: 0 1; scrollbar-gutter: stable; }
        .about { height: auto; max-height: 4; padding: 0 1; border-top: solid $panel; display: none; }
        .about.-shown { display: block; }
        &.-low .about { max-height: 2; border-top: none; background: $surface; }
    }
    """
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-high")]  # noqa: RUF012 - as Textual declares it

    def __init__(self, file: OpenedFile, info: FileInfo) -> None:
        super().__init__()
        self.file, self.info = file, info
        self.job: Job | None = None

    def compose_body(self) -> Iterable[Widget]:
        yield Static(classes="title")
        yield JobLine()
        yield from self.compose_figures()
        yield FigureList()
        yield Static(classes="about")

    def compose_figures(self) -> Iterable[Widget]:
        """Return the widgets between the title and the list."""
        return ()

    def on_mount(self) -> None:
        self.show_title()
        self.query_one(FigureList).focus()
        self.begin()

    def show_title(self) -> None:
        """Show the title, cut where it has no room."""
        title = safe_line(self.title_text())
        self.query_one(".title", Static).update(ResponsiveText(lambda width: [title.truncate(width, ellipsis=True)]))

    @abstractmethod
    def title_text(self) -> str:
        """Return the title."""

    @abstractmethod
    def begin(self) -> None:
        """Show figures that are known, or start the job that computes them."""

    @abstractmethod
    def show_result(self, result: object) -> None:
        """Show the result of the job."""

    # ---- the job

    def compute(self, iterate: Callable[[Workbench], Iterator[object]], thread: WorkerThread) -> None:
        """Start a job in a thread, in place of the present one."""
        self._stop_job()
        self.job = self.app.start_job(Job(self.KIND, self.info.path.name, iterate, self), thread)
        self.query_one(JobLine).show(self.job)
        self.refresh_bindings()

    def on_job_progress(self, message: JobProgress) -> None:
        if message.job is self.job:
            self.query_one(JobLine).show(self.job)

    def on_job_finished(self, message: JobFinished) -> None:
        if message.job is not self.job:
            return
        self.query_one(JobLine).show(None)
        if message.error is not None:
            problem = user_message(message.error)
            self.query_one(FigureList).show(lambda width: paragraphs([problem], width, "$text-error"))
        elif message.job.outcome == "stopped":
            self.query_one(FigureList).show(lambda width: paragraphs([_("Stopped.")], width))
        else:
            self.show_result(message.result)
        self.refresh_bindings()

    @property
    def is_computing(self) -> bool:
        return self.job is not None and self.job.outcome is None

    def _stop_job(self) -> None:
        if self.job is not None and self.job.outcome is None:
            self.job.stop()
            self.app.wake_workers()

    def action_stop(self) -> None:
        self._stop_job()

    def on_unmount(self) -> None:
        self._stop_job()

    # ---- the list

    def on_line_list_moved(self) -> None:
        line = self.query_one(FigureList).current
        about = line.about() if line is not None else ""
        below = self.query_one(".about", Static)
        below.update(ResponsiveText(lambda width: paragraph_lines(about, width)))
        below.set_class(bool(about), "-shown")
        self.show_days(line.days if line is not None else range(0))
        self.refresh_bindings()

    def show_days(self, days: range) -> None:
        """Highlight days in a timeline."""

    def on_line_list_opened(self) -> None:
        line = self.query_one(FigureList).current
        if line is not None and line.rows is not None:
            self.dismiss(None)
            self.app.run_task(self.app.open_file_rows(self.info.path, line.rows, line.number))
