"""How a run stands, in a few lines: its state, how far it is, how long still, its latest figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import isnan

from textual.content import Content

from weibo_tui.app.formatting import (
    NO_FIGURE,
    bar,
    duration,
    join_fitting,
    local_time,
    percent,
    safe_content,
    safe_line,
    size,
)
from weibo_tui.app.train.run_list import COLOURS, state_words
from weibo_tui.app.train.run_metrics import LogLine, RunMetrics
from weibo_tui.app.train.run_store import RunEntry
from weibo_tui.app.widgets.job_progress import pace_of_bytes
from weibo_tui.locale import gettext as _
from weibo_tui.text import truncate_cells, visible, wrap_cells
from weibo_tui.words import word

_LONGEST_NAME = 40
_ERROR_LINES = 4


def head_lines(entry: RunEntry, record: RunMetrics | None, width: int) -> Iterator[Content]:
    """The lines over the curves; `record` is None as long as there is no run, or it has not been read."""
    yield _title(entry, record, width)
    if entry.error:
        for line in list(wrap_cells(visible(entry.error), width))[:_ERROR_LINES]:
            yield Content.styled(line, "$text-error")
    if entry.state == "finished" and entry.run is not None:
        yield from _result(entry)
    else:
        yield from _progress(entry, record, width)
    if record is not None and record.step:
        yield join_fitting(_figures(record), width)


def _title(entry: RunEntry, record: RunMetrics | None, width: int) -> Content:
    name = truncate_cells(" ".join(visible(entry.name).split()), _LONGEST_NAME)
    left = Content.assemble(state_words(entry.state), "  ", (name, "bold"))
    about = [word(entry.kind)]
    if record is not None and record.started:
        started = record.started
        if entry.kind == "train":
            about.append(_("base {name}").format(name=started.get("base")))
        about.append(f"{started.get('device')} {started.get('dtype')}")
    if entry.run is not None:
        about.append(local_time(entry.run.created_at))
    room = width - left.cell_length - 2
    while about and len(" · ".join(about)) > room:
        about.pop()
    right = safe_line(" · ".join(about), "$text-muted")
    return Content.assemble(left, " " * max(0, width - left.cell_length - right.cell_length), right)


def _result(entry: RunEntry) -> Iterator[Content]:
    if entry.kind != "train":
        yield safe_line(_("Saved as base '{name}'. Press F5, then u, to make it the default.").format(name=entry.name))
    else:
        yield safe_line(_("Saved as adapter '{name}'. Press u to make it the default.").format(name=entry.name))


def _progress(entry: RunEntry, record: RunMetrics | None, width: int) -> Iterator[Content]:
    stage, share = entry.stage, _share(entry, record)
    told = [] if stage is not None and stage.stage != "validation" else list(_far(entry, record, share))
    if stage is not None:
        done = f" {stage.done:,}" if stage.done else ""
        if stage.total:
            done = f" {percent(stage.done / stage.total, 0)}"
            share = share if told else stage.done / stage.total
        told.append(Content.assemble((word(stage.stage), COLOURS[entry.state]), done))
        if entry.job is not None:
            told += map(safe_content, pace_of_bytes(entry.job))
    yield bar(share or 0.0, width, COLOURS[entry.state])
    yield join_fitting(told or [Content.styled(_("Nothing is done yet."), "$text-muted")], width)


def _share(entry: RunEntry, record: RunMetrics | None) -> float | None:
    step, steps = entry.steps
    return step / steps if steps else record.share if record is not None else None


def _far(entry: RunEntry, record: RunMetrics | None, share: float | None) -> Iterator[Content]:
    step, steps = entry.steps
    if share is not None:
        yield Content.styled(percent(share, 0), "bold")
    left = record.seconds_left() if record is not None and entry.state == "running" else None
    if left is not None and left > 0:
        yield Content.styled(_("{time} left").format(time=duration(left)), "bold")
    if step:
        text = _("step {step} of {steps}") if steps else _("step {step}")
        yield Content(text.format(step=f"{step:,}", steps=f"{steps:,}"))
    if record is not None and record.epoch:
        epochs = record.started.get("epochs")
        text = _("epoch {epoch} of {epochs}") if epochs else _("epoch {epoch}")
        yield safe_content(text.format(epoch=record.epoch, epochs=epochs))
    if step and share == 1 and entry.state == "running" and entry.job is None:
        yield Content(_("measuring what it has learnt"))


def _figures(record: RunMetrics) -> Iterator[Content]:
    def figure(name: str, value: str) -> Content:
        return Content.assemble((f"{name} ", "$text-muted"), value)

    def smooth(name: str) -> float:
        return record.series[name].smooth

    yield figure(_("loss"), _number(smooth("loss")))
    if record.best_accuracy is not None:
        yield figure(_("best accuracy"), percent(record.best_accuracy))
    if record.kind == "train":
        yield figure(_("posts/s"), _number(smooth("posts_per_second"), 0))
    yield figure(_("tokens/s"), _number(smooth("tokens_per_second"), 0))
    memory = record.series["memory"].value
    yield figure(_("memory"), NO_FIGURE if isnan(memory) else size(memory))
    yield figure(_("computing"), duration(record.seconds))


def _number(value: float, digits: int = 3) -> str:
    return NO_FIGURE if isnan(value) else f"{value:,.{digits}f}"


def log_lines(log: Sequence[LogLine], width: int) -> Iterator[Content]:
    """What happened in words, the newest first."""
    today = f"{datetime.now():%Y-%m-%d}"
    for line in reversed(log):
        time = local_time(line.at, seconds=True)
        time = time[11:] if time.startswith(today) else time[5:]
        for number, text in enumerate(wrap_cells(_one_line(line.text), max(8, width - len(time) - 2))):
            yield Content.assemble((" " * len(time) if number else time, "$text-muted"), "  ", text)


def _one_line(text: str) -> str:
    return " ".join(visible(text).split())
