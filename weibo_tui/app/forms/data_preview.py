"""Files before anybody trains on them: how they will be read, their first rows, and what an audit finds in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from weibo_tui.app.base import get_app
from weibo_tui.app.explanation import explain
from weibo_tui.app.formatting import percent, safe_content, safe_line
from weibo_tui.app.forms.audit_view import AuditView, gives_away
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.text import cell_width, truncate_cells, visible
from weibo_tui.words import word
from weibo_tui.workbench import AuditPlan, AuditResult, Workbench

if TYPE_CHECKING:
    from weibo_tui.datasets.reading import Preview

QUIET_SECONDS = 0.3
"""How long nothing is typed before one looks."""
TELL_SECONDS = 0.1
_ROWS = 3
_LABEL_CELLS = 10


class DataPreview(Vertical):
    """Looks into the files as soon as they are named. The audit has a thread of its own: it reads large files and
    fits a model, for seconds without a break, and neither a verdict nor the history is to wait for that."""

    DEFAULT_CSS = """
    DataPreview {
        height: auto;
        & > * { height: auto; }
        & > .problem { color: $text-error; }
        & > .rows { margin: 1 0; }
        & > .progress { color: $text-muted; }
        & > Button { margin-top: 1; display: none; }
        &.-gives-away > Button { display: block; }
    }
    """

    class Loaded(Message):
        """How the files will be read, or why they cannot be."""

        def __init__(self, peeks: Sequence[Preview], problem: str) -> None:
            super().__init__()
            self.peeks = peeks
            self.problem = problem

    class Suggested(Message):
        """The dropout of emoticons that the audit suggests is wanted."""

    def __init__(self, audit: bool = True) -> None:
        """Without an `audit` it shows only how the files are read, and their first rows."""
        super().__init__()
        self._audited = audit
        self._plan: AuditPlan | None = None
        self._thread: WorkerThread | None = None
        self._source = Static()
        self._problem = Static(classes="problem")
        self._rows = Static(classes="rows")
        self._progress = Static(classes="progress")
        self._audit = AuditView()

    def compose(self) -> ComposeResult:
        yield Static(safe_content(_("What is in the files")), classes="section")
        yield self._source
        yield self._problem
        yield self._rows
        yield self._progress
        yield self._audit
        yield Button(safe_content(_("Set emoticon dropout to 0.5")))

    def on_mount(self) -> None:
        self._tell_nothing()

    def on_unmount(self) -> None:
        if self._thread is not None:
            self._thread.close(wait=False)

    def look(self, plan: AuditPlan) -> None:
        """Look at other files, or at the same ones in another way."""
        if plan != self._plan:
            self._plan = plan
            get_app(self).run_task(self._look(plan), group="preview", exclusive=True, node=self)

    async def _look(self, plan: AuditPlan) -> None:
        await asyncio.sleep(QUIET_SECONDS)
        self._tell_nothing()
        if not plan.data:
            return
        try:
            peeks = await get_app(self).records.call(
                lambda bench: [bench.peek(path, plan.columns, _ROWS) for path in plan.data]
            )
            self._source.update(Content("\n").join(map(_source_line, peeks)))
            self._rows.update(ResponsiveText(lambda width: _row_lines(peeks, width)))
            self.post_message(self.Loaded(peeks, ""))
            if self._audited:
                await self._show_audit(plan)
        except WeiboTuiError as error:
            self._show_part(self._progress, "")
            self._show_part(self._problem, explain(error))
            self.post_message(self.Loaded((), explain(error)))

    async def _show_audit(self, plan: AuditPlan) -> None:
        if self._thread is None:
            self._thread = WorkerThread("audit", get_app(self).paths.data)  # it reads nothing of the home's
            self._thread.start()
        audit = _Audit(plan)
        while not isinstance(told := await self._thread.call(audit.pull), AuditResult):
            if isinstance(told, Progress):
                self._show_part(self._progress, _progress(told))
        self._show_part(self._progress, "")
        self._audit.show(told.audit)
        self.set_class(gives_away(told.audit.emoticons), "-gives-away")

    def _tell_nothing(self) -> None:
        nothing = "" if self._plan and self._plan.data else _("As soon as a file is chosen, it is looked at here.")
        self._source.update(safe_content(nothing))
        for part in (self._problem, self._progress):
            self._show_part(part, "")
        self._rows.update("")
        self._audit.clear()
        self.remove_class("-gives-away")

    def _show_part(self, part: Static, text: str) -> None:
        part.update(safe_content(text))
        part.display = bool(text)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.remove_class("-gives-away")
        self.post_message(self.Suggested())


class _Audit:
    """An audit that is pulled a tenth of a second at a time, so that whoever leaves it is rid of it."""

    def __init__(self, plan: AuditPlan) -> None:
        self._plan = plan
        self._events: Iterator[object] | None = None

    def pull(self, bench: Workbench) -> object:
        """The last thing that it told in the while."""
        if self._events is None:
            self._events = bench.audit(self._plan)
        until = time.monotonic() + TELL_SECONDS
        told = next(self._events)
        while not isinstance(told, AuditResult) and time.monotonic() < until:
            told = next(self._events)
        return told


def _progress(progress: Progress) -> str:
    done = f"{progress.done:,}" if not progress.total else percent(progress.done / progress.total, 0)
    return f"{word(progress.stage)} {done}"


def _source_line(peek: Preview) -> Content:
    source = peek.source
    text = _("{file}: {format}, {encoding}; posts in '{text}', labels in '{label}'").format(
        file=source.path.name,
        format=source.format,
        encoding=source.encoding,
        text=source.text_column,
        label=source.label_column or "–",
    )
    others = [column for column in source.columns if column not in (source.text_column, source.label_column)]
    if others:
        text += _("; also {columns}").format(columns=", ".join(others))
    return safe_line(text)


def _row_lines(peeks: Sequence[Preview], width: int) -> Iterator[Content]:
    """The first rows, labels in front."""
    rows = [row for peek in peeks for row in peek.rows[: _ROWS if len(peeks) == 1 else 2]]
    labels = [truncate_cells(" ".join(visible(row.label or "–").split()), _LABEL_CELLS) for row in rows]
    first = max(map(cell_width, labels), default=0) + 2
    for row, label in zip(rows, labels, strict=True):
        post = truncate_cells(" ".join(visible(row.text).split()), max(1, width - first))
        yield Content.assemble(safe_line(label, "$text-muted"), " " * (first - cell_width(label)), safe_line(post))
