"""Colors of terminals with a palette of 256."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from weibo_tui.app.terminal.low_color import PaletteFilter


@pytest.mark.parametrize(
    ("color", "nearest"),
    [("#412b21", "#303030"), ("#15171c", "#1c1c1c"), ("#e8833a", "#d7875f"), ("#6cc08b", "#5faf87")],
)
def test_color_becomes_the_nearest_of_the_palette(color: str, nearest: str) -> None:
    style = Style(color="#ffffff", bgcolor=color, bold=True)
    (segment,) = PaletteFilter().apply([Segment("a", style)], Color(0, 0, 0))
    assert segment.style is not None and segment.style.bgcolor is not None
    assert segment.style.bgcolor.get_truecolor().hex == nearest
    assert segment.style.bold
    assert PaletteFilter().apply([Segment("a")], Color(0, 0, 0)) == [Segment("a")]
