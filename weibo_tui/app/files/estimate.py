"""Estimates of a labeled file on the screen: the share of each label, and of one label by day, week or column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from textual.content import Content

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.files.figures import BLANK, FigureLine, FigureList, FiguresScreen, paragraphs
from weibo_tui.app.files.share_lines import label_lines, window_lines
from weibo_tui.app.formatting import label_content
from weibo_tui.app.keymap import bindings
from weibo_tui.datasets.windows import DAY, WEEK
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.estimates import estimation_notes
from weibo_tui.storage.row_filters import RowFilter
from weibo_tui.workbench.estimation import Estimate, EstimationResult
from weibo_tui.workbench.opened_file import FileInfo, OpenedFile
from weibo_tui.workbench.workbench import Workbench

_WHOLE = ""  # the choice without windows


class EstimateScreen(FiguresScreen):
    """Shows estimates of the whole file, and by day, week or column."""

    KIND = "estimate"
    HELP_TEXT = N_(
        "The share of each label in the file, corrected by the human labels, with a 95% interval. b splits it by day, "
        "week or a column. Enter opens the rows of a line."
    )
    BINDINGS = bindings("estimate")

    def __init__(self, file: OpenedFile, info: FileInfo) -> None:
        super().__init__(file, info)
        self.by: str | None = None
        self.result: EstimationResult | None = None
        self._label = 0

    def title_text(self) -> str:
        if self.by is None:
            return _("Estimates for {name}").format(name=self.info.path.name)
        by = {DAY: _("day"), WEEK: _("week")}.get(self.by, self.by)
        return _("Estimates for {name} by {by}").format(name=self.info.path.name, by=by)

    def begin(self) -> None:
        by = self.by

        def estimate(_wb: Workbench) -> Iterator[object]:
            yield self.file.estimate(by=by)

        self.compute(estimate, self.app.records)

    def show_result(self, result: object) -> None:
        assert isinstance(result, EstimationResult)
        self.result = result
        self._label = next((at for at, label in enumerate(result.labels) if label == "positive"), 0)
        self._show()

    def _show(self, cursor: int | None = None) -> None:
        self.query_one(FigureList).show(self._lines, cursor)

    @property
    def label(self) -> str:
        """The label whose windows are shown."""
        assert self.result is not None  # otherwise nothing is shown
        return self.result.labels[self._label]

    def _lines(self, width: int) -> Iterator[FigureLine]:
        result = self.result
        assert result is not None  # otherwise nothing is shown
        yield from label_lines(result.of_file, result.labels, width)
        yield BLANK
        yield from paragraphs(result.warnings, width, "$text-warning")
        yield from paragraphs(estimation_notes(result), width, "")
        if result.by is not None:
            yield BLANK
            yield FigureLine.of(label_content(self.label, result.labels))
            yield from self._windows(result, result.by, width)

    def _windows(self, result: EstimationResult, by: str, width: int) -> Iterator[FigureLine]:
        windows = [one for one in result.estimates if one.window is not None and one.label == self.label]

        def line(one: Estimate, draw: Callable[[], Content], about: Callable[[], str]) -> FigureLine:
            return FigureLine(draw, _rows_of_window(str(one.window), by), about=about)

        title = {DAY: _("day"), WEEK: _("week from")}.get(by, by)
        yield from window_lines(title, [str(one.window) for one in windows], windows, result.labels, width, line)

    # ---- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action == "stop":
            return self.is_computing
        if action == "turn_label":
            return self.result is not None and self.result.by is not None
        return True

    def action_turn_label(self) -> None:
        assert self.result is not None  # otherwise the key does not work
        self._label = (self._label + 1) % len(self.result.labels)
        self._show(self.query_one(FigureList).cursor)

    def action_split(self) -> None:
        self.run_task(self._ask_for_windows(), group="split", exclusive=True)

    async def _ask_for_windows(self) -> None:
        choices = [(_WHOLE, _("the whole file")), (DAY, _("day")), (WEEK, _("week"))]
        left_out = {DAY, WEEK, *self.info.roles.values()}
        choices += [(name, name) for name in self.info.columns if name not in left_out]
        dialog = ChoiceDialog(_("Estimate the shares by:"), choices, self.by or _WHOLE)
        by = await self.app.push_screen_wait(dialog)
        if by is not None and (by or None) != self.by:
            self.by = by or None
            self.show_title()
            self.begin()


def _rows_of_window(window: str, by: str) -> RowFilter:
    if by not in (DAY, WEEK):
        return RowFilter(columns=((by, window),))
    first = date.fromisoformat(window)
    last = first if by == DAY else date.fromordinal(first.toordinal() + 6)
    return RowFilter(since=first, until=last)
