"""Weights of the parts of a text as shades: orange for more of a label and blue for less, in five steps each.

The two colors differ for people who do not tell red from green. The sign shows without color too: parts with a negative
weight are underlined.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weibo_tui.text.html import escape

STEPS = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Sizes of a weight from which on its shade is stronger. They are fixed, so that posts can be compared."""
ORANGE = ("#fff1e0", "#fedfb9", "#fdc583", "#f9a54a", "#ee8310")
BLUE = ("#e6f1fb", "#c8e0f6", "#9cc8ee", "#68a9e2", "#3b8ad2")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text, from `start` to `end`, and its weight."""

    start: int
    end: int
    weight: float


def step(weight: float) -> int:
    """Return the shade of a weight: from 1 to 5, negative for a negative weight, and 0 for nearly none."""
    size = bisect_right(STEPS, abs(weight))
    return size if weight > 0 else -size


def color(shade_step: int) -> str | None:
    """Return the background of a step as `#rrggbb`, None for 0."""
    if shade_step == 0:
        return None
    return (ORANGE if shade_step > 0 else BLUE)[abs(shade_step) - 1]


def split(text: str, spans: Sequence[Span]) -> Iterable[tuple[str, float | None]]:
    """Yield the parts of a text in order, each with its weight, or None for what is in no span."""
    done = 0
    for span in spans:
        if span.start > done:
            yield text[done : span.start], None
        yield text[span.start : span.end], span.weight
        done = span.end
    if done < len(text):
        yield text[done:], None


def shade(text: str, spans: Sequence[Span]) -> str:
    """Return a text as HTML, shaded by the weights of spans, which are in order and do not overlap."""
    pieces = []
    for part, weight in split(text, spans):
        shown = escape(part, len(part))
        if weight is None or not (number := step(weight)):
            pieces.append(shown)
            continue
        line = ";text-decoration:underline" if number < 0 else ""
        pieces.append(
            f'<span style="color:#1f2328;background:{color(number)}{line}" title="{weight:+.2f}">{shown}</span>'
        )
    return "".join(pieces)
