"""For terminals of 16 colours, or of none: what the themes say by shades is said by the terminal's own colours and by
reversed letters. Else a marked row would be as black as all others, and grey words black on black."""

from __future__ import annotations

from functools import lru_cache

from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter

_HUE = 12 / 360
"""How far from the hue that marks things another may be and mean the same."""
_NEAR = 12
"""In steps of 256: how far from a theme's grounds another ground may be and mean nothing."""
_GREYS = {None, 0, 7, 8, 15}


class LowColorFilter(LineFilter):
    def __init__(self, app: App[None]) -> None:
        super().__init__()
        self._app = app

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        colours = self._app.theme_variables
        marks = colours["primary"]
        grounds = (colours["background"], colours["surface"], colours["panel"])
        return [
            Segment(text, None if style is None else _settled(style, marks, grounds), control)
            for text, style, control in segments
        ]


@lru_cache(4096)
def _settled(style: Style, marks: str, grounds: tuple[str, ...]) -> Style:
    """The style in the terminal's own colours; reversed where its ground marks something."""
    about = {
        name: getattr(style, name) for name in ("bold", "dim", "italic", "underline", "strike", "reverse") if style
    }
    if style.bgcolor is not None and _marks(Color.from_rich_color(style.bgcolor), marks, grounds):
        return Style(**{**about, "reverse": not style.reverse})
    grey = style.color is None or style.color.downgrade(ColorSystem.STANDARD).number in _GREYS
    return Style(color=None if grey else style.color, **about)


def _marks(ground: Color, marks: str, grounds: tuple[str, ...]) -> bool:
    if min(_distance(ground, Color.parse(plain)) for plain in grounds) <= _NEAR:
        return False
    apart = abs(ground.hsl.h - Color.parse(marks).hsl.h)
    return ground.hsl.s < 0.2 or min(apart, 1 - apart) <= _HUE


def _distance(one: Color, other: Color) -> int:
    return max(abs(a - b) for a, b in zip(one.rgb, other.rgb, strict=True))
