"""Drawing in SVG: shapes, words, axes, and the layout of several pictures in one.

Shapes take the color of the text around them, so that a picture fits a light page and a dark one. Words stay words,
which a reader can select and an editor can change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from weibo_tui.presentation.numbers import percent
from weibo_tui.text.html import escape
from weibo_tui.text.shading import BLUE, ORANGE
from weibo_tui.text.terminal import sanitize, truncate_cells, wrap_cells

FONTS = (
    "'PingFang SC','Microsoft YaHei','Noto Sans CJK SC','Source Han Sans SC','WenQuanYi Micro Hei',"
    "Arial,'Liberation Sans','DejaVu Sans',sans-serif"
)
INK = "#1f2328"
RIGHT, WRONG = BLUE[-1], ORANGE[-1]
"""Colors that differ without red and green, and in gray."""
TEXT, SMALL = 12.0, 11.0
"""Sizes of letters."""
PANEL = 360.0, 330.0
"""Width and height of a picture."""
_MARGIN = 12.0
_MAX_ROW = 3
_MAX_TICKS = 6
_NO_XML = re.compile(r"[\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a width and a height: SVG elements without the root. `title` is a part of them."""

    name: str
    title: str
    width: float
    height: float
    elements: str

    def inline(self) -> str:
        """Return the picture as an SVG element of an HTML page, in the color of its text."""
        return _root(self.width, self.height, self.title, self.elements, "currentColor")


def standalone(pictures: Sequence[Picture], title: str = "") -> str:
    """Return pictures next to each other on a white page, as a file of its own."""
    top = 28.0 if title else 0.0
    placed, y, width = [], top, 0.0
    for row in _rows(pictures):
        x = 0.0
        for picture in row:
            placed.append(f'<g transform="translate({x:.0f} {y:.0f})">{picture.elements}</g>')
            x += picture.width
        y += max(picture.height for picture in row)
        width = max(width, x)
    heading = words(_MARGIN, 20, title, size=15, bold=True, cells=int(width / 8)) if title else ""
    page = f'<rect width="{width:.0f}" height="{y:.0f}" fill="#fff"/>{heading}{"".join(placed)}'
    return _root(width, y, title or pictures[0].title, page, INK)


def _rows(pictures: Sequence[Picture]) -> Iterator[Sequence[Picture]]:
    """Yield rows of pictures that are at most as wide as three usual ones, or as two if there are four."""
    widest = (2 if len(pictures) == 4 else _MAX_ROW) * PANEL[0]
    row: list[Picture] = []
    for picture in pictures:
        if row and sum(one.width for one in row) + picture.width > widest:
            yield row
            row = []
        row.append(picture)
    if row:
        yield row


def _root(width: float, height: float, title: str, elements: str, color: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        f' height="{height:.0f}" role="img" aria-label="{_xml(title)}" color="{color}" font-family="{FONTS}"'
        f' font-size="{TEXT:.0f}">{elements}</svg>'
    )


def _xml(text: str) -> str:
    """Return a text that is safe in XML, which forbids a few characters that HTML and terminals allow."""
    return escape(_NO_XML.sub("�", text), 1000)


# Shapes and words


def words(
    x: float,
    y: float,
    text: str,
    anchor: str = "start",
    size: float = TEXT,
    bold: bool = False,
    soft: bool = False,
    cells: int = 60,
    turned: bool = False,
) -> str:
    """Return words on one line, cut to the number of cells, with their base line at `y`. `turned` reads upwards."""
    shown = truncate_cells(" ".join(sanitize(text).split()), cells)
    style = f' text-anchor="{anchor}"' if anchor != "start" else ""
    style += f' font-size="{size:g}"' if size != TEXT else ""
    style += ' font-weight="bold"' if bold else ""
    style += ' fill-opacity="0.7"' if soft else ""
    style += f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="currentColor"{style}>{_xml(shown)}</text>'


def heading(title: str, notes: Iterable[str] = ()) -> str:
    """Return the title of a picture and small lines under it."""
    lines = [words(_MARGIN, 18, title, bold=True, cells=int(PANEL[0] / 7))]
    cells = int((PANEL[0] - 2 * _MARGIN) / 5.6)
    wrapped = [line for note in notes for line in wrap_cells(note, cells)]
    lines += [
        words(_MARGIN, 33 + 14 * row, line, size=SMALL, soft=True, cells=cells) for row, line in enumerate(wrapped)
    ]
    return "".join(lines)


def text_width(text: str, size: float = TEXT) -> float:
    """Return about how wide a text is."""
    return cell_len(text) * size * 0.54


def line(x1: float, y1: float, x2: float, y2: float, width: float = 1, opacity: float = 1, dashed: bool = False) -> str:
    """Return a straight line."""
    style = ' stroke-dasharray="4 3"' if dashed else ""
    return (
        f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="currentColor" stroke-width="{width:g}"'
        f' stroke-opacity="{opacity:g}"{style}/>'
    )


def curve(points: Iterable[tuple[float, float]], color: str) -> str:
    """Return a line through points."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2" stroke-linejoin="round"/>'


def dot(x: float, y: float, color: str = RIGHT, radius: float = 4, opacity: float = 1) -> str:
    """Return a dot."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{color}" fill-opacity="{opacity:g}"/>'


def box(x: float, y: float, width: float, height: float, color: str, opacity: float = 1) -> str:
    """Return a filled rectangle."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0, width):.1f}" height="{max(0, height):.1f}" fill="{color}"'
        f' fill-opacity="{opacity:.3g}"/>'
    )


# Axes


@dataclass(frozen=True, slots=True)
class Scale:
    """Places of the values from `low` to `high` on a line from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value; those off the line are at its ends."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    @property
    def step(self) -> float:
        """The distance of the marked values: 1, 2 or 5 times a power of ten."""
        rough = (self.high - self.low) / (_MAX_TICKS - 1)
        power = 10.0 ** math.floor(math.log10(rough))
        return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * 0.999)

    def ticks(self) -> Iterator[float]:
        """Yield the marked values."""
        first, last = math.ceil(self.low / self.step - 1e-6), math.floor(self.high / self.step + 1e-6)
        yield from (number * self.step for number in range(first, last + 1))

    def share(self, value: float) -> str:
        """Return a marked value as a percentage, with the digits that its neighbors need."""
        return percent(value, max(0, -math.floor(math.log10(self.step * 100) + 1e-9)))


def axes(x: Scale, y: Scale, x_name: str, y_name: str, y_shares: bool = True) -> str:
    """Return two axes with marks, faint lines across, and names. Values of `y` are percentages, or counts."""
    parts = []
    for value in y.ticks():
        shown = y.share(value) if y_shares else f"{value:,.0f}"
        parts.append(line(x.start, y(value), x.end, y(value), opacity=0.15))
        parts.append(words(x.start - 6, y(value) + 4, shown, "end", SMALL))
    for value in x.ticks():
        parts.append(line(x(value), y.start, x(value), y.start + 4, opacity=0.5))
        parts.append(words(x(value), y.start + 17, x.share(value), "middle", SMALL))
    parts.append(line(x.start, y.start, x.end, y.start, opacity=0.5))
    parts.append(words((x.start + x.end) / 2, y.start + 34, x_name, "middle"))
    parts.append(words(14, (y.start + y.end) / 2, y_name, "middle", turned=True))
    return "".join(parts)
