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
from weibo_tui.app.evaluation.comparison_posts import ComparedPostsScreen, number_of_posts
from weibo_tui.app.evaluation.confusion_matrix import ConfusionMatrix
from weibo_tui.app.explanation import in_app_terms
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
from weibo_tui.presentation.comparison import comparison_notes, pair_name
from weibo_tui.presentation.publication.comparison import comparison_document
from weibo_tui.workbench import ComparisonConfig, ComparisonResult, PairComparison


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
        return _("{adapter} on {files}").format(adapter=join_list(names), files=self.config.data.name)

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
        "shows the posts of a cell, and d those on which they differ. Esc leaves the screen; the comparison continues."
    )
    BINDINGS = bindings("comparison")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (124, "-wide")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    ComparisonScreen {
        .title { height: auto; padding: 0 1; background: $panel; text-style: bold; }
        .notes { height: auto; padding: 1 1 0 1; }
        .notes.-empty { display: none; }
        #result { height: 1fr; display: none; scrollbar-size-vertical: 1; }
        #figures { height: auto; padding: 1 1; }
        #cells { height: auto; padding: 0 1; }
        #pair { height: auto; text-style: bold; }
        #cell { height: auto; padding: 1 0; color: $text-muted; }
        ConfusionMatrix { max-height: 60vh; }
        &.-done #result { display: block; }
        &.-wide #result { layout: horizontal; }
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
        yield Static(classes="notes")
        with VerticalScroll(id="result", can_focus=False):
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
        notes = self._notes()
        self.query_one(".notes", Static).update(notes)
        self.query_one(".notes", Static).set_class(not notes, "-empty")
        self.refresh_bindings()
        if (result := comparison.result) is not None and not self.has_class("-done"):
            self.add_class("-done")
            self.query_one("#figures", Static).update(ResponsiveText(lambda width: figure_lines(result, width)))
            self._show_pair()
            self.query_one(ConfusionMatrix).focus()

    def _notes(self) -> Content:
        result, job = self.comparison.result, self.comparison.job
        if result is None:
            if self.comparison.problem:
                return safe_content(self.comparison.problem, "$text-error")
            return Content(_("Stopped. Nothing was kept.") if job.outcome == "stopped" else "")
        lines = [safe_content(in_app_terms(note)) for note in comparison_notes(result)]
        lines += [safe_content(warning, "$text-warning") for warning in result.warnings]
        return Content("\n").join(lines)

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
        result, _pair = self._shown
        first, second, count = self.query_one(ConfusionMatrix).cell
        parts = [label_content(first, result.labels), label_content(second, result.labels)]
        parts.append(Content(number_of_posts(count)))
        self.query_one("#cell", Static).update(Content(" · ").join(parts))

    def on_confusion_matrix_opened(self) -> None:
        result, pair = self._shown
        first, second, count = self.query_one(ConfusionMatrix).cell
        if count:
            self.app.push_screen(ComparedPostsScreen(result, pair, (first, second), count))

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

    def action_stop(self) -> None:
        self.comparison.job.stop()
        self.app.wake_workers()
        self.update()

    def action_turn_pair(self) -> None:
        result, _pair = self._shown
        self._pair = (self._pair + 1) % len(result.pairs)
        self._show_pair()

    def action_list_posts(self) -> None:
        result, _pair = self._shown
        self.app.push_screen(ComparedPostsScreen(result, None, None, result.disagreements))

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
