"""Screen of why a post got its label: the shaded post with the curve of its prediction, the reasons, and a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rich.cells import cell_len
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.formatting import label_content, safe_content
from weibo_tui.app.keymap import bindings
from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.app.widgets.explanation import legend_lines, post_lines, reason_lines, unit_style
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.explanation import weight_bar
from weibo_tui.presentation.numbers import percent
from weibo_tui.progress import Progress
from weibo_tui.text.terminal import sanitize, truncate_cells
from weibo_tui.workbench.explanation import ExplainedUnit, Explanation, ShapleyUnit

MAX_ROWS = 12
"""Rows of the table."""
_UNIT_CELLS = 20
_BAR_CELLS = 16


class ExplanationScreen(FormScreen[None]):
    """Explains the prediction for a post. `turn` moves in the list that the post is from, by 1 or -1 to the next post
    with a prediction, and returns it, or None at an end."""

    HELP_TEXT = N_(
        "Why the post got its label. Orange parts speak for the label, blue and underlined ones against it. The bars "
        "below the text are the probability of the label if the post ended there. The weight of a part is the change "
        "of the log odds without it. s shows Shapley values instead: the mean change over all orders in which the "
        "parts can be added, with a standard error."
    )
    BINDINGS = bindings("why")
    DEFAULT_CSS = """
    ExplanationScreen {
        .title { height: 1; padding: 0 1; background: $panel; text-style: bold; }
        #why { height: 1fr; padding: 1 2; scrollbar-size-vertical: 1; }
        #why Static { height: auto; }
    }
    """

    def __init__(self, post: ExplainedPost, turn: Callable[[int], ExplainedPost | None]) -> None:
        super().__init__()
        self._post = post
        self._turn = turn
        self._shapley = False

    def compose_body(self) -> Iterable[Widget]:
        yield Static(classes="title")
        with VerticalScroll(id="why"):
            yield Static()

    def on_mount(self) -> None:
        self.query_one("#why").focus()
        self._show()

    def _show(self) -> None:
        title = _("Why: {adapter}").format(adapter=self._post.adapter)
        if self._shapley:
            title += " · " + _("Shapley values")
        self.query_one(".title", Static).update(safe_content(title))
        self.query_one("#why", VerticalScroll).scroll_home(animate=False)
        known = self.app.explanations.find(self._post, self._shapley)
        if known is not None:
            self._show_explanation(known)
            return
        self.query_one("#why Static", Static).update(Content(_("Explaining the prediction …")))
        self.run_task(self._explain(), "explain", exclusive=True)

    async def _explain(self) -> None:
        try:
            self._show_explanation(await self.app.explanations.explain(self._post, self._shapley, self._show_progress))
        except Exception:
            self.query_one("#why Static", Static).update(Content(_("No explanation.")))
            raise

    def _show_progress(self, progress: Progress) -> None:
        message = _("Explaining the prediction … {share}")
        share = percent(progress.done / progress.total if progress.total else 0.0, 0)
        self.query_one("#why Static", Static).update(Content(message.format(share=share)))

    def _show_explanation(self, explanation: Explanation) -> None:
        self.query_one("#why Static", Static).update(ResponsiveText(lambda width: _lines(explanation, width)))

    def action_shapley(self) -> None:
        """Show the Shapley values of the units, or their weights again."""
        self._shapley = not self._shapley
        self._show()

    def action_turn(self, step: int) -> None:
        """Explain the next or the previous post of the list."""
        post = self._turn(step)
        if post is None:
            self.show_message(_("No more posts with a prediction in this direction."))
            return
        self._post, self._shapley = post, False
        self._show()


def _lines(explanation: Explanation, width: int) -> Iterator[Content]:
    probabilities = sorted(explanation.probabilities.items(), key=lambda item: -item[1])
    names = tuple(explanation.probabilities)
    for name, probability in probabilities[:2]:
        yield Content.assemble(label_content(name, names), f"  {percent(probability)}")
    yield Content("")
    yield from post_lines(explanation, width)
    yield Content("")
    yield from reason_lines(explanation, width)
    yield Content("")
    yield from legend_lines(explanation, width)
    yield Content("")
    yield from _table(explanation, width)


def _table(explanation: Explanation, width: int) -> Iterator[Content]:
    """Yield the units of the largest weights, the largest first: the weight, a bar, and what else is known."""
    units = sorted(explanation.shaded, key=lambda unit: -abs(unit.weight))[:MAX_ROWS]
    longest = max((abs(unit.weight) for unit in units), default=0.0) or 1.0
    detail = _("standard error") if explanation.shapley else _("probability, in points")
    part = _("part")
    heading = part + " " * (_UNIT_CELLS - cell_len(part)) + _aligned(_("weight"), 8) + " " * (_BAR_CELLS + 3) + detail
    yield Content.styled(heading, "$text-muted").truncate(width)
    for unit in units:
        name = truncate_cells(" ".join(sanitize(unit.text).split()), _UNIT_CELLS - 2)
        bar = weight_bar(unit.weight / longest, _BAR_CELLS)
        yield Content.assemble(
            Content.styled(name, unit_style(unit.weight)),
            " " * (_UNIT_CELLS - cell_len(name)),
            _aligned(f"{unit.weight:+.2f}", 8),
            f" {bar} ",
            (_detail(unit), "$text-muted"),
        ).truncate(width)


def _detail(unit: ExplainedUnit | ShapleyUnit) -> str:
    """Return the standard error of a Shapley value, or by how much a unit changes the probability."""
    return f"± {unit.error:.2f}" if isinstance(unit, ShapleyUnit) else f"{100 * unit.change:+.1f}"


def _aligned(text: str, width: int) -> str:
    return " " * max(0, width - cell_len(text)) + text
