"""Lines of dots, eight to a terminal cell."""

from __future__ import annotations

from collections.abc import Iterator

ACROSS, DOWN = 2, 4
"""Dots in a cell."""


def _character(left: int, right: int) -> str:
    """The braille pattern with the dots of two columns, the lowest bit on top."""
    seven = (left & 7) | (right & 7) << 3
    return chr(0x2800 | seven | (left & 8) << 3 | (right & 8) << 4)


_CHARACTERS = [[_character(left, right) for right in range(16)] for left in range(16)]


class BrailleCanvas:
    """A sheet of `width` × `height` cells. Dots count from the left and from the top."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width * ACROSS
        self.height = height * DOWN
        # One number a column, a bit a dot: an upright line is then one step, and curves are full of them.
        self._columns = [0] * self.width

    def upright(self, column: int, top: int, bottom: int) -> None:
        """All dots of `column` from `top` to `bottom`."""
        self._columns[column] |= (2 << bottom) - (1 << top)

    def line(self, column: int, row: int, to_column: int, to_row: int) -> None:
        """A line to a column further right."""
        across, down = to_column - column, to_row - row
        sign = 1 if down >= 0 else -1
        start = row
        for step in range(across + 1):
            if abs(down) <= across:
                top = bottom = row + round(down * step / across)
            else:  # steep: each column has the dots between two rows
                end = to_row if step == across else row + round(down * (2 * step + 1) / (2 * across))
                top, bottom = (start, end) if start <= end else (end, start)
                start = end + sign
            self.upright(column + step, top, bottom)

    def cells(self) -> Iterator[tuple[int, int, str]]:
        """Each cell that has a dot: its column and row, and the character that shows it."""
        for column in range(self.width // ACROSS):
            left, right = self._columns[column * ACROSS], self._columns[column * ACROSS + 1]
            row = 0
            while left or right:
                if left & 15 or right & 15:
                    yield column, row, _CHARACTERS[left & 15][right & 15]
                left >>= DOWN
                right >>= DOWN
                row += 1
