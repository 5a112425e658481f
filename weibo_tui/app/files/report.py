"""The report of a labeled file on the screen: its sections, a timeline, and a key that writes it as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.files.figures import FigureList, FiguresScreen
from weibo_tui.app.files.report_sections import Section, sections, timeline_of
from weibo_tui.app.formatting import safe_content, wrap_parts
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.keymap import bindings
from weibo_tui.app.plot.timeline import Timeline
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.datasets.tables import Columns
from weibo_tui.display_names import label_name
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.report.page import check_outputs, numbers_path, write_report
from weibo_tui.presentation.report.sentences import timeline_keys
from weibo_tui.workbench.config import EstimationConfig
from weibo_tui.workbench.opened_file import FileInfo, OpenedFile
from weibo_tui.workbench.report import Report
from weibo_tui.workbench.workbench import Workbench

_SIGNS = {"model": "⠒⠤", "step": "━━", "volume": "▂▅"}


@dataclass(eq=False, slots=True)
class ReportView:
    """A report and the place in it, to open it again there. `revision` is that of the answers in it."""

    report: Report | None = None
    revision: tuple[int, ...] = ()
    section: int = 0
    label: int = 0
    cursor: int | None = None


class ReportScreen(FiguresScreen):
    """Shows a report, one section at a time."""

    KIND = "report"
    HELP_TEXT = N_(
        "A report of a labeled file: shares over time, words, emoticons, hashtags, places and posts. ← and → turn to "
        "another section, Enter opens the rows of a line, and w writes the report as an HTML file with its numbers."
    )
    BINDINGS = bindings("report")
    DEFAULT_CSS = """
    ReportScreen {
        .sections { height: auto; padding: 0 1 1 1; color: $text-muted; }
        .legend { height: auto; max-height: 2; padding: 0 1; color: $text-muted; display: none; }
        Timeline { height: 50%; max-height: 18; margin: 0 1; display: none; }
        &.-timeline Timeline, &.-timeline .legend { display: block; }
        &.-low .sections { padding: 0 1; background: $panel; }
        &.-low .title, &.-low.-timeline .legend, &.-low.-timeline .about { display: none; }
    }
    """

    def __init__(self, file: OpenedFile, info: FileInfo, view: ReportView | None = None) -> None:
        super().__init__(file, info)
        self.view = view if view is not None else ReportView()
        self._sections: list[Section] = []

    def compose_figures(self) -> Iterable[Widget]:
        yield Static(classes="sections")
        yield Timeline()
        yield Static(classes="legend")

    def title_text(self) -> str:
        return _("Report on {name}").format(name=self.info.path.name)

    def begin(self) -> None:
        self.run_task(self._begin(), group="begin", exclusive=True)

    async def _begin(self) -> None:
        """Show the report that is known, or compute it for the first time or because of a later answer."""
        revision = await self.app.records.call(lambda wb: wb.answers.revision(self.info.posts), for_app_only=True)
        if self.view.report is not None and self.view.revision == revision:
            self._show_sections()
            return
        self.view.report, self.view.revision = None, revision
        sampled = await self.app.records.call(lambda _wb: self.file.sampled_answers(), for_app_only=True)
        roles = self.info.roles
        columns = Columns(text=roles.get("post"))
        config = EstimationConfig(self.info.path, columns=columns, predicted_column=roles.get("predicted"))
        self.compute(lambda wb: wb.iter_report(config, sampled), self.app.reports)

    def show_result(self, result: object) -> None:
        assert isinstance(result, Report)
        self.view.report = result
        self._show_sections()

    @property
    def label(self) -> str:
        """The label of the timeline."""
        assert self.view.report is not None  # otherwise nothing is shown
        return self.view.report.labels[self.view.label]

    def _show_sections(self) -> None:
        report = self.view.report
        assert report is not None
        self._sections = list(sections(report, self.label))
        self.query_one(Timeline).show(*timeline_of(report, self.label))
        self.query_one(".legend", Static).update(ResponsiveText(self._legend))
        self._show_section(self.view.cursor)

    def _show_section(self, cursor: int | None = None) -> None:
        section = self._sections[self.view.section]
        self.set_class(section.is_timeline, "-timeline")
        self.query_one(".sections", Static).update(ResponsiveText(self._tabs))
        self.query_one(FigureList).show(section.lines, cursor)
        self.refresh_bindings()

    def _tabs(self, width: int) -> Iterator[Content]:
        """Yield the titles of the sections, or where they have no room the current one with its place."""
        titles = [section.title for section in self._sections]
        at = self.view.section
        if sum(cell_len(title) + 3 for title in titles) <= width:
            parts = [(title, "bold $primary" if number == at else "") for number, title in enumerate(titles)]
            yield Content("   ").join(safe_content(title, style) for title, style in parts)
        else:
            yield safe_content(f"‹ {titles[at]} {at + 1}/{len(titles)} ›", "bold $primary")

    def _legend(self, width: int) -> Iterator[Content]:
        report = self.view.report
        assert report is not None
        title = _("Share of {label} by day").format(label=label_name(self.label))
        keys = [safe_content(f"{_SIGNS[kind]} {name}") for kind, name in timeline_keys(report)]
        for line in wrap_parts([safe_content(title, "bold"), *keys], width):
            yield line.truncate(width, ellipsis=True)

    def show_days(self, days: range) -> None:
        self.query_one(Timeline).select(days)

    def on_line_list_moved(self) -> None:
        if self._sections:
            self.view.cursor = self.query_one(FigureList).cursor

    # ---- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action == "stop":
            return self.is_computing
        if action == "turn_label":
            return self.view.report is not None and len(self.view.report.labels) > 1
        if action in ("turn", "write"):
            return bool(self._sections) and not self.is_computing
        return True

    def action_turn(self, sections: int) -> None:
        self.view.section = (self.view.section + sections) % len(self._sections)
        self._show_section()

    def action_turn_label(self) -> None:
        assert self.view.report is not None  # otherwise the key does not work
        self.view.label = (self.view.label + 1) % len(self.view.report.labels)
        self._show_sections()

    def action_write(self) -> None:
        self.run_task(self._write(), group="write", exclusive=True)

    async def _write(self) -> None:
        report = self.view.report
        assert report is not None  # otherwise the key does not work
        data = report.estimation.path
        proposed = str(data.with_name(f"{data.stem}-report.html"))
        check = partial(check_outputs, data=data, overwrite=True)
        question = _("Write the report to (its numbers go to the .csv file next to it)")
        dialog = PathDialog(question, proposed, save=True, check=check)
        path = await self.app.push_screen_wait(dialog)
        if path is None:
            return
        overwrite, numbers = dialog.overwrite, numbers_path(path)
        if numbers.exists():
            answers = [("no", _("Cancel")), ("replace", _("Replace"))]
            question = _("File exists: {path}.").format(path=numbers)
            if await self.app.push_screen_wait(ChoiceDialog(question, answers)) != "replace":
                return
            overwrite = True

        def write(wb: Workbench) -> None:
            check_outputs(path, data, overwrite)
            for output in (path, numbers):
                wb.check_output(output, overwrite)
            write_report(report, path, overwrite)

        await self.app.records.call(write)
        self.show_message(_("Written: {path}").format(path=path), "success")
