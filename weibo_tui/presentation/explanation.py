"""Explanations as text lines and as an HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import category

from rich.cells import cell_len

from weibo_tui.atomic import check_output, open_output
from weibo_tui.display_names import label_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_sentences, language_tag, ngettext
from weibo_tui.presentation.numbers import percent
from weibo_tui.text import html
from weibo_tui.text.html import escape
from weibo_tui.text.shading import BLUE, ORANGE, STEPS, Span, shade, step
from weibo_tui.text.terminal import sanitize, sanitize_glyphs, truncate_cells, wrap_cells

if TYPE_CHECKING:
    from weibo_tui.workbench.explanation import ExplainedUnit, Explanation, ShapleyUnit

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
    """A line of the post as it is shown, the step of the shade of each of its characters, and a bar for each cell.

    There are no steps and no bars where the places in the shown text are not known."""

    text: str
    steps: Sequence[int]
    bars: str


def curve_lines(explanation: Explanation, width: int) -> Iterator[CurveLine]:
    """Yield the post in lines of at most `width` cells.

    A bar is the probability of the label if the post ended after this character, or after the emoticon or the word that
    it is in. A character of two cells has its bar twice, and one that the model does not read has a blank."""
    text = "".join(" " if character.isspace() else character for character in explanation.text)
    glyphs = sanitize_glyphs(text)
    shown = "".join(glyph for _place, glyph in glyphs)
    if shown != sanitize(text):  # then a glyph depends on its neighbors
        yield from (CurveLine(line, (), "") for line in wrap_cells(sanitize(text), width))
        return
    steps_by_place, bars_by_place = _steps(explanation), _bars(explanation)
    steps, bars = list[int](), list[str]()  # for each shown character
    for place, glyph in glyphs:
        if glyph:
            steps += [steps_by_place.get(place, 0)] * len(glyph)
            bars += [bars_by_place.get(place, " ") * cell_len(glyph), *[""] * (len(glyph) - 1)]
    done = 0
    for line in wrap_cells(shown, width):
        begin = shown.index(line, done)
        done = begin + len(line)
        yield CurveLine(line, steps[begin:done], "".join(bars[begin:done]))


def _steps(explanation: Explanation) -> dict[int, int]:
    """Return the step of the shade of each character that is in a unit."""
    return {place: step(unit.weight) for unit in explanation.shaded for place in range(unit.start, unit.end)}


def _bars(explanation: Explanation) -> dict[int, str]:
    """Return the bar of each character that the model reads."""
    bars: dict[int, str] = {}
    start = 0
    for point in explanation.curve:
        share = point.probabilities[explanation.label]
        bars |= dict.fromkeys(range(start, point.end), BARS[min(int(share * len(BARS)), len(BARS) - 1)])
        start = point.end
    return bars


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    """Yield sentences on why a post got its label."""
    label = label_name(explanation.label)
    for sign, message in ((1, _("▲ for {label}: {units}")), (-1, _("▼ against {label}: {units}"))):
        units = [unit for unit in explanation.strongest if unit.weight * sign > STEPS[0]][:STRONGEST]
        if units:
            yield message.format(label=label, units=join_list(map(_named, units)))
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


def _named(unit: ExplainedUnit | ShapleyUnit) -> str:
    """Return a unit with its weight: `太差了 −2.1`, and with the standard error of a Shapley value: `−2.1 ± 0.1`."""
    name = truncate_cells(" ".join(sanitize(unit.text).split()), _MAX_UNIT)
    if all(category(character).startswith("P") for character in name):
        name = f"“{name}”"  # a comma in a list of units is not one between them
    error = getattr(unit, "error", 0.0)
    return f"{name} {unit.weight:+.1f}" + (f" ± {error:.1f}" if error else "")


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


def weight_bar(share: float, width: int) -> str:
    """Return a bar to the right of the middle for a weight above 0, to the left below; `share` is from -1 to 1."""
    half = width // 2
    filled = "━" * round(min(abs(share), 1.0) * half)
    left, right = (filled, "") if share < 0 else ("", filled)
    return f"{left:>{half}}│{right:<{half}}"


def explanation_legend(explanation: Explanation, is_shaded: bool = True) -> str:
    """Return what the shades, if there are any, the weights and the bars of an explanation mean."""
    label = label_name(explanation.label)
    sentences = [_("Orange: towards {label}. Blue and underlined: away from it.")] if is_shaded else []
    if explanation.shapley:
        sentences += [
            _("Weights: Shapley values, the mean change of the log odds of {label} by a part over all orders.")
        ]
        sentences += [_("±: standard error.")] if any(unit.error for unit in explanation.shapley) else []
    else:
        sentences.append(_("Weights: change of the log odds of {label} by a part."))
    sentences.append(_("Curve: probability of {label} if the post ended there."))
    return join_sentences(*(sentence.format(label=label) for sentence in sentences))


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
    legends = {(explanation.label, bool(explanation.shapley)): explanation for explanation in explanations}
    parts = [f"<h1>{escape(title)}</h1>", *map(_legend, legends.values()), *map(_article, explanations)]
    return html.page(title, language_tag(), _STYLE, "".join(parts))


def _article(explanation: Explanation) -> str:
    spans = [Span(unit.start, unit.end, unit.weight) for unit in explanation.shaded]
    name, share = _top(explanation.probabilities)
    lines = "".join(f"<li>{escape(line)}</li>" for line in explanation_lines(explanation))
    return (
        f"<article><p><b>{escape(name)} {share}</b> <small>{escape(explanation.adapter)}</small></p>"
        f'<p class="post">{shade(explanation.text, spans)}</p>{_curve(explanation)}<ul>{lines}</ul>'
        "</article>\n"
    )


def _legend(explanation: Explanation) -> str:
    """Return the scale of shades, a box for each step of both signs, and what shades and curves mean."""
    boxes = [
        *(
            f'<span style="background:{color};text-decoration:underline">−{size:g}</span>'
            for color, size in zip(BLUE[::-1], STEPS[::-1], strict=True)
        ),
        *(f'<span style="background:{color}">+{size:g}</span>' for color, size in zip(ORANGE, STEPS, strict=True)),
    ]
    return f'<p class="key">{"".join(boxes)}</p><p><small>{escape(explanation_legend(explanation), 500)}</small></p>'


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
