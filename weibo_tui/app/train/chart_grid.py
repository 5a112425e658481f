"""The charts of runs, one per metric: the loss large and the others in rows, or one in full size."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Container

from weibo_tui.app.plot.line_chart import LineChart
from weibo_tui.app.train.run_metrics import METRICS, Metric, RunMetrics
from weibo_tui.locale import gettext as _

_SMALL_ROWS = 7
_MIN_LARGE_ROWS, _MAX_LARGE_ROWS = 9, 20
_ROWS_BELOW = 6
"""Rows left below the charts if there is room."""
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
            metric.name: LineChart(_(metric.title), smoothing=metric.smoothing > 0, id=f"chart-{metric.name}")
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
        width = self.size.width
        columns = 1 if self.zoomed or width < 48 else 2 if width < 104 else 4
        small = -(-(len(visible) - 1) // columns)
        large = rows - small * (_SMALL_ROWS + 1) - _ROWS_BELOW
        self.styles.grid_size_columns = columns
        self._charts[self._metrics[0].name].styles.column_span = columns
        if self.zoomed:
            self.styles.grid_rows, self.styles.height = "1fr", "100%"
        else:
            heights = [min(max(large, _MIN_LARGE_ROWS), _MAX_LARGE_ROWS), *[_SMALL_ROWS] * small]
            self.styles.grid_rows = " ".join(map(str, heights))
            self.styles.height = sum(heights) + small  # the default would count hidden charts too
