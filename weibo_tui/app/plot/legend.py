"""The lines above curves: their title, and for each curve its marker, name and last value."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from weibo_tui.app.plot.axes import short
from weibo_tui.app.plot.render import CellStyle, StyledRow, StyledText, marker
from weibo_tui.app.plot.series import Series
from weibo_tui.presentation.numbers import NO_FIGURE
from weibo_tui.text import cell_width, truncate_cells, visible

TITLE = CellStyle("title")
_LONGEST_NAME = 28  # cells


def legend(title: str, series: Sequence[Series], width: int, most: int, smoothing: bool = True) -> list[StyledRow]:
    """The title and the entries in up to `most` rows; those that have no room are counted: `+2`.

    With one series there is nothing to tell apart, and no marker.
    """
    title = truncate_cells(_one_line(title), width - (len(f"  +{len(series)}") if series and most == 1 else 0))
    rows: list[StyledRow] = [[StyledText(title, TITLE)] if title else []]
    used = cell_width(title)
    for number, one in enumerate(series):
        left = len(series) - number
        several = len(series) > 1
        if used and len(rows) < most and used + 2 + cell_width(_entry(one, width, several, smoothing)) > width:
            rows.append([])
            used = 0
        room = width - (len(f"  +{left - 1}") if left > 1 and len(rows) == most else 0)
        text = _entry(one, room, several, smoothing)
        if used and used + 2 + cell_width(text) > room:
            rows[-1].append(StyledText(f"  +{left}", TITLE))
            break
        if used:
            rows[-1].append(StyledText("  ", TITLE))
            used += 2
        rows[-1].append(StyledText(text, CellStyle("curve", one.colour)))
        used += cell_width(text)
    return rows


def _entry(one: Series, width: int, several: bool, smoothing: bool) -> str:
    """The name is cut where it is long, the value never, unless it is all that fits."""
    shown = one.smooth if smoothing and one.smoothing > 0 and not isnan(one.value) else one.value
    value = NO_FIGURE if isnan(shown) else short(shown)
    before = marker(one.colour) + " " if several else ""
    room = width - cell_width(before) - len(value) - 1
    name = truncate_cells(_one_line(one.name), max(0, min(room, _LONGEST_NAME)))
    return truncate_cells(f"{before}{name} {value}" if name else before + value, width)


def _one_line(text: str) -> str:
    return " ".join(visible(text).split())
