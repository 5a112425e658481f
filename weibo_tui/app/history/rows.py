"""The columns of the history table."""

from __future__ import annotations

from datetime import datetime

from textual.content import Content

from weibo_tui.app.formatting import label_content, local_time, safe_line
from weibo_tui.app.widgets.columns import Column, Pattern, join_lines, post_cell
from weibo_tui.display_names import label_name, source_name
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import confidence
from weibo_tui.storage.history import Analysis, Entry, HistoryOrder, LabeledFile


def _time(entry: Entry, width: int, _pattern: Pattern) -> Content:
    time = local_time(entry.created_at)
    today = f"{datetime.now():%Y-%m-%d}"
    if width < len(today):
        time = time[11:] if time[:10] == today else time[5:10] if time[:4] == today[:4] else time[:4]
    return Content.styled(time, "$text-muted")


def _prediction(entry: Entry, _width: int, _pattern: Pattern) -> Content:
    """Return the predicted label, and after an arrow the one that the user gave instead."""
    if isinstance(entry, LabeledFile):
        return Content.styled("▤ " + _("file"), "$text-muted")
    labels = tuple(entry.probabilities)
    if entry.error is not None:
        predicted = Content.styled("✗ " + _("failed"), "$text-error")
    else:
        predicted = join_lines(label_content(entry.label, labels, entry.uncertain))
    if entry.corrected is None:
        return predicted
    return Content.assemble(predicted[:1], ("→", "$text-muted"), join_lines(label_content(entry.corrected, labels)))


def _confidence(entry: Entry, _width: int, _pattern: Pattern) -> Content:
    if not isinstance(entry, Analysis) or entry.error is not None:
        return Content("")
    return Content(confidence(entry.confidence, entry.uncertain))


def _post(entry: Entry, width: int, pattern: Pattern) -> Content:
    return _file_summary(entry) if isinstance(entry, LabeledFile) else post_cell(entry.text, width, pattern)


def _file_summary(file: LabeledFile) -> Content:
    rows = ngettext("{count:,} post", "{count:,} posts", file.rows).format(count=file.rows)
    parts = [rows, *(f"{label_name(label)} {count:,}" for label, count in file.counts.items())]
    if file.failed:
        parts.append(_("{count:,} failed").format(count=file.failed))
    return safe_line(f"{file.path.name} → {file.out.name} · {' · '.join(parts)}")


def _adapter(entry: Entry, _width: int, _pattern: Pattern) -> Content:
    return safe_line(entry.adapter, "$text-muted")


def _source(entry: Entry, _width: int, _pattern: Pattern) -> Content:
    return safe_line(source_name(entry.source) if isinstance(entry, Analysis) else _("file"), "$text-muted")


COLUMNS: tuple[Column[Entry, HistoryOrder], ...] = (
    Column(N_("when"), HistoryOrder("time"), _time, (16, 16), (5, 5)),
    Column(N_("prediction"), HistoryOrder("label"), _prediction, (11, 24), (11, 14)),
    Column(N_("conf."), HistoryOrder("confidence", False), _confidence, (7, 7), (7, 7), right=True),
    Column(N_("post"), HistoryOrder("text", False), _post, (5, 5), (5, 5), stretch=True),
    Column(N_("adapter"), HistoryOrder("adapter"), _adapter, (8, 16)),
    Column(N_("source"), HistoryOrder("source"), _source, (7, 7)),
)
"""The table's columns, from left to right."""
