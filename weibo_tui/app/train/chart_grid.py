"""The curves of runs, one measure a chart: the loss large, the others in rows; or one that has all the room."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Container

from weibo_tui.app.plot.line_chart import LineChart
from weibo_tui.app.train.run_metrics import MEASURES, Metric, RunMetrics
from weibo_tui.locale import gettext as _

_SMALL_ROWS = 7
_FEWEST_ROWS, _MOST_ROWS = 9, 20
"""Of the large chart."""
_ROWS_BELOW = 6
"""Left for what stands below, where the room allows."""
# A pretraining has windows and not posts, and is measured once, when it is over.
_NOT_OF_PRETRAINING = ("validation_loss", "accuracy", "macro_f1", "posts_per_second")


class ChartGrid(Container):
    """Charts of the runs that are shown."""

    DEFAULT_CSS = """
    ChartGrid { layout: grid; grid-gutter: 1 3; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._measures: list[Metric] = list(MEASURES)
        self._zoomed = 0
        self._room = 0
        self._charts = {
            one.name: LineChart(_(one.title), smoothing=one.smoothing > 0, id=f"chart-{one.name}") for one in MEASURES
        }
        self.log_y = False
        self.smoothing = True

    def compose(self) -> ComposeResult:
        yield from self._charts.values()

    @property
    def zoomed(self) -> bool:
        return self.has_class("-zoomed")

    def show(self, records: Sequence[RunMetrics], kind: str) -> None:
        """Draw these runs, and the measures that a run of this kind has."""
        measures = [one for one in MEASURES if kind == "train" or one.name not in _NOT_OF_PRETRAINING]
        if measures != self._measures:
            self._measures, self._zoomed = measures, 0
            self.lay_out(self._room)
        for measure in measures:
            self._charts[measure.name].set_series(record.series[measure.name] for record in records)

    def turn_log(self) -> None:
        """Logarithmic axes where values spread over decades, or linear ones again."""
        self.log_y = not self.log_y
        for measure in MEASURES:
            self._charts[measure.name].log_y = self.log_y and measure.spread

    def turn_smoothing(self) -> None:
        """The smoothed curve over the raw one, or that alone."""
        self.smoothing = not self.smoothing
        for measure in MEASURES:
            self._charts[measure.name].smoothing = self.smoothing and measure.smoothing > 0

    def zoom(self, measure: str = "") -> None:
        """Give a chart all the room, the last one where none is named; or let all be seen again."""
        names = [one.name for one in self._measures]
        if measure in names:
            self._zoomed = names.index(measure)
        self.toggle_class("-zoomed")
        self.lay_out(self._room)

    def turn(self, by: int) -> None:
        """Let the next chart, or the one before, have the room."""
        self._zoomed = (self._zoomed + by) % len(self._measures)
        self.lay_out(self._room)

    def lay_out(self, room: int) -> None:
        """Lay the charts out, in a window of `room` rows."""
        self._room = room
        shown = [self._measures[self._zoomed]] if self.zoomed else self._measures
        for name, chart in self._charts.items():
            chart.display = any(one.name == name for one in shown)
        width = self.size.width
        columns = 1 if self.zoomed or width < 48 else 2 if width < 104 else 4
        rows = -(-(len(shown) - 1) // columns)
        large = room - rows * (_SMALL_ROWS + 1) - _ROWS_BELOW
        self.styles.grid_size_columns = columns
        self._charts[self._measures[0].name].styles.column_span = columns
        if self.zoomed:
            self.styles.grid_rows, self.styles.height = "1fr", "100%"
        else:
            heights = [min(max(large, _FEWEST_ROWS), _MOST_ROWS), *[_SMALL_ROWS] * rows]
            self.styles.grid_rows = " ".join(map(str, heights))
            self.styles.height = sum(heights) + rows  # left to itself it would count those that are not seen too
