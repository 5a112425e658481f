"""Updates of the screen send the cells that change, and the terminal shows the same as after whole updates."""

from __future__ import annotations

from typing import Any

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from weibo_tui.app.terminal.frame import Frame

COLUMNS, ROWS = 24, 3
STYLES = [
    None,
    Style(color="#112233"),
    Style(bgcolor="#445566", bold=True),
    Style(color="#112233", bgcolor="#445566", underline=True),
    Style(reverse=True),
]
PAIRS = st.sampled_from(
    ["ab", "  ", "好", "⣿│", "é1", "👍", "❤\ufe0f", "👍🏽", "\u0301z", "👨\u200d👩\u200d👧", "e\u0301x"]
)
FRAGMENTS = st.tuples(
    st.integers(0, COLUMNS - 8),
    st.integers(0, ROWS - 1),
    st.lists(st.tuples(PAIRS, st.sampled_from(STYLES)), min_size=1, max_size=4).map(
        lambda runs: Strip([Segment(text, style) for text, style in runs])
    ),
)


def terminal() -> pyte.Screen:
    screen = pyte.Screen(COLUMNS, ROWS)
    screen.reset_mode(7, private=True)  # the driver turns off that a long line continues in the next row
    return screen


def feed(screen: pyte.Screen, sequence: str) -> None:
    pyte.Stream(screen).feed(sequence)


def look(character: Any) -> Any:
    """Return all that shows of a character: of a blank, it is not the color of its letter."""
    if character.data != " " or character.reverse or character.underscore or character.strikethrough:
        return character
    return character.bg


def shown(screen: pyte.Screen) -> list[list[Any]]:
    return [[look(screen.buffer[y][x]) for x in range(COLUMNS)] for y in range(ROWS)]


@given(st.lists(st.lists(FRAGMENTS, min_size=1, max_size=4), min_size=1, max_size=8))
def test_changes_show_the_same_as_whole_updates(updates: list[list[tuple[int, int, Strip]]]) -> None:
    screen, frame = terminal(), Frame()
    fragments = [(0, y, Strip([Segment(" " * COLUMNS)])) for y in range(ROWS)]
    feed(screen, frame.replace(iter(fragments), ColorSystem.TRUECOLOR))
    for update in updates:
        fragments += update
        feed(screen, frame.replace(iter(update), ColorSystem.TRUECOLOR))
        whole = terminal()
        feed(whole, Frame().replace(iter(fragments), ColorSystem.TRUECOLOR))
        assert shown(screen) == shown(whole)
        assert frame.replace(iter(update[-1:]), ColorSystem.TRUECOLOR) == ""


def test_frame_forgets_at_another_size() -> None:
    frame, fragment = Frame(), (0, 0, Strip([Segment("好a", STYLES[1])]))
    frame.resize(Size(10, 1))
    sequence = frame.replace(iter([fragment]), ColorSystem.TRUECOLOR)
    assert sequence == "\x1b[1;1H\x1b[38;2;17;34;51m好a\x1b[0m"
    frame.resize(Size(10, 1))
    assert frame.replace(iter([fragment]), ColorSystem.TRUECOLOR) == ""
    frame.resize(Size(10, 2))
    assert frame.replace(iter([fragment]), ColorSystem.TRUECOLOR) == sequence
    changed = (0, 0, Strip([Segment("好b", STYLES[1])]))
    assert frame.replace(iter([changed]), ColorSystem.EIGHT_BIT).startswith("\x1b[1;3H")
