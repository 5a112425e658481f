"""The comparison screen: the progress, then the figures and the table of both labels with the posts of its cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.evaluation.comparison_lines import figure_lines
from weibo_tui.app.evaluation.comparison_posts import ComparedPostsPane, ComparedPostsScreen
from weibo_tui.app.evaluation.confusion_matrix import ConfusionMatrix
from weibo_tui.app.evaluation.post_list import number_of_posts
from weibo_tui.app.formatting import label_content, safe_content, safe_line
from weibo_tui.app.forms.document_export import export_document
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.keymap import bindings
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.widgets.job_progress import JobLine
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.display_names import display_name
from weibo_tui.locale import N_, join_list
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.comparison import pair_name, rater_name
from weibo_tui.presentation.publication.comparison import comparison_document
from weibo_tui.workbench.comparison_result import ComparisonResult, PairComparison
from weibo_tui.workbench.config import ComparisonConfig


@dataclass(eq=False)
class Comparison:
    """A comparison, and its result or its error message."""

    config: ComparisonConfig
    job: Job
    result: ComparisonResult | None = None
    problem: str = ""

    def update(self, events: Sequence[object]) -> None:
        """Process events of the job."""
        for event in events:
            if isinstance(event, ComparisonResult):
                self.result = event

    @property
    def title(self) -> str:
        """The adapters and the file."""
        names = [*self.config.adapters, *filter(None, [self.config.predicted_column])]
        return _("{adapters} compared on {files}").format(adapters=join_list(names), files=self.config.data.name)

    @property
    def outcome(self) -> str:
        """The result, the error or the state in a few words."""
        if self.result is not None:
            return number_of_posts(self.result.disagreements)
        return self.problem or display_name(self.job.state)


class ComparisonScreen(FormScreen[None]):
    """Shows a running or finished comparison; closing it does not stop the comparison."""

    HELP_TEXT = N_(
        "A comparison of predictions on the same posts. The table counts posts by the labels of two of them; Enter "
        "shows the posts of a cell. The list has the posts on which they differ, surest first; a digit stores a human "
        "label of the row, as in Files. Esc leaves the screen; the comparison continues."
    )
    BINDINGS = bindings("comparison")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (124, "-wide")]  # noqa: RUF012 - as Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]  # noqa: RUF012
    DEFAULT_CSS = """
    ComparisonScreen {
        .title { height: auto; padding: 0 1; background: $panel; text-style: bold; }
        .state { height: auto; padding: 1 1; }
        &.-done .state { display: none; }
        #result { height: 1fr; display: none; }
        #top { height: 1fr; scrollbar-size-vertical: 1; }
        #figures { height: auto; padding: 1 1; }
        #cells { height: auto; padding: 0 1; }
        #pair { height: auto; text-style: bold; }
        #cell { height: auto; padding: 1 0; color: $text-muted; }
        ConfusionMatrix { max-height: 60vh; }
        ComparedPostsPane { display: none; }
        &.-done #result { display: block; }
        &.-tall #top { height: auto; max-height: 60%; }
        &.-tall ConfusionMatrix { max-height: 20vh; }
        &.-tall ComparedPostsPane { display: block; }
        &.-wide #top { layout: horizontal; }
        &.-wide #figures { width: 2fr; }
        &.-wide #cells { width: 1fr; padding: 1 1; }
    }
    """

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self.comparison = comparison
        self._pair = 0

    def compose_body(self) -> Iterable[Widget]:
        yield Static(safe_line(self.comparison.title), classes="title")
        yield JobLine()
        yield Static(classes="state")
        with Vertical(id="result"), VerticalScroll(id="top", can_focus=False):
            yield Static(id="figures")
            with Vertical(id="cells"):
                yield Static(id="pair")
                yield ConfusionMatrix(_("first ↓ second →"))
                yield Static(id="cell")

    def on_mount(self) -> None:
        self.update()

    def update(self) -> None:
        """Show the current state of the comparison."""
        if not self.query("#cell"):
            return  # not composed yet
        comparison = self.comparison
        self.query_one(JobLine).show(None if comparison.job.outcome is not None else comparison.job)
        self.query_one(".state", Static).update(self._state())
        self.refresh_bindings()
        if (result := comparison.result) is not None and not self.has_class("-done"):
            self.add_class("-done")
            self.query_one("#figures", Static).update(ResponsiveText(lambda width: figure_lines(result, width)))
            self._show_pair()
            self.query_one(ConfusionMatrix).focus()
            if result.disagreements:
                self.query_one("#result").mount(ComparedPostsPane(result))

    def _state(self) -> Content:
        if self.comparison.problem:
            return safe_content(self.comparison.problem, "$text-error")
        return Content(_("Stopped. Nothing was kept.") if self.comparison.job.outcome == "stopped" else "")

    @property
    def _shown(self) -> tuple[ComparisonResult, PairComparison]:
        result = self.comparison.result
        assert result is not None  # otherwise there is no table, and the keys do not work
        return result, result.pairs[self._pair]

    def _show_pair(self) -> None:
        result, pair = self._shown
        self.query_one("#pair", Static).update(safe_line(pair_name(result, pair)))
        self.query_one(ConfusionMatrix).show(result.labels, pair.table)

    def on_confusion_matrix_moved(self) -> None:
        result, pair = self._shown
        *cell, count = self.query_one(ConfusionMatrix).cell
        parts = [
            Content.assemble(safe_line(rater_name(result.raters[place])), " ", label_content(label, result.labels))
            for place, label in zip(result.members(pair), cell, strict=True)
        ]
        parts.append(Content(number_of_posts(count)))
        self.query_one("#cell", Static).update(Content(" · ").join(parts))

    def on_confusion_matrix_opened(self) -> None:
        result, pair = self._shown
        first, second, count = self.query_one(ConfusionMatrix).cell
        if count:
            self.app.push_screen(ComparedPostsScreen(ComparedPostsPane(result, pair, (first, second))))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        result = self.comparison.result
        working = {
            "stop": self.comparison.job.outcome is None,
            "list_posts": result is not None and bool(result.disagreements),
            "export": result is not None and bool(result.n),
            "write": result is not None and bool(result.disagreements),
            "turn_pair": result is not None and len(result.pairs) > 1,
        }
        return working.get(action, True)

    def action_close(self) -> None:
        if not any(pane.go_back() for pane in self.query(ComparedPostsPane)):
            super().action_close()

    def action_stop(self) -> None:
        self.comparison.job.stop()
        self.app.wake_workers()
        self.update()

    def action_turn_pair(self) -> None:
        result, _pair = self._shown
        self._pair = (self._pair + 1) % len(result.pairs)
        self._show_pair()

    def action_list_posts(self) -> None:
        """Go to the posts on which raters differ, on a screen of their own where there is no room."""
        if self.has_class("-tall"):
            self.query_one(ComparedPostsPane).list.focus()
        else:
            self.app.push_screen(ComparedPostsScreen(ComparedPostsPane(self._shown[0])))

    def action_export(self) -> None:
        self.run_task(self._export(), group="write", exclusive=True)

    async def _export(self) -> None:
        result, _pair = self._shown
        name = f"{result.path.stem}-comparison.html"
        path = await export_document(self.app, comparison_document(result), name, [result.path])
        if path is not None:
            self.show_message(_("Written: {path}").format(path=path), "success")

    def action_write(self) -> None:
        self.run_task(self._write(), group="write", exclusive=True)

    async def _write(self) -> None:
        result, _pair = self._shown
        dialog = PathDialog(_("Export disagreements to"), f"{result.path.stem}-disagreements.csv", save=True)
        path = await self.app.push_screen_wait(dialog)
        if path is not None:
            await self.app.records.call(lambda wb: wb.write_disagreements(result, path, dialog.overwrite))
            self.show_message(_("Written: {path}").format(path=path), "success")
