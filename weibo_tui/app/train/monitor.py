"""One run: its state and progress, its charts, its log, and its score card once it is finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import isnan

from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click, Resize
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import BaseApp, get_app
from weibo_tui.app.formatting import bar, join_fitting, local_time, safe_content, safe_line
from weibo_tui.app.keymap import first_key
from weibo_tui.app.plot.line_chart import LineChart
from weibo_tui.app.train.probe_panel import ProbePanel
from weibo_tui.app.train.run_list import STATE_COLORS, state_label
from weibo_tui.app.train.run_metrics import METRICS, LogLine, Metric, RunMetrics
from weibo_tui.app.train.run_store import RunEntry
from weibo_tui.app.widgets.job_progress import byte_progress
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.app.widgets.score_card import ScoreView
from weibo_tui.display_names import display_name
from weibo_tui.locale import N_, join_sentences
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.default_adapter import compare_with_default
from weibo_tui.presentation.numbers import NO_FIGURE, duration, percent, size
from weibo_tui.text.terminal import sanitize, truncate_cells, wrap_cells
from weibo_tui.workbench.seeds import adapter_of, is_complete

SIDE_BY_SIDE = 112
"""Minimum width in cells for score card and log side by side."""
_MAX_NAME_WIDTH = 40
_MAX_ERROR_LINES = 4
_SMALL_ROWS = 7
_MIN_LARGE_ROWS, _MAX_LARGE_ROWS = 9, 20
_ROWS_BELOW = 6
"""Rows left below the charts if there is room."""
_ROWS_FOR_PROBES = 24
"""Minimum rows of the monitor for probe posts above the charts."""
# A pretraining has windows instead of posts, and is evaluated once, at its end.
_TRAINING_ONLY = ("validation_loss", "accuracy", "macro_f1", "posts_per_second")


class ChartGrid(Container):
    """Charts of the visible runs."""

    DEFAULT_CSS = """
    ChartGrid { layout: grid; grid-gutter: 1 3; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._metrics: list[Metric] = list(METRICS)
        self._zoomed = 0
        self._rows = 0
        self._charts = {
            metric.name: LineChart(metric.title, smoothing=metric.smoothing > 0, id=f"chart-{metric.name}")
            for metric in METRICS
        }
        self.log_y = False
        self.smoothing = True

    def compose(self) -> ComposeResult:
        yield from self._charts.values()

    @property
    def zoomed(self) -> bool:
        return self.has_class("-zoomed")

    def show(self, runs: Sequence[RunMetrics], kind: str) -> None:
        """Draw these runs with the metrics that a run of this kind has."""
        visible = [metric for metric in METRICS if kind == "train" or metric.name not in _TRAINING_ONLY]
        if visible != self._metrics:
            self._metrics, self._zoomed = visible, 0
            self.fit(self._rows)
        for metric in visible:
            self._charts[metric.name].set_series(item.series[metric.name] for item in runs)

    def toggle_log(self) -> None:
        """Toggle logarithmic axes for metrics whose values spread over decades."""
        self.log_y = not self.log_y
        for metric in METRICS:
            self._charts[metric.name].log_y = self.log_y and metric.spread

    def toggle_smoothing(self) -> None:
        """Toggle the smoothed curves."""
        self.smoothing = not self.smoothing
        for metric in METRICS:
            self._charts[metric.name].smoothing = self.smoothing and metric.smoothing > 0

    def zoom(self, metric: str = "") -> None:
        """Show one chart in full size (without a metric, the last one), or all again."""
        names = [metric.name for metric in self._metrics]
        if metric in names:
            self._zoomed = names.index(metric)
        self.toggle_class("-zoomed")
        self.fit(self._rows)

    def cycle(self, by: int) -> None:
        """Zoom the next or the previous chart."""
        self._zoomed = (self._zoomed + by) % len(self._metrics)
        self.fit(self._rows)

    def fit(self, rows: int) -> None:
        """Lay out the charts in a window of `rows` rows."""
        self._rows = rows
        visible = [self._metrics[self._zoomed]] if self.zoomed else self._metrics
        for name, chart in self._charts.items():
            chart.display = any(metric.name == name for metric in visible)
            chart.named = name == visible[0].name
        width = self.size.width
        columns = 1 if self.zoomed or width < 48 else 2 if width < 104 else 4
        small = -(-(len(visible) - 1) // columns)
        large = rows - small * (_SMALL_ROWS + 1) - _ROWS_BELOW
        self.styles.grid_size_columns = columns
        self._charts[self._metrics[0].name].styles.column_span = columns
        if self.zoomed:
            self.styles.grid_rows, self.styles.height = "1fr", "100%"
        else:
            large = min(max(large, _MIN_LARGE_ROWS), _MAX_LARGE_ROWS)
            if large < rows <= large + _SMALL_ROWS:  # no room for a small chart below it, which would be cut
                large = rows
            heights = [large, *[_SMALL_ROWS] * small]
            self.styles.grid_rows = " ".join(map(str, heights))
            self.styles.height = sum(heights) + small  # the default would count hidden charts too


class _Body(VerticalScroll):
    HELP_TEXT = N_(
        "The monitor of the selected run. Up and Down scroll; z enlarges one chart, then Left and Right "
        "change the chart; l switches to a logarithmic axis, m smooths. Probe posts are predicted at each validation. "
        "Esc goes back to the list."
    )


class Monitor(Vertical):
    """Everything about one run, with the curves of the runs that are overlaid."""

    DEFAULT_CSS = """
    Monitor {
        padding: 0 1;
        & > .head { height: auto; margin-bottom: 1; }
        & _Body { height: 1fr; scrollbar-size-vertical: 1; scrollbar-color: $panel; scrollbar-background: $background; }
        & #facts { height: auto; layout: vertical; }
        & #facts > * { height: auto; }
        & ScoreView { margin-bottom: 1; display: none; }
        & .log { color: $text; }
        &.-scored ScoreView { display: block; }
        &.-wide.-scored #facts { layout: horizontal; }
        &.-wide.-scored #facts > * { width: 1fr; }
        &.-wide.-scored .log { padding-left: 3; }
        & ChartGrid { margin-bottom: 1; }
        &.-zoomed #facts, &.-zoomed ProbePanel { display: none; }
        &.-zoomed ChartGrid { margin-bottom: 0; }
    }
    """

    class Zoomed(Message):
        """A chart was zoomed in or out."""

    def __init__(self) -> None:
        super().__init__(classes="pane")
        self._head = Static(classes="head")
        self._log = Static(classes="log")
        self._shown_log: tuple[LogLine, ...] = ()
        self._score = ScoreView()
        self.charts = ChartGrid()
        self._probes = ProbePanel()
        self._facts = Container(self._score, self._log, id="facts")
        self._body = _Body(self.charts, self._probes, self._facts)

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._body

    def on_mount(self) -> None:
        self.on_settings_changed()

    def on_settings_changed(self) -> None:
        self.border_title = _("Monitor")

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width >= SIDE_BY_SIDE, "-wide")
        self.call_after_refresh(self._arrange)

    def _arrange(self) -> None:
        """Put the score card above the charts once a run is finished, until then the probe posts if there is room."""
        rows = self._body.size.height
        parts: list[Widget] = [self.charts, self._probes, self._facts]
        if self.has_class("-scored"):
            parts = [self._facts, self._probes, self.charts]
        elif rows >= _ROWS_FOR_PROBES:
            parts = [self._probes, self.charts, self._facts]
        if list(self._body.children) != parts:
            self._body.sort_children(key=parts.index)
        above = sum(part.size.height for part in parts[: parts.index(self.charts)] if part.display)
        self.charts.fit(rows - above)

    def enter(self) -> None:
        """Take the focus, so that the arrow keys scroll."""
        self.screen.set_focus(self._body)

    def zoom(self, measure: str = "") -> None:
        """Show one chart in full size (without a metric, the last one), or everything again."""
        self.charts.zoom(measure)
        self.set_class(self.charts.zoomed, "-zoomed")
        self._body.scroll_home(animate=False)
        self.post_message(self.Zoomed())

    def on_click(self, event: Click) -> None:
        if isinstance(event.widget, LineChart):
            self.zoom((event.widget.id or "").removeprefix("chart-"))

    def show(self, entry: RunEntry, metrics: Sequence[RunMetrics]) -> None:
        """Show a run. The first of `metrics` is its own, if it has one."""
        own = metrics[0] if metrics and entry.run is not None and metrics[0].run_id == entry.run.id else None
        self.show_head(entry, own)
        self.charts.display = own is not None  # it is read soon, or the run has no values yet
        self.charts.show(metrics, entry.kind)
        if self._probes.show(metrics):
            self.call_after_refresh(self._arrange)
        self._show_log(own)
        summary = entry.run.summary if entry.run is not None else None
        score = summary.get("score") if summary and entry.state == "finished" else None
        self._score.show(score if isinstance(score, dict) else {})
        self._set_scored(bool(score))

    def show_head(self, entry: RunEntry, metrics: RunMetrics | None) -> None:
        """Update the lines above the charts only."""
        result = _result(entry, get_app(self)) if entry.state == "finished" else ""
        lines = list(head_lines(entry, metrics, result, max(1, self._head.size.width)))
        fits = len(lines) == self._head.size.height  # then no layout is needed
        self._head.update(ResponsiveText(lambda width: head_lines(entry, metrics, result, width)), layout=not fits)

    def _show_log(self, metrics: RunMetrics | None) -> None:
        log = () if metrics is None else tuple(metrics.log)
        if log != self._shown_log:
            self._shown_log = log
            self._log.update(ResponsiveText(lambda width: log_lines(log, width)))

    def _set_scored(self, scored: bool) -> None:
        if scored != self.has_class("-scored"):
            self.set_class(scored, "-scored")
            self.call_after_refresh(self._arrange)


def head_lines(entry: RunEntry, metrics: RunMetrics | None, result: str, width: int) -> Iterator[Content]:
    """Yield the lines above the charts. `metrics` is None if there is no run yet, or it has not been read.

    `result` is the sentence about the model of a finished run."""
    yield _title(entry, metrics, width)
    if entry.error:
        for line in list(wrap_cells(sanitize(entry.error), width))[:_MAX_ERROR_LINES]:
            yield Content.styled(line, "$text-error")
    if result:
        for line in wrap_cells(sanitize(result), width):
            yield Content(line)
    else:
        yield from _progress(entry, metrics, width)
    if metrics is not None and metrics.step:
        yield join_fitting(_figures(metrics), width)


def _title(entry: RunEntry, metrics: RunMetrics | None, width: int) -> Content:
    name = truncate_cells(" ".join(sanitize(entry.name).split()), _MAX_NAME_WIDTH)
    left = Content.assemble(state_label(entry.state, entry.is_elsewhere), "  ", (name, "bold"))
    details = [display_name(entry.kind)]
    if metrics is not None and metrics.started:
        started = metrics.started
        if entry.kind == "train":
            details.append(_("base {name}").format(name=started.get("base")))
        details.append(f"{started.get('device')} {started.get('dtype')}")
    if entry.run is not None:
        details.append(local_time(entry.run.created_at))
    room = width - left.cell_length - 2
    while details and len(" · ".join(details)) > room:
        details.pop()
    right = safe_line(" · ".join(details), "$text-muted")
    return Content.assemble(left, " " * max(0, width - left.cell_length - right.cell_length), right)


def _result(entry: RunEntry, app: BaseApp) -> str:
    if entry.kind != "train":
        return _("Saved as base '{name}'. Press F5, then u, to make it the default.").format(name=entry.name)
    catalog = app.catalog
    card = None if entry.run is None else adapter_of(entry.run, catalog.adapters)
    if entry.run is None or card is None:
        return _("Its adapter '{name}' has been deleted.").format(name=entry.name)
    if card.run != entry.run.id:
        return _("One of several seeds, of which the adapter '{name}' was kept.").format(name=card.name)
    if not is_complete(entry.run, catalog.adapters):
        return join_sentences(
            _("Saved as adapter '{name}'.").format(name=card.name),
            _("One of several seeds. Press {key} to train those that are left.").format(
                key=first_key("train.resume", app.keymap)
            ),
        )
    if card.name == catalog.adapter:
        saved = _("Saved as adapter '{name}', the default.").format(name=card.name)
        return join_sentences(saved, compare_with_default(card, None))
    return join_sentences(
        _("Saved as adapter '{name}'.").format(name=card.name),
        compare_with_default(card, catalog.card(catalog.adapter)),
        _("Press {key} to make it the default.").format(key=first_key("train.use", app.keymap)),
    )


def _progress(entry: RunEntry, metrics: RunMetrics | None, width: int) -> Iterator[Content]:
    stage, share = entry.stage, entry.share(metrics)
    parts = [] if stage is not None and stage.stage != "validation" else list(_progress_parts(entry, metrics, share))
    if stage is not None:
        done = f" {stage.done:,}" if stage.done else ""
        if stage.total:
            done = f" {percent(stage.done / stage.total, 0)}"
            share = share if parts else stage.done / stage.total
        parts.append(Content.assemble((display_name(stage.stage), STATE_COLORS[entry.state]), done))
        if entry.job is not None:
            parts += map(safe_content, byte_progress(entry.job))
    yield bar(share or 0.0, width, STATE_COLORS[entry.state])
    yield join_fitting(parts or [Content.styled(_("No progress yet."), "$text-muted")], width)


def _progress_parts(entry: RunEntry, metrics: RunMetrics | None, share: float | None) -> Iterator[Content]:
    step, steps = entry.steps
    if share is not None:
        yield Content.styled(percent(share, 0), "bold")
    left = metrics.seconds_left() if metrics is not None and entry.state == "running" else None
    if left is not None and left > 0:
        yield Content.styled(_("{time} left").format(time=duration(left)), "bold")
    if step:
        text = _("step {step} of {steps}") if steps else _("step {step}")
        yield Content(text.format(step=f"{step:,}", steps=f"{steps:,}"))
    if metrics is not None and metrics.epoch:
        epochs = metrics.started.get("epochs")
        text = _("epoch {epoch} of {epochs}") if epochs else _("epoch {epoch}")
        yield safe_content(text.format(epoch=metrics.epoch, epochs=epochs))
    if step and share == 1 and entry.state == "running" and entry.job is None:
        yield Content(_("validating"))


def _figures(metrics: RunMetrics) -> Iterator[Content]:
    def figure(name: str, value: str) -> Content:
        return Content.assemble((f"{name} ", "$text-muted"), value)

    def smooth(name: str) -> float:
        return metrics.series[name].smooth

    yield figure(_("loss"), _number(smooth("loss")))
    if metrics.best_accuracy is not None:
        yield figure(_("validation accuracy"), percent(metrics.best_accuracy))
    if metrics.kind == "train":
        yield figure(_("posts/s"), _number(smooth("posts_per_second"), 0))
    yield figure(_("tokens/s"), _number(smooth("tokens_per_second"), 0))
    memory = metrics.series["memory"].value
    yield figure(_("memory"), NO_FIGURE if isnan(memory) else size(memory))
    yield figure(_("computing"), duration(metrics.seconds))


def _number(value: float, digits: int = 3) -> str:
    return NO_FIGURE if isnan(value) else f"{value:,.{digits}f}"


def log_lines(log: Sequence[LogLine], width: int) -> Iterator[Content]:
    """Yield the log as lines, the newest entry first."""
    today = f"{datetime.now():%Y-%m-%d}"
    for line in reversed(log):
        time = local_time(line.at, seconds=True)
        time = time[11:] if time.startswith(today) else time[5:]
        for number, text in enumerate(wrap_cells(_one_line(line.text), max(8, width - len(time) - 2))):
            yield Content.assemble((" " * len(time) if number else time, "$text-muted"), "  ", text)


def _one_line(text: str) -> str:
    return " ".join(sanitize(text).split())
