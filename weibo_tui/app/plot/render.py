"""Curves as rows of text: braille dots between two axes. It knows no screen: whoever shows the rows colours them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Literal, NamedTuple

from rich.cells import cell_len

from weibo_tui.app.plot.axes import Axis, is_span, linear, logarithmic, short
from weibo_tui.app.plot.braille import ACROSS, DOWN, BrailleCanvas
from weibo_tui.app.plot.series import Series
from weibo_tui.app.plot.tracing import ColumnSpan, trace
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import truncate_cells

MARKERS = "●▲■◆▼★"
"""What stands at the end of each of several curves, so that they are told apart without colour."""
MOST_TICKS = 5
_LEAST_PLOT = 6  # cells; a narrower plot gives up the labels at its side
_LABEL_ROOM = 12  # cells for a label below


Part = Literal["title", "axis", "label", "note", "raw", "curve"]


class CellStyle(NamedTuple):
    """What a piece of a drawing is, for whoever colours it; `colour` is that of the series."""

    part: Part
    colour: int = 0


class StyledText(NamedTuple):
    text: str
    ink: CellStyle


StyledRow = list[StyledText]
AXIS, LABEL, NOTE = CellStyle("axis"), CellStyle("label"), CellStyle("note")


def marker(colour: int) -> str:
    return MARKERS[colour % len(MARKERS)]


def draw(
    series: Sequence[Series], width: int, height: int, log_y: bool = False, smoothing: bool = True
) -> list[StyledRow]:
    """`height` rows of `width` cells (none where either is below 1) with all of `series` in them.

    With `smoothing` the values are drawn dim, and bright what they are smoothed to. With `log_y` values of zero and
    below are gaps. A gap is never bridged; where there is nothing to draw, the rows say why.
    """
    if width < 1 or height < 1:
        return []
    y = _y_axis(series, height, log_y)
    if isinstance(y, str):
        return _said(y, width, height)
    gutter = max(len(label) for _place, label in y.ticks) + 1
    if width - gutter < _LEAST_PLOT:
        gutter = 0
    below = 2 if height >= 8 else 1 if height >= 3 else 0
    x = _x_axis(series, width - gutter)
    plot = _plot(series, x, y, width - gutter, height - below, log_y, smoothing)
    rows = [[*side, *row] for side, row in zip(_sides(y, height - below, gutter), plot, strict=True)]
    columns = _tick_columns(x, width - gutter)
    if below > 1:
        line = "".join("┴" if column in columns else "─" for column in range(width - gutter))
        rows.append([StyledText(" " * (gutter - 1) + "└" * (gutter > 0) + line, AXIS)])
    if below:
        rows.append([StyledText(" " * gutter + _labels_below(columns, width - gutter), LABEL)])
    return rows


def _said(message: str, width: int, height: int) -> list[StyledRow]:
    text = truncate_cells(message, width)
    left = (width - cell_len(text)) // 2
    rows = [[StyledText(" " * width, NOTE)] for _row in range(height)]
    rows[(height - 1) // 2] = [StyledText(" " * left + text + " " * (width - left - cell_len(text)), NOTE)]
    return rows


def _y_axis(series: Sequence[Series], height: int, log_y: bool) -> Axis | str:
    """The axis, or why there is none."""
    drawn = [one for one in series if one.low <= one.high]
    if not drawn:
        return _("No values but gaps so far") if any(one.stretches for one in series) else _("No values yet")
    most = max(2, min(MOST_TICKS, height // 2))
    high = max(one.high for one in drawn)
    if not log_y:
        return linear(min(one.low for one in drawn), high, most)
    if high <= 0:
        return _("Nothing above zero, which a logarithmic axis needs")
    return logarithmic(min(one.least_positive for one in drawn), high, most)


def _x_axis(series: Sequence[Series], width: int) -> Axis:
    """From the first point to the last, whose labels are exact, with round numbers between them."""
    first = min(one.first for one in series if one.stretches)
    last = max(one.stretches[-1].x for one in series if one.stretches)
    ends = [(first, short(first)), (last, short(last))]
    if not is_span(first, last):
        return Axis(first, first + max(abs(first), 1.0), tuple(ends[:1]))
    places = [place for place, _label in linear(first, last, max(2, width // _LABEL_ROOM)).ticks]
    if first.is_integer() and last.is_integer():  # steps and epochs, of which there are no halves
        places = [place for place in places if place.is_integer()]
    return Axis(first, last, (*ends, *((place, short(place)) for place in places if first < place < last)))


def _sides(y: Axis, height: int, gutter: int) -> list[StyledRow]:
    """The labels beside the rows of the plot; the outer ones first, where two would share a row."""
    if not gutter:
        return [[] for _row in range(height)]
    base, factor = y.scale(height * DOWN)
    labels: dict[int, str] = {}
    for place, label in (y.ticks[0], y.ticks[-1], *y.ticks[1:-1]):
        labels.setdefault(height - 1 - int(base + factor * place + 0.5) // DOWN, label)
    return [
        [StyledText(labels.get(row, "").rjust(gutter - 1), LABEL), StyledText("┤" if row in labels else "│", AXIS)]
        for row in range(height)
    ]


def _tick_columns(x: Axis, width: int) -> dict[int, str]:
    """The cell of each tick, and its label."""
    base, factor = x.scale(width * ACROSS)
    columns: dict[int, str] = {}
    for place, label in x.ticks:
        columns.setdefault(int(base + factor * place + 0.5) // ACROSS, label)
    return columns


def _labels_below(columns: dict[int, str], width: int) -> str:
    """The labels under their ticks, those at the ends first; one that would touch another is left out."""
    cells = [" "] * width
    for column, label in columns.items():
        start = max(0, min(column - (len(label) - 1) // 2, width - len(label)))
        around = cells[max(0, start - 2) : start + len(label) + 2]
        if len(label) <= width and all(cell == " " for cell in around):
            cells[start : start + len(label)] = label
    return "".join(cells)


def _plot(
    series: Sequence[Series], x: Axis, y: Axis, width: int, height: int, log_y: bool, smoothing: bool
) -> Iterator[StyledRow]:
    """The curves between the axes. Where two share a cell the dots of both are seen, in the colour of the later, so
    that none looks as if it had a gap; but a smoothed curve hides the values below it."""
    characters = [[" "] * width for _row in range(height)]
    inks = [[AXIS] * width for _row in range(height)]

    def put(one: Series, part: Part, smooth: bool) -> ColumnSpan | None:
        ink = CellStyle(part, one.colour)
        end = trace(dots := BrailleCanvas(width, height), one, x, y, log_y, smooth)
        for column, row, character in dots.cells():
            there = ord(characters[row][column]) if inks[row][column].part == part else 0
            characters[row][column] = chr(ord(character) | there)  # the dots are bits of the code
            inks[row][column] = ink
        return end

    drawn = [(one, smoothing and one.smoothing > 0) for one in series if one.stretches]
    for one, smooth in drawn:
        if smooth:
            put(one, "raw", smooth=False)
    ends = [(one.colour, put(one, "curve", smooth)) for one, smooth in drawn]
    for colour, end in ends:
        if end is not None and len(ends) > 1:
            characters[end[2] // DOWN][end[0] // ACROSS] = marker(colour)
            inks[end[2] // DOWN][end[0] // ACROSS] = CellStyle("curve", colour)
    for row_characters, row_inks in zip(characters, inks, strict=True):
        pairs = groupby(zip(row_characters, row_inks, strict=True), key=itemgetter(1))
        yield [StyledText("".join(character for character, _ink in run), ink) for ink, run in pairs]
