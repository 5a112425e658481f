"""An evaluation: how far it is, then the score card and the confusion matrix, whose cells open their posts."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.evaluation.confusion_matrix import ConfusionMatrix
from weibo_tui.app.evaluation.evaluation_job import Evaluation
from weibo_tui.app.evaluation.posts_screen import CellPostsScreen
from weibo_tui.app.formatting import label_content, percent, safe_content
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.app.widgets.score_card import ScoreView
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.words import skipped_rows


class EvaluationScreen(FormScreen[None]):
    """Shows an evaluation, at work or done; the work goes on when it is closed."""

    HELP_TEXT = N_(
        "An evaluation compares the verdicts of an adapter with the labels of a file: with the posts as they are, with "
        "their emoticons cut, and with nothing else kept. Esc leaves it at work."
    )
    BINDINGS = bindings("evaluation")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (124, "-wide")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    EvaluationScreen {
        .title { height: auto; padding: 0 1; background: $panel; text-style: bold; }
        .news { height: auto; padding: 1 1 0 1; }
        .news.-empty { display: none; }
        #work { height: auto; padding: 1 1; }
        #result { height: 1fr; display: none; scrollbar-size-vertical: 1; }
        #cells { height: auto; padding: 1 1 0 1; }
        #cell { height: auto; padding: 1 0; color: $text-muted; }
        ConfusionMatrix { max-height: 60vh; }
        ScoreView { padding: 0 1; }
        &.-done #work { display: none; }
        &.-done #result { display: block; }
        &.-wide #result { layout: horizontal; }
        &.-wide #cells { width: 1fr; }
        &.-wide ScoreView { width: 76; padding: 1; }
    }
    """

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__()
        self.evaluation = evaluation

    def compose_body(self) -> Iterable[Widget]:
        yield Static(safe_content(self.evaluation.title), classes="title")
        yield Static(classes="news")
        yield Static(id="work")
        with VerticalScroll(id="result"):
            with Vertical(id="cells"):
                yield ConfusionMatrix()
                yield Static(id="cell")
            yield ScoreView(unseen=False)

    def on_mount(self) -> None:
        self.tell()

    def tell(self) -> None:
        """Show how the evaluation stands now."""
        if not self.query(ScoreView):
            return  # it was over before this was drawn; that is told then
        evaluation = self.evaluation
        news = self._news()
        self.query_one(".news", Static).update(news)
        self.query_one(".news", Static).set_class(not news, "-empty")
        self.refresh_bindings()
        scored = evaluation.scored
        if scored is None:
            self.query_one("#work", Static).update(ResponsiveText(evaluation.lines))
        elif not self.has_class("-done"):
            self.add_class("-done")
            # The matrix stands beside it, with its cells to open.
            self.query_one(ScoreView).show({**scored.score.to_json(), "confusion": ()})
            matrix = self.query_one(ConfusionMatrix)
            matrix.show(scored.score.labels, scored.score.confusion)
            matrix.focus()

    def _news(self) -> Content:
        """What there is to know before the figures."""
        scored, job = self.evaluation.scored, self.evaluation.job
        if scored is None:
            if self.evaluation.problem:
                return safe_content(self.evaluation.problem, "$text-error")
            if job.outcome == "stopped":
                return Content(_("It was stopped; nothing of it is kept."))
            return Content(_("stopping …") if job.stopping else "")
        lines = []
        if scored.warning:
            style = "$text-warning" if scored.seen_in_training else "$text-muted"
            lines.append(safe_content(scored.warning, style))
        if scored.unlabeled:
            lines.append(safe_content(skipped_rows(scored.unlabeled)))
        if scored.errors is not None:
            lines.append(safe_content(_("The posts judged wrongly are in {path}.").format(path=scored.errors)))
        return Content("\n").join(lines)

    def on_confusion_matrix_moved(self) -> None:
        assert self.evaluation.scored is not None  # it is what the matrix shows
        score = self.evaluation.scored.score
        label, judged, count = self.query_one(ConfusionMatrix).cell
        labels = score.labels
        posts = ngettext("{n} post", "{n} posts", count).format(n=f"{count:,}")
        whole = sum(score.confusion[labels.index(label)])
        parts = [
            Content.assemble(_("labelled"), " ", label_content(label, labels)),
            Content.assemble(_("judged"), " ", label_content(judged, labels)),
            safe_content(posts),
        ]
        if whole:
            parts.append(safe_content(_("{share} of the row").format(share=percent(count / whole))))
        self.query_one("#cell", Static).update(Content(" · ").join(parts))

    def on_confusion_matrix_opened(self) -> None:
        scored = self.evaluation.scored
        label, judged, count = self.query_one(ConfusionMatrix).cell
        if scored is not None and count:
            self.app.push_screen(CellPostsScreen(scored, label, judged))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        scored = self.evaluation.scored
        if action == "stop":
            return self.evaluation.job.outcome is None
        if action == "write":
            return scored is not None and bool(scored.score.n)
        return True

    def action_stop(self) -> None:
        self.evaluation.job.stop()
        self.app.wake_workers()
        self.tell()

    def action_write(self) -> None:
        self.run_task(self._write(), group="write", exclusive=True)

    async def _write(self) -> None:
        scored = self.evaluation.scored
        assert scored is not None  # the key does not work before
        name = f"{self.evaluation.plan.adapter}-wrong.csv"
        dialog = PathDialog(_("Where to write the posts judged wrongly"), name, save=True)
        path = await self.app.push_screen_wait(dialog)
        if path is None:
            return
        await self.app.records.call(lambda bench: bench.write_errors(scored, path, dialog.overwrite))
        self.show_message(_("{path} is written.").format(path=path), "success")
