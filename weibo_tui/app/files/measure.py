"""Accuracy of adapters on the sample answers to a file, on the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from weibo_tui.app.files.figures import FigureLine, FigureList, FiguresScreen, paragraphs
from weibo_tui.app.formatting import safe_line
from weibo_tui.app.keymap import bindings
from weibo_tui.app.plot.intervals import interval_bar
from weibo_tui.app.widgets.figure_table import Column, Table
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.measurements import measurement_notes
from weibo_tui.presentation.numbers import NO_FIGURE, percent
from weibo_tui.workbench.annotation_results import SampleMeasurement
from weibo_tui.workbench.opened_file import FileInfo, OpenedFile


class MeasureScreen(FiguresScreen):
    """Shows the accuracy of adapters, the oldest first, on the same posts."""

    KIND = "evaluate"
    HELP_TEXT = N_(
        "Adapters compared on the random sample that you labeled in this file. No adapter learns from these posts: a "
        "training leaves them out."
    )
    BINDINGS = bindings("measure")

    def __init__(self, file: OpenedFile, info: FileInfo, adapters: Sequence[str]) -> None:
        super().__init__(file, info)
        self._adapters = adapters
        self.result: SampleMeasurement | None = None

    def title_text(self) -> str:
        return _("Adapters on the sample of {name}").format(name=self.info.path.name)

    def begin(self) -> None:
        adapters, posts = self._adapters, self.info.posts
        self.compute(lambda wb: wb.iter_measure_on_sample(posts, adapters), self.app.engine)

    def show_result(self, result: object) -> None:
        assert isinstance(result, SampleMeasurement)
        self.result = result
        self.query_one(FigureList).show(partial(_lines, result), cursor=1)  # the first adapter, below the header

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return self.is_computing if action == "stop" else True


def _lines(found: SampleMeasurement, width: int) -> Iterator[FigureLine]:
    scores = list(found.scores.values())
    limits = [score.accuracy_ci or (None, None) for score in scores]
    columns = [
        Column(_("accuracy"), [percent(score.accuracy) for score in scores]),
        Column(_("95% interval"), [_interval(*pair) for pair in limits]),
        Column(_("Macro F1"), [percent(score.macro_f1) for score in scores]),
    ]
    names = [safe_line(name) for name in found.scores]
    table = Table(
        _("adapter"),
        names,
        columns,
        width,
        lambda row, cells: interval_bar(cells, "$primary", None, scores[row].accuracy, *limits[row]),
    )
    yield FigureLine.of(table.header)
    for row in range(len(scores)):
        yield FigureLine(partial(table.line, row))
    yield from paragraphs(measurement_notes(found), width)


def _interval(low: float | None, high: float | None) -> str:
    return NO_FIGURE if low is None else f"{percent(low)} – {percent(high)}"
