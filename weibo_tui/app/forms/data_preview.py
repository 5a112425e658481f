"""A preview of data files: how they are read, their first rows, and an audit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from weibo_tui.app.base import get_app
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content, safe_line
from weibo_tui.app.forms.audit_view import AuditView, gives_away
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.display_names import display_name
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.progress import Progress
from weibo_tui.text.terminal import sanitize, truncate_cells
from weibo_tui.workbench import AuditConfig, AuditResult, Workbench

if TYPE_CHECKING:
    from weibo_tui.datasets.reading import Preview

DEBOUNCE_SECONDS = 0.3
"""Pause in typing before files are read."""
PROGRESS_SECONDS = 0.1
_ROWS = 3
_LABEL_CELLS = 10


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
        &.-gives-away > Button { display: block; }
    }
    """

    class Loaded(Message):
        """The files were read, or could not be read because of `problem`."""

        def __init__(self, previews: Sequence[Preview], problem: str) -> None:
            super().__init__()
            self.previews = previews
            self.problem = problem

    class Suggested(Message):
        """The user accepted the suggested emoticon dropout."""

    def __init__(self, audit: bool = True) -> None:
        """Without `audit` only the format and the first rows are shown."""
        super().__init__()
        self._with_audit = audit
        self._plan: AuditConfig | None = None
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
        self._clear()

    def on_unmount(self) -> None:
        if self._thread is not None:
            self._thread.close(wait=False)

    def load(self, plan: AuditConfig) -> None:
        """Show these files, read with these columns and labels."""
        if plan != self._plan:
            self._plan = plan
            get_app(self).run_task(self._load(plan), group="preview", exclusive=True, node=self)

    async def _load(self, plan: AuditConfig) -> None:
        await asyncio.sleep(DEBOUNCE_SECONDS)
        self._clear()
        if not plan.data:
            return
        try:
            previews = await get_app(self).records.call(
                lambda wb: [wb.peek(path, plan.columns, _ROWS) for path in plan.data]
            )
            self._source.update(Content("\n").join(map(_source_line, previews)))
            self._rows.update(ResponsiveText(lambda width: _row_lines(previews, width)))
            self.post_message(self.Loaded(previews, ""))
            if self._with_audit:
                await self._show_audit(plan)
        except WeiboTuiError as error:
            self._show_part(self._progress, "")
            self._show_part(self._problem, user_message(error))
            self.post_message(self.Loaded((), user_message(error)))

    async def _show_audit(self, plan: AuditConfig) -> None:
        if self._thread is None:
            self._thread = WorkerThread("audit", get_app(self).paths.data)  # it uses no file of the home
            self._thread.start()
        audit = _AuditSteps(plan)
        while not isinstance(event := await self._thread.call(audit.advance), AuditResult):
            if isinstance(event, Progress):
                self._show_part(self._progress, _progress_text(event))
        self._show_part(self._progress, "")
        self._audit.show(event.audit)
        self.set_class(gives_away(event.audit.emoticons), "-gives-away")

    def _clear(self) -> None:
        message = "" if self._plan and self._plan.data else _("As soon as a file is chosen, it is looked at here.")
        self._source.update(safe_content(message))
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


class _AuditSteps:
    """An audit in steps of a tenth of a second, so that it can be abandoned."""

    def __init__(self, plan: AuditConfig) -> None:
        self._plan = plan
        self._events: Iterator[object] | None = None

    def advance(self, wb: Workbench) -> object:
        """Run for one step and return its last event."""
        if self._events is None:
            self._events = wb.iter_audit(self._plan)
        until = time.monotonic() + PROGRESS_SECONDS
        event = next(self._events)
        while not isinstance(event, AuditResult) and time.monotonic() < until:
            event = next(self._events)
        return event


def _progress_text(progress: Progress) -> str:
    done = f"{progress.done:,}" if not progress.total else percent(progress.done / progress.total, 0)
    return f"{display_name(progress.stage)} {done}"


def _source_line(preview: Preview) -> Content:
    source = preview.source
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


def _row_lines(previews: Sequence[Preview], width: int) -> Iterator[Content]:
    """Yield the first rows, each after its label."""
    rows = [row for preview in previews for row in preview.rows[: _ROWS if len(previews) == 1 else 2]]
    labels = [truncate_cells(" ".join(sanitize(row.label or "–").split()), _LABEL_CELLS) for row in rows]
    first = max(map(cell_len, labels), default=0) + 2
    for row, label in zip(rows, labels, strict=True):
        post = truncate_cells(" ".join(sanitize(row.text).split()), max(1, width - first))
        yield Content.assemble(safe_line(label, "$text-muted"), " " * (first - cell_len(label)), safe_line(post))
