"""A run as it goes on: how far it is, its curves, its log, and in the end its score card."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.events import Click, Resize
from textual.message import Message
from textual.widgets import Static

from weibo_tui.app.plot.line_chart import LineChart
from weibo_tui.app.train.chart_grid import ChartGrid
from weibo_tui.app.train.monitor_head import head_lines, log_lines
from weibo_tui.app.train.run_metrics import LogLine, RunMetrics
from weibo_tui.app.train.run_store import RunEntry
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.app.widgets.score_card import ScoreView
from weibo_tui.locale import N_

SIDE_BY_SIDE = 112
"""Cells from which on score card and log stand side by side."""


class _Body(VerticalScroll):
    HELP_TEXT = N_(
        "The run that is chosen in the list. Up and down show more of it; z gives one curve all the room, left and "
        "right go through them then; l makes axes logarithmic, m smooths. Esc goes back to the list."
    )


class Monitor(Vertical):
    """Everything about one run, and the curves of those that are laid over it."""

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
        &.-zoomed #facts { display: none; }
        &.-zoomed ChartGrid { margin-bottom: 0; }
    }
    """

    class Zoomed(Message):
        """One chart has all the room now, or no longer."""

    def __init__(self) -> None:
        super().__init__()
        self._head = Static(classes="head")
        self._log = Static(classes="log")
        self._told: tuple[LogLine, ...] = ()
        self._score = ScoreView()
        self._charts = ChartGrid()
        self._facts = Container(self._score, self._log, id="facts")
        self._body = _Body(self._charts, self._facts)

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._body

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width >= SIDE_BY_SIDE, "-wide")
        self.call_after_refresh(self._arrange)

    def _arrange(self) -> None:
        above = self._facts.size.height if self.has_class("-scored") else 0
        self._charts.lay_out(self._body.size.height - above)

    @property
    def charts(self) -> ChartGrid:
        return self._charts

    def enter(self) -> None:
        """Take the focus, so that the arrows scroll."""
        self.screen.set_focus(self._body)

    def zoom(self, measure: str = "") -> None:
        """Give a chart all the room, the last one where none is named; or let everything be seen again."""
        self._charts.zoom(measure)
        self.set_class(self._charts.zoomed, "-zoomed")
        self._body.scroll_home(animate=False)
        self.post_message(self.Zoomed())

    def on_click(self, event: Click) -> None:
        if isinstance(event.widget, LineChart):
            self.zoom((event.widget.id or "").removeprefix("chart-"))

    def show(self, entry: RunEntry, records: Sequence[RunMetrics]) -> None:
        """Show a run with all that is known of it; the first of `records` is its own, if it has one."""
        own = records[0] if records and entry.run is not None and records[0].run_id == entry.run.id else None
        self.show_head(entry, own)
        self._charts.show(records, entry.kind)
        self._show_log(own)
        summary = entry.run.summary if entry.run is not None else None
        score = summary.get("score") if summary and entry.state == "finished" else None
        self._score.show(score if isinstance(score, dict) else {})
        self._set_scored(bool(score))

    def show_head(self, entry: RunEntry, record: RunMetrics | None) -> None:
        """Show how far it is, and nothing else."""
        lines = list(head_lines(entry, record, max(1, self._head.size.width)))
        fits = len(lines) == self._head.size.height  # then nothing else moves, and need not be laid out
        self._head.update(ResponsiveText(lambda width: head_lines(entry, record, width)), layout=not fits)

    def _show_log(self, record: RunMetrics | None) -> None:
        told = () if record is None else tuple(record.log)
        if told != self._told:
            self._told = told
            self._log.update(ResponsiveText(lambda width: log_lines(told, width)))

    def _set_scored(self, scored: bool) -> None:
        """The score card is what one looks for when a run is over: it comes before the curves then."""
        if scored != self.has_class("-scored"):
            self.set_class(scored, "-scored")
            if scored:
                self._body.move_child(self._facts, before=self._charts)
            else:
                self._body.move_child(self._facts, after=self._charts)
            self.call_after_refresh(self._arrange)
