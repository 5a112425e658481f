"""Estimates, differences and several values, each drawn in a line of text."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

SHARE, MODEL, CHOSEN = "●", "◇", "◆"
"""Markers of the estimated share or a value, of the model's count, and of the chosen one of several values."""


def interval_bar(
    width: int, color: str, model: float | None, share: float | None, low: float | None, high: float | None
) -> Content:
    """Return an axis from 0 to 1 of `width` cells with the model's count and the interval, where they exist."""

    def cell(position: float) -> int:
        return round(min(max(position, 0.0), 1.0) * (width - 1))

    signs, styles = ["·"] * width, ["$text-disabled"] * width

    def put(column: int, sign: str, style: str) -> None:
        signs[column], styles[column] = sign, style

    if low is not None and high is not None:
        for column in range(cell(low), cell(high) + 1):
            put(column, "─", color)
        if cell(low) < cell(high):
            put(cell(low), "├", color)
            put(cell(high), "┤", color)
    if model is not None:
        put(cell(model), MODEL, "$text-muted")
    if share is not None:
        put(cell(share), SHARE, color)
    return Content.assemble(*zip(signs, styles, strict=True))


def difference_bar(width: int, color: str, limit: float, difference: float, low: float, high: float) -> Content:
    """Return an axis from `-limit` to `limit` of `width` cells with a difference, its interval, and a mark at 0."""
    low_place, place, high_place = ((value + limit) / (2 * limit) for value in (low, difference, high))
    line = interval_bar(width, color, None, place, low_place, high_place)
    middle = round((width - 1) / 2)
    zero = {"·": "│", "─": "┼"}.get(line.plain[middle])
    if zero is None:  # an end or the difference itself
        return line
    return Content.assemble(line[:middle], (zero, "$text-muted"), line[middle + 1 :])


def dots_bar(width: int, color: str, values: Sequence[float], chosen: int | None) -> Content:
    """Return an axis of `width` cells from the lowest to the highest value, with a dot for each of them."""
    low, high = min(values), max(values)
    signs, styles = ["·"] * width, ["$text-disabled"] * width
    order = sorted(range(len(values)), key=lambda index: index == chosen)  # the chosen one covers the others
    for index in order:
        share = (values[index] - low) / (high - low) if high > low else 0.5
        column = round(share * (width - 1))
        signs[column], styles[column] = (CHOSEN if index == chosen else SHARE), color
    return Content.assemble(*zip(signs, styles, strict=True))
