"""The evaluation screen: the progress, then the score card and the confusion matrix with the posts of its cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.evaluation.confusion_matrix import ConfusionMatrix
from weibo_tui.app.evaluation.posts_screen import CellPostsScreen, cell_title
from weibo_tui.app.evaluation.result_view import ResultView
from weibo_tui.app.explanation import in_app_terms
from weibo_tui.app.formatting import bar, safe_content
from weibo_tui.app.forms.document_export import export_document
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.keymap import bindings
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.display_names import display_name
from weibo_tui.locale import N_, join_list
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.labels import label_notes
from weibo_tui.presentation.numbers import duration, percent
from weibo_tui.presentation.publication.scores import evaluation_document
from weibo_tui.progress import Progress
from weibo_tui.workbench.config import EvaluationConfig
from weibo_tui.workbench.evaluation import EvaluationResult

_STAGES = ("reading", "hashing", "evaluating", "without emoticons", "only emoticons")
_PASSES = _STAGES[2:]


@dataclass(eq=False)
class Evaluation:
    """An evaluation, with the latest progress of each stage, and its result or its error message."""

    config: EvaluationConfig
    job: Job
    stages: dict[str, Progress] = field(default_factory=dict)
    result: EvaluationResult | None = None
    problem: str = ""

    def update(self, events: Sequence[object]) -> None:
        """Process events of the job."""
        for event in events:
            if isinstance(event, EvaluationResult):
                self.result = event
            elif isinstance(event, Progress) and event.stage in _STAGES:
                self.stages[event.stage] = event

    @property
    def title(self) -> str:
        """The adapter and the files."""
        return _("{adapter} on {files}").format(
            adapter=self.config.adapter, files=join_list(path.name for path in self.config.data)
        )

    @property
    def outcome(self) -> str:
        """The result, the error or the state in a few words."""
        if self.result is not None:
            return _("{share} correct").format(share=percent(self.result.score.accuracy))
        return self.problem or display_name(self.job.state)

    def lines(self, width: int) -> Iterator[Content]:
        """Yield the progress, a line for each stage."""
        column = max(cell_len(display_name(stage)) for stage in _STAGES) + 2
        for stage in _STAGES:
            yield self._line(stage, column, max(6, min(30, width - column - 34)))

    def _line(self, stage: str, column: int, cells: int) -> Content:
        name = display_name(stage) + " " * (column - cell_len(display_name(stage)))
        index, current = _STAGES.index(stage), max(map(_STAGES.index, self.stages), default=-1)
        if index > current:
            return Content.styled(f"  {name}", "$text-disabled")
        progress = self.stages.get(stage)
        if index < current or (progress is not None and progress.done == progress.total):
            return Content.assemble(("✓ ", "$text-success"), name)
        return Content.assemble(("▸ ", "$primary"), name, *(self._figures(progress, cells) if progress else ()))

    def _figures(self, progress: Progress, cells: int) -> Iterator[str | Content]:
        if not progress.total:
            yield f"{progress.done:,}"
            return
        yield bar(progress.done / progress.total, cells, "$primary")
        yield "  " + _("{done} of {total}").format(done=f"{progress.done:,}", total=f"{progress.total:,}")
        if progress.done < progress.total and self.job.outcome is None:
            if self.job.per_second:
                yield _(" · {rate} posts/s").format(rate=f"{self.job.per_second:,.0f}")
            if (left := self._seconds_left(progress)) is not None:
                yield _(" · about {time} left").format(time=duration(left))

    def _seconds_left(self, progress: Progress) -> float | None:
        """Return the seconds until the last pass ends, at the rate of this one."""
        if not self.job.per_second or not progress.total or progress.stage not in _PASSES:
            return None
        remaining_passes = len(_PASSES) - 1 - _PASSES.index(progress.stage)
        return (progress.total - progress.done + remaining_passes * progress.total) / self.job.per_second


class EvaluationScreen(FormScreen[None]):
    """Shows a running or finished evaluation; closing it does not stop the evaluation."""

    HELP_TEXT = N_(
        "An evaluation compares an adapter's predictions with the labels of a file: on the posts as they "
        "are, without emoticons, and on the emoticons only. n and p turn the pages of the result. Esc leaves "
        "the screen; the evaluation continues.\n\n"
        "Accuracy by confidence: on the dashed line, a model is right as often as it is confident. The lines are 95% "
        "intervals. Error rate by share answered: the errors if only the most confident posts are answered. ◆ marks "
        "the confidence from which on 90, 95, 98 or 99% are correct."
    )
    BINDINGS = bindings("evaluation")
    DEFAULT_CSS = """
    EvaluationScreen {
        .title { height: auto; padding: 0 1; background: $panel; text-style: bold; }
        .notes { height: auto; padding: 1 1 0 1; }
        .notes.-empty { display: none; }
        #work { height: auto; padding: 1 1; }
        ResultView { height: 1fr; display: none; }
        &.-done #work { display: none; }
        &.-done ResultView { display: block; }
    }
    """

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__()
        self.evaluation = evaluation

    def compose_body(self) -> Iterable[Widget]:
        yield Static(classes="title")
        yield Static(classes="notes")
        yield Static(id="work")
        yield ResultView()

    def on_mount(self) -> None:
        self.update()

    def update(self) -> None:
        """Show the current state of the evaluation."""
        if not self.query(ConfusionMatrix):
            return  # not composed yet
        self._show_title()
        notes = self._notes()
        self.query_one(".notes", Static).update(notes)
        self.query_one(".notes", Static).set_class(not notes, "-empty")
        self.refresh_bindings()
        result = self.evaluation.result
        if result is None:
            self.query_one("#work", Static).update(ResponsiveText(self.evaluation.lines))
        elif not self.has_class("-done"):
            self.add_class("-done")
            self.query_one(ResultView).show(result.score)

    def _show_title(self) -> None:
        """Show the title, with the number of the page if there are several."""
        view = self.query_one(ResultView)
        page = f"  {view.page + 1}/{len(view.pages)}" if len(view.pages) > 1 else ""
        title = Content.assemble(safe_content(self.evaluation.title), (page, "$text-muted"))
        self.query_one(".title", Static).update(title)

    def on_result_view_turned(self) -> None:
        self._show_title()
        self.refresh_bindings()

    def action_turn(self, by: int) -> None:
        self.query_one(ResultView).turn(by)

    def _notes(self) -> Content:
        result, job = self.evaluation.result, self.evaluation.job
        if result is None:
            if self.evaluation.problem:
                return safe_content(self.evaluation.problem, "$text-error")
            if job.outcome == "stopped":
                return Content(_("Stopped. Nothing was kept."))
            return Content(_("stopping …") if job.stopping else "")
        lines = []
        if result.warning:
            style = "$text-warning" if result.seen_in_training else "$text-muted"
            lines.append(safe_content(result.warning, style))
        notes = label_notes(result.labels_read_as, result.left_out)
        lines += [safe_content(in_app_terms(note)) for note in notes]
        if result.errors is not None:
            lines.append(safe_content(_("Errors written: {path}").format(path=result.errors)))
        return Content("\n").join(lines)

    def on_confusion_matrix_moved(self) -> None:
        assert self.evaluation.result is not None  # the matrix shows it
        score = self.evaluation.result.score
        label, predicted, count = self.query_one(ConfusionMatrix).cell
        parts = cell_title(label, predicted, score.labels, count)
        if total := sum(score.confusion[score.labels.index(label)]):
            parts.append(safe_content(_("{share} of the row").format(share=percent(count / total))))
        self.query_one("#cell", Static).update(Content(" · ").join(parts))

    def on_confusion_matrix_opened(self) -> None:
        result = self.evaluation.result
        label, predicted, count = self.query_one(ConfusionMatrix).cell
        if result is not None and count:
            self.app.push_screen(CellPostsScreen(result, label, predicted))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        result = self.evaluation.result
        if action == "stop":
            return self.evaluation.job.outcome is None
        if action == "turn":
            return len(self.query_one(ResultView).pages) > 1
        if action in ("export", "write"):
            return result is not None and bool(result.score.n)
        return True

    def action_stop(self) -> None:
        self.evaluation.job.stop()
        self.app.wake_workers()
        self.update()

    def action_compare(self) -> None:
        self.run_task(self._compare(), group="compare", exclusive=True)

    async def _compare(self) -> None:
        """Ask for a comparison of this adapter with others on the same file, and start it."""
        config = self.evaluation.config
        job = await self.app.open_comparison_form([config.adapter], config.data[0], self.app)
        if job is not None:
            self.app.start_job(job)

    def action_export(self) -> None:
        self.run_task(self._export(), group="write", exclusive=True)

    async def _export(self) -> None:
        result, config = self.evaluation.result, self.evaluation.config
        assert result is not None  # otherwise the key does not work
        document = evaluation_document(result, config.data)
        path = await export_document(self.app, document, f"{config.adapter}-score.html", config.data)
        if path is not None:
            self.show_message(_("Written: {path}").format(path=path), "success")

    def action_write(self) -> None:
        self.run_task(self._write(), group="write", exclusive=True)

    async def _write(self) -> None:
        result = self.evaluation.result
        assert result is not None  # otherwise the key does not work
        name = f"{self.evaluation.config.adapter}-wrong.csv"
        dialog = PathDialog(_("Export errors to"), name, save=True)
        path = await self.app.push_screen_wait(dialog)
        if path is None:
            return
        await self.app.records.call(lambda wb: wb.write_errors(result, path, dialog.overwrite))
        self.show_message(_("Written: {path}").format(path=path), "success")
