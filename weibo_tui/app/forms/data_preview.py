"""A preview of data files: how they are read, their first rows, and an audit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from weibo_tui.app.base import get_app
from weibo_tui.app.explanation import in_app_terms, user_message
from weibo_tui.app.formatting import SIGNS, bar, label_color, safe_content, safe_line
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.datasets.label_map import score_hint
from weibo_tui.display_names import display_name, label_name
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.presentation.labels import labels_read_as
from weibo_tui.presentation.numbers import percent
from weibo_tui.progress import Progress
from weibo_tui.text.terminal import sanitize, truncate_cells, wrap_cells
from weibo_tui.workbench import AuditConfig, AuditResult, Workbench

if TYPE_CHECKING:
    from weibo_tui.datasets.auditing import Audit, Emoticons, Lengths
    from weibo_tui.datasets.reading import Preview

DEBOUNCE_SECONDS = 0.3
"""Pause in typing before files are read."""
PROGRESS_SECONDS = 0.1
SUGGESTED_DROPOUT = "0.5"
MAX_LABELS = 12
_ROWS = 5
_MAX_OTHERS = 8  # columns that are named
_LABEL_CELLS = 10
_AUDIT_LABEL_CELLS = 14


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
        self._audit = Static(classes="audit")

    def compose(self) -> ComposeResult:
        yield Static(safe_content(_("Contents")), classes="section")
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
        event = await self.run(lambda wb: wb.iter_audit(plan), partial(self._show_part, self._progress))
        assert isinstance(event, AuditResult)
        self._show_part(self._progress, "")
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
        message = "" if self._plan and self._plan.data else _("A preview of the chosen files appears here.")
        self._source.update(safe_content(message))
        for part in (self._problem, self._progress):
            self._show_part(part, "")
        self._rows.update("")
        self._audit.update("")
        self.remove_class("-gives-away")

    def _show_part(self, part: Static, text: str) -> None:
        part.update(safe_content(text))
        part.display = bool(text)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.remove_class("-gives-away")
        self.post_message(self.Suggested())


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


def _source_line(preview: Preview) -> Content:
    source = preview.source
    text = source.summary(preview.report)
    others = [column for column in source.columns if column not in (source.text_column, source.label_column)]
    if others:
        more = [f"… ({len(others)})"] if len(others) > _MAX_OTHERS else []
        text += _("; also {columns}").format(columns=join_list([*others[:_MAX_OTHERS], *more]))
    return safe_line(text)


def _row_lines(previews: Sequence[Preview], width: int) -> Iterator[Content]:
    """Yield the first rows, each after its label."""
    rows = [row for preview in previews for row in preview.rows[: _ROWS if len(previews) == 1 else 2]]
    labels = [truncate_cells(" ".join(sanitize(row.label or "–").split()), _LABEL_CELLS) for row in rows]
    first = max(map(cell_len, labels), default=0) + 2
    for row, label in zip(rows, labels, strict=True):
        post = truncate_cells(" ".join(sanitize(row.text).split()), max(1, width - first))
        yield Content.assemble(safe_line(label, "$text-muted"), " " * (first - cell_len(label)), safe_line(post))


# ---- the audit


def gives_away(emoticons: Emoticons) -> bool:
    """Return whether emoticons alone predict most of the labels that the majority baseline gets wrong."""
    linear, majority = emoticons.linear_accuracy, emoticons.majority
    return linear is not None and majority is not None and linear - majority > 0.5 * (1 - majority)


def audit_lines(audit: Audit, width: int) -> Iterator[Content]:
    """Yield the lines of an audit, for a width in cells. A warning comes first, visible without scrolling."""
    from weibo_tui.datasets.auditing import MIN_LABELED, TOO_FEW_LABELED

    heads = (
        *(_("Rows"), _("Length"), _("Duplicates"), _("Conflicting labels"), _("Reposts"), _("Emoticons")),
        _("Labels"),
    )
    first = max(map(cell_len, heads)) + 2

    def row(head: str, text: str) -> Iterator[Content]:
        for number, line in enumerate(wrap_cells(sanitize(text), max(8, width - first))):
            name = "" if number else head
            yield Content.assemble((name + " " * (first - cell_len(name)), "$text-muted"), line)

    emoticons = audit.emoticons
    if gives_away(emoticons):
        yield from _meaning_lines(emoticons, width)
        yield Content("")
    yield from row(heads[0], _row_counts(audit))
    if audit.labels_read_as:
        yield from row(heads[6], labels_read_as(audit.labels_read_as))
    if hint := score_hint(audit.labels):
        yield from (Content.styled(line, "$text-warning") for line in wrap_cells(in_app_terms(hint), width))
    yield from _label_lines(audit, width)
    yield from row(heads[1], _length_text(audit.length))
    yield from row(heads[2], f"{audit.duplicates:,}")
    if audit.word_duplicates:
        message = _("{number} more with the same words")
        yield from row("", message.format(number=f"{audit.word_duplicates:,}"))
    if audit.near_duplicates:
        yield from row("", _("{number} near-duplicates").format(number=f"{audit.near_duplicates:,}"))
    yield from row(heads[3], f"{audit.contradictions:,}")
    if audit.word_contradictions > audit.contradictions:
        message = _("{number} with conflicting labels by words only")
        yield from row("", message.format(number=f"{audit.word_contradictions:,}"))
    yield from row(heads[4], percent(audit.reposts))
    yield from row(heads[5], _("in {share} of the posts").format(share=percent(emoticons.share_with)))
    if emoticons.linear_accuracy is None:
        if 0 < sum(audit.labels.values()) < MIN_LABELED:
            yield from row("", _(TOO_FEW_LABELED))
        return
    alone = _("emoticons alone predict {accuracy} of the labels (majority baseline: {majority})")
    yield from row("", alone.format(accuracy=percent(emoticons.linear_accuracy), majority=percent(emoticons.majority)))
    if not gives_away(emoticons):
        yield Content("")
        yield from _meaning_lines(emoticons, width)


def _row_counts(audit: Audit) -> str:
    parts = [f"{audit.rows:,}"]
    if audit.empty:
        parts.append(_("{number} empty").format(number=f"{audit.empty:,}"))
    if audit.unlabelled:
        parts.append(_("{number} unlabeled").format(number=f"{audit.unlabelled:,}"))
    if audit.several_labels:
        parts.append(_("{number} with several labels").format(number=f"{audit.several_labels:,}"))
    if audit.dropped:
        parts.append(_("{number} dropped").format(number=f"{audit.dropped:,}"))
    return join_list(parts)


def _label_lines(audit: Audit, width: int) -> Iterator[Content]:
    labels = list(audit.labels)
    total = sum(audit.labels.values())
    largest = max(audit.labels.values(), default=1)
    for label, count in list(audit.labels.items())[:MAX_LABELS]:
        name = truncate_cells(" ".join(sanitize(label_name(label)).split()), _AUDIT_LABEL_CELLS - 1)
        colour = label_color(label, labels)
        yield Content.assemble(
            (SIGNS.get(label, "●") + " ", colour),
            safe_line(name),
            " " * (_AUDIT_LABEL_CELLS - cell_len(name)),
            f"{count:>9,}  {percent(count / total if total else None):>7}  ",
            bar(count / largest if largest else 0.0, max(4, min(24, width - _AUDIT_LABEL_CELLS - 24)), colour),
        )
    if len(labels) > MAX_LABELS:
        more = _("and {number} more labels").format(number=len(labels) - MAX_LABELS)
        yield Content.styled(more, "$text-muted")


def _length_text(length: Lengths) -> str:
    if length.mean is None or length.median is None or length.max is None:
        return "–"
    text = _(
        "mean {mean}, median {median}, longest {max} characters; {over} over 126, the most that fit into 128 tokens"
    )
    return text.format(
        mean=f"{length.mean:.0f}", median=f"{length.median:.0f}", max=f"{length.max:,}", over=percent(length.over_126)
    )


def _meaning_lines(emoticons: Emoticons, width: int) -> Iterator[Content]:
    if gives_away(emoticons):
        style = "$text-warning"
        text = _(
            "Emoticons alone nearly predict the labels, so an adapter may learn only emoticons. An emoticon "
            "dropout of 0.5 removes them from half of the posts, so that it learns words too."
        )
    else:
        style = "$text-muted"
        text = _("Emoticons alone do not predict the labels, so the adapter learns from words.")
    for line in wrap_cells(text, width):
        yield Content.styled(line, style)
