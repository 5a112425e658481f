"""Explanations as text lines and as an HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len

from weibo_tui.atomic import check_output, open_output
from weibo_tui.display_names import label_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, language_tag, ngettext
from weibo_tui.presentation.numbers import percent
from weibo_tui.text import html
from weibo_tui.text.html import escape
from weibo_tui.text.shading import BLUE, ORANGE, STEPS, Span, shade
from weibo_tui.text.terminal import sanitize, truncate_cells, wrap_cells

if TYPE_CHECKING:
    from weibo_tui.workbench.explanation import Explanation

STRONGEST = 3
"""Units for and against a label that are named."""
BARS = "▁▂▃▄▅▆▇█"
_MAX_UNIT = 20
_STYLE = (
    ":root{color-scheme:light dark}body{margin:0 auto;padding:1.5rem 1rem;max-width:50rem;overflow-wrap:break-word;"
    'font:1rem/1.8 -apple-system,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}'
    "article{border-top:1px solid #8888;padding:1rem 0}.post{font-size:1.25rem;white-space:pre-wrap}"
    "li,p{margin:.25rem 0}small{opacity:.75}svg{width:100%;height:4rem;display:block;overflow:visible}"
    "polyline{fill:none;stroke:currentColor;stroke-width:2;vector-effect:non-scaling-stroke}"
    "line{stroke:#8888;stroke-dasharray:4;vector-effect:non-scaling-stroke}"
    ".key span{display:inline-block;color:#1f2328;padding:.1rem .4rem}"
)


class CurveLine(NamedTuple):
    """A line of the post as it is shown, the place of its first character in the post, and a bar for each cell.

    The bars are empty where what is shown is not what was read."""

    start: int
    text: str
    bars: str


def curve_lines(explanation: Explanation, width: int) -> Iterator[CurveLine]:
    """Yield the post in lines of at most `width` cells. A bar is the probability of the label if the post ended after
    this character; a character of two cells has its bar twice."""
    text = "".join(" " if character.isspace() else character for character in explanation.text)
    if sanitize(text) != text:  # then the places differ
        yield from (CurveLine(0, line, "") for line in wrap_cells(" ".join(sanitize(text).split()), width))
        return
    points = {point.end: point.probabilities[explanation.label] for point in explanation.curve}
    value, bars = points.get(0, 0.0), []
    for end, character in enumerate(text, 1):
        value = points.get(end, value)
        bars.append(BARS[min(int(value * len(BARS)), len(BARS) - 1)] * cell_len(character))
    done = 0
    for line in wrap_cells(text, width):
        done = text.index(line, done)
        yield CurveLine(done, line, "".join(bars[done : done + len(line)]))
        done += len(line)


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    """Yield sentences on why a post got its label."""
    label = label_name(explanation.label)
    for sign, message in ((1, _("▲ for {label}: {units}")), (-1, _("▼ against {label}: {units}"))):
        units = [unit for unit in explanation.strongest if unit.weight * sign > STEPS[0]][:STRONGEST]
        if units:
            names = join_list(
                f"{truncate_cells(' '.join(sanitize(unit.text).split()), _MAX_UNIT)} {unit.weight:+.1f}"
                for unit in units
            )
            yield message.format(label=label, units=names)
    if explanation.settled:
        message = ngettext(
            "{label} from character {number} on, after {flips} change of the label",
            "{label} from character {number} on, after {flips} changes of the label",
            len(explanation.flips),
        )
        shown = {"label": label_name(explanation.predicted), "number": explanation.settled}
        yield message.format(**shown, flips=len(explanation.flips))
    if explanation.without_emoticons is not None:
        name, share = _top(explanation.without_emoticons)
        yield _("without emoticons: {label} {share}").format(label=name, share=share)
    for unit, probabilities in _decisive(explanation):
        name, share = _top(probabilities)
        message = _("without any {unit}: {label} {share}")
        yield message.format(unit=truncate_cells(sanitize(unit), _MAX_UNIT), label=name, share=share)


def _top(probabilities: dict[str, float]) -> tuple[str, str]:
    label = max(probabilities, key=probabilities.__getitem__)
    return label_name(label), percent(probabilities[label])


def _decisive(explanation: Explanation) -> Iterable[tuple[str, dict[str, float]]]:
    """Return the repeated units without which the post would get another label."""
    return (
        (unit, probabilities)
        for unit, probabilities in explanation.without.items()
        if max(probabilities, key=probabilities.__getitem__) != explanation.predicted
    )


def explanation_legend(label: str) -> str:
    """Return what weights and bars of a label mean."""
    message = _(
        "Weights: change of the log odds of {label} by a part. Bars or line: probability of {label} if the post ended "
        "there."
    )
    return message.format(label=label_name(label))


def check_page(out: Path, overwrite: bool) -> None:
    """Raise UserInputError unless the page can be written."""
    if out.suffix.casefold() not in (".html", ".htm"):
        message = _("{path} is no name of an HTML file. Choose one that ends in .html.")
        raise UserInputError(message.format(path=out))
    check_output(out, overwrite)


def write_explanations(explanations: Sequence[Explanation], out: Path, overwrite: bool = False) -> None:
    """Write shaded posts as an HTML page that loads nothing."""
    check_page(out, overwrite)
    with open_output(out, "w", encoding="utf-8", overwrite=overwrite) as file:
        file.write(render(explanations))


def render(explanations: Sequence[Explanation]) -> str:
    """Return the HTML page of explanations."""
    title = _("Explained predictions")
    labels = dict.fromkeys(explanation.label for explanation in explanations)
    parts = [f"<h1>{escape(title)}</h1>", *map(_legend, labels), *map(_article, explanations)]
    return html.page(title, language_tag(), _STYLE, "".join(parts))


def _article(explanation: Explanation) -> str:
    spans = [Span(unit.start, unit.end, unit.weight) for unit in explanation.units]
    name, share = _top(explanation.probabilities)
    lines = "".join(f"<li>{escape(line)}</li>" for line in explanation_lines(explanation))
    return (
        f"<article><p><b>{escape(name)} {share}</b> <small>{escape(explanation.adapter)}</small></p>"
        f'<p class="post">{shade(explanation.text, spans)}</p>{_curve(explanation)}<ul>{lines}</ul>'
        "</article>\n"
    )


def _legend(label: str) -> str:
    """Return the scale of shades, a box for each step of both signs, and what shades and curves mean."""
    boxes = [
        *(
            f'<span style="background:{color};text-decoration:underline">−{size:g}</span>'
            for color, size in zip(BLUE[::-1], STEPS[::-1], strict=True)
        ),
        *(f'<span style="background:{color}">+{size:g}</span>' for color, size in zip(ORANGE, STEPS, strict=True)),
    ]
    towards = _("orange: towards {label}; blue and underlined: away from it").format(label=label_name(label))
    return (
        f'<p class="key">{"".join(boxes)} <small>{escape(towards)}</small></p>'
        f"<p><small>{escape(explanation_legend(label), 500)}</small></p>"
    )


def _curve(explanation: Explanation) -> str:
    length = max(len(explanation.text), 1)
    points = " ".join(
        f"{100 * point.end / length:.2f},{100 * (1 - point.probabilities[explanation.label]):.2f}"
        for point in explanation.curve
    )
    return (
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none"><line x1="0" y1="50" x2="100" y2="50"/>'
        f'<polyline points="{points}"/></svg>'
    )
