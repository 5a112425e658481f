"""Screen updates that send only the cells that change, for terminals at the end of a slow line.

Textual sends each widget that was drawn again as a whole: a chart or a change of screen takes tens of kilobytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rich.cells import split_graphemes
from rich.color import ColorSystem
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
        sequence = "".join(
            f"\x1b[{y + 1};{start + 1}H" + _render(row, start, end, color_system)
            for y, row in rows.items()
            for start, end in _changes(self._rows.get(y, ()), row)
        )
        self._rows |= rows
        return sequence


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
        if cell is None or (column < len(old) and old[column] == cell):
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


def _render(row: Sequence[Cell | None], start: int, end: int, color_system: ColorSystem) -> str:
    """Return the sequence that draws the cells from `start` to `end`, with the cursor at `start`.

    A character of uncertain width is drawn on blanks, and the column after it is named."""
    parts: list[str] = []
    last: Style | object | None = parts  # no style
    for column in range(start, end):
        cell = row[column]
        if cell is None:
            parts.append(f"\x1b[{column + 2}G")
            continue
        text, style = cell
        if style is not last:
            parts.append(_prefix(style, color_system))
            last = style
        if _is_uncertain(text):
            after = next((index for index in range(column + 1, len(row)) if not _is_second_half(row[index])), len(row))
            parts.append(" " * (after - column) + f"\x1b[{column + 1}G{text}\x1b[{after + 1}G")
        else:
            parts.append(text)
    return "".join(parts) + "\x1b[0m"


@lru_cache(4096)
def _prefix(style: Style | None, color_system: ColorSystem) -> str:
    """Return the sequence that sets a style, independent of the one before."""
    prefix = style.render("\0", color_system=color_system).partition("\0")[0] if style is not None else ""
    return prefix.replace("\x1b[", "\x1b[0;", 1) if prefix else "\x1b[0m"
