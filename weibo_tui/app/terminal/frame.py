"""Screen updates that send only the cells that change, for terminals at the end of a slow line.

Textual sends each widget that was drawn again as a whole: a chart or a change of screen takes tens of kilobytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rich.cells import split_graphemes
from rich.color import Color, ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

MAX_GAP = 6
"""Unchanged cells that are sent again between two changes, because moving the cursor takes as many bytes."""

Cell = tuple[str, Style | None]
"""The character of a cell and its style. The second cell of a wide character has an empty one."""


class Frame:
    """The cells that the terminal shows."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Cell | None]] = {}
        """Cells by row, None where they are unknown."""
        self._size = Size(0, 0)

    def forget(self) -> None:
        """Send everything again, because the terminal may show something else."""
        self._rows = {}

    def resize(self, size: Size) -> None:
        """Forget what is shown if the size has changed: each terminal wraps its lines in another way then."""
        if size != self._size:
            self._size = size
            self.forget()

    def replace(self, fragments: Iterator[tuple[int, int, Strip]], color_system: ColorSystem) -> str:
        """Put fragments (x, y, strip) into the frame, and return the sequence that changes the terminal so."""
        rows: dict[int, list[Cell | None]] = {}
        for x, y, strip in fragments:
            if y not in rows:
                rows[y] = list(self._rows.get(y, ()))
            _put(rows[y], x, _cells(strip))
        writer = _Writer(color_system)
        for y, row in rows.items():
            for start, end in _changes(self._rows.get(y, ()), row):
                writer.draw(y, row, start, end)
        self._rows |= rows
        return writer.sequence()


class FrameUpdate(CompositorUpdate):
    """An update of Textual, reduced to what changes in a frame."""

    def __init__(self, frame: Frame, update: LayoutUpdate | ChopsUpdate, size: Size) -> None:
        self._frame = frame
        self._update = update
        self._size = size

    def render_segments(self, console: Console) -> str:
        color_system = COLOR_SYSTEMS[console.color_system or "truecolor"]
        update = self._update
        fragments = _layout_fragments(update) if isinstance(update, LayoutUpdate) else _chop_fragments(update)
        self._frame.resize(self._size)
        return self._frame.replace(fragments, color_system)


def _layout_fragments(update: LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, line in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in line:
            yield x, y, strip
            x += strip.cell_length


def _chop_fragments(update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, start, end in update.spans:
        for strip_end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x < end and strip_end > start:
                yield x, y, strip.crop(0, min(strip_end, end) - x)


def _put(row: list[Cell | None], x: int, cells: list[Cell]) -> None:
    """Write cells into a row. Of a wide character that they cover by half, the other half becomes blank."""
    end = x + len(cells)
    row += [None] * (end - len(row))
    for column, cut in ((x - 1, x), (end, end)):
        other = row[column] if 0 <= column < len(row) else None
        if other is not None and cut < len(row) and _is_second_half(row[cut]):
            row[column] = (" ", other[1])
    row[x:end] = cells


def _cells(strip: Strip) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        if text.isascii():
            cells += [(character, style) for character in text]
            continue
        for start, end, width in split_graphemes(text)[0]:
            if width:
                cells += [(text[start:end], style), *[("", style)] * (width - 1)]
            elif cells:  # a mark at the start of a segment belongs to the character before it
                head = max(index for index, cell in enumerate(cells) if cell[0])
                cells[head] = (cells[head][0] + text[start:end], cells[head][1])
    return cells


def _changes(old: Sequence[Cell | None], new: Sequence[Cell | None]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of cells that differ, of known cells only. None cuts a wide character of `new` apart.

    A range with a character of uncertain width reaches to the end of the row, part of which it may cover."""
    start = end = -1
    for column, cell in enumerate(new):
        if start >= 0 and (cell is None or column - end > MAX_GAP):
            yield _whole(new, start, end)
            start = -1
        if cell is None or (column < len(old) and _look_alike(old[column], cell)):
            continue
        start, end = (column if start < 0 else start), column + 1
        if _is_uncertain(cell[0]):
            yield _whole(new, start, len(new))
            return
    if start >= 0:
        yield _whole(new, start, end)


def _whole(row: Sequence[Cell | None], start: int, end: int) -> tuple[int, int]:
    while start > 0 and _is_second_half(row[start]):
        start -= 1
    while end < len(row) and _is_second_half(row[end]):
        end += 1
    return start, end


def _is_second_half(cell: Cell | None) -> bool:
    return cell is not None and not cell[0]


@lru_cache(4096)
def _is_uncertain(text: str) -> bool:
    """Return True for what some terminals draw wider or narrower than others: emoji, and letters with marks."""
    return len(text) > 1 or not (not text or text.isascii() or _CERTAIN.match(text))


_CERTAIN = re.compile(
    "[\u00a0-\u02ff\u2010-\u205e\u2190-\u21ff\u2460-\u25ff\u2800-\u28ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff"
    "\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6]"
)
"""Latin, punctuation, arrows, lines, blocks, braille, and Chinese, Japanese and Korean."""


class _Writer:
    """Draws cells, with the shortest change from the style of one to that of the next."""

    def __init__(self, color_system: ColorSystem) -> None:
        self._color_system = color_system
        self._parts: list[str] = []
        self._style: Style | None = None

    def draw(self, y: int, row: Sequence[Cell | None], start: int, end: int) -> None:
        """Draw the cells from `start` to `end` of row `y`.

        A character of uncertain width is drawn on blanks, and the column after it is named."""
        self._parts.append(f"\x1b[{y + 1};{start + 1}H")
        for column in range(start, end):
            cell = row[column]
            if cell is None:
                self._parts.append(f"\x1b[{column + 2}G")
                continue
            text, style = cell
            if style is not self._style and not _look_alike(cell, (" ", self._style)):
                self._parts.append(_style_change(self._style, style, self._color_system))
                self._style = style
            if _is_uncertain(text):
                after = _whole(row, column, column + 1)[1]
                text = " " * (after - column) + f"\x1b[{column + 1}G{text}\x1b[{after + 1}G"
            self._parts.append(text)

    def sequence(self) -> str:
        """Return all that was drawn, after which the terminal has no style."""
        return "".join([*self._parts, "\x1b[0m"] if self._parts else [])


def _look_alike(one: Cell | None, other: Cell) -> bool:
    """Return True for equal cells, and for blanks whose styles differ in nothing that shows."""
    if one == other:
        return True
    return one is not None and one[0] == other[0] == " " and _blank_color(one[1]) == _blank_color(other[1])


@lru_cache(4096)
def _blank_color(style: Style | None) -> Color | Style | None:
    """Return the color of a blank, or the style itself if it draws a line there or swaps the colors."""
    if style is None or style.reverse or style.underline or style.underline2 or style.strike or style.overline:
        return style
    return style.bgcolor


@lru_cache(8192)
def _style_change(before: Style | None, after: Style | None, color_system: ColorSystem) -> str:
    """Return the sequence that changes one style into another."""
    old, new = _codes(before, color_system), _codes(after, color_system)
    codes = []
    if old[0] - new[0]:  # terminals end a single attribute in different ways
        codes, old = ["0"], _codes(None, color_system)
    codes += sorted(new[0] - old[0])
    codes += [color for color, previous in zip(new[1:], old[1:], strict=True) if color != previous]
    return f"\x1b[{';'.join(codes)}m" if codes else ""


def _codes(style: Style | None, color_system: ColorSystem) -> tuple[frozenset[str], str, str]:
    """Return the codes of a style's attributes, foreground and background."""
    if style is None:
        return frozenset(), "39", "49"
    attributes = style.without_color.update_link().render("\0", color_system=color_system).partition("\0")[0][2:-1]
    foreground, background = (
        ";".join(color.downgrade(color_system).get_ansi_codes(is_foreground)) if color else plain
        for color, is_foreground, plain in ((style.color, True, "39"), (style.bgcolor, False, "49"))
    )
    return frozenset(filter(None, attributes.split(";"))), foreground, background
