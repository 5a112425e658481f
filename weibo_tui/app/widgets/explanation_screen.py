"""Screen of why a post got its label: the shaded post with the prediction after each character, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.formatting import label_content, safe_content
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.explanation import curve_lines, explanation_legend, explanation_lines
from weibo_tui.presentation.numbers import percent
from weibo_tui.text.shading import BLUE, ORANGE, STEPS, color, step
from weibo_tui.text.terminal import wrap_cells
from weibo_tui.workbench.explanation import Explanation

_INK = "#1f2328"
"""The color of text on a shade."""


class ExplanationScreen(FormScreen[None]):
    """Explains the prediction of an adapter for a post."""

    HELP_TEXT = N_(
        "Why the post got its label. Orange parts speak for the label, blue and underlined ones against it. The bars "
        "below the text are the probability of the label if the post ended there."
    )
    BINDINGS = bindings("why")
    DEFAULT_CSS = """
    ExplanationScreen {
        .title { height: 1; padding: 0 1; background: $panel; text-style: bold; }
        #why { height: 1fr; padding: 1 2; scrollbar-size-vertical: 1; }
        #why Static { height: auto; }
    }
    """

    def __init__(self, post: str, adapter: str) -> None:
        super().__init__()
        self._post, self._adapter = post, adapter

    def compose_body(self) -> Iterable[Widget]:
        yield Static(safe_content(_("Why: {adapter}").format(adapter=self._adapter)), classes="title")
        with VerticalScroll(id="why"):
            yield Static(_("Explaining the prediction …"), markup=False)

    def on_mount(self) -> None:
        self.query_one("#why").focus()
        self.run_task(self._explain())

    async def _explain(self) -> None:
        found = await self.app.engine.call(lambda wb: wb.explain(self._post, self._adapter), for_app_only=True)
        self.query_one("#why Static", Static).update(ResponsiveText(lambda width: _lines(found, width)))


def _lines(explanation: Explanation, width: int) -> Iterator[Content]:
    probabilities = sorted(explanation.probabilities.items(), key=lambda item: -item[1])
    names = tuple(explanation.probabilities)
    for name, probability in probabilities[:2]:
        yield Content.assemble(label_content(name, names), f"  {percent(probability)}")
    yield Content("")
    for line in curve_lines(explanation, width):
        yield _shaded(explanation, line.start, line.text) if line.bars else safe_content(line.text)
        if line.bars:
            yield Content.styled(line.bars, "$text-muted")
    yield Content("")
    for sentence in explanation_lines(explanation):
        yield from map(safe_content, wrap_cells(sentence, width))
    yield Content("")
    yield _scale()
    yield from (
        Content.styled(line, "$text-muted") for line in wrap_cells(explanation_legend(explanation.label), width)
    )


def _shaded(explanation: Explanation, start: int, text: str) -> Content:
    """Return a line of the post with the shades of its units."""
    pieces: list[Content] = []
    done = 0
    for unit in explanation.units:
        begin, end = max(unit.start - start, done), min(unit.end - start, len(text))
        if begin >= end:
            continue
        pieces += [safe_content(text[done:begin]), safe_content(text[begin:end], _style(step(unit.weight)))]
        done = end
    return Content("").join([*pieces, safe_content(text[done:])])


def _style(shade: int) -> str:
    """Return the style of a step of the scale."""
    if (background := color(shade)) is None:
        return ""
    return f"{'underline ' if shade < 0 else ''}{_INK} on {background}"


def _scale() -> Content:
    """Return the fixed scale of shades."""
    ink = f"{_INK} on"
    less = [Content.styled(f" −{size:g} ", f"underline {ink} {shade}") for size, shade in zip(STEPS, BLUE, strict=True)]
    more = [Content.styled(f" +{size:g} ", f"{ink} {shade}") for size, shade in zip(STEPS, ORANGE, strict=True)]
    return Content("").join([*less[::-1], *more])
