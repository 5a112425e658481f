"""Filters for terminals with fewer colors than the themes.

With 16 colors or none, shades become the terminal's own colors and reverse video. Otherwise a selected row would be as
black as the others, and gray words black on black. With 256 colors, each becomes the nearest one. Rich would round
each component by itself, which makes dark brown blood red."""

from __future__ import annotations

from functools import lru_cache

from rich._palettes import EIGHT_BIT_PALETTE
from rich.color import Color as RichColor
from rich.color import ColorSystem, ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter

_MAX_HUE_DISTANCE = 12 / 360
"""Largest distance from the primary hue that still counts as a highlight."""
_MAX_RGB_DISTANCE = 12
"""Largest distance, of 256 steps, from a theme's backbackgrounds that still counts as plain."""
_GRAYS = {None, 0, 7, 8, 15}


class LowColorFilter(LineFilter):
    def __init__(self, app: App[None]) -> None:
        super().__init__()
        self._app = app

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        colors = self._app.theme_variables
        primary = colors["primary"]
        backgrounds = (colors["background"], colors["surface"], colors["panel"])
        return [
            Segment(text, None if style is None else _simplify(style, primary, backgrounds), control)
            for text, style, control in segments
        ]


class PaletteFilter(LineFilter):
    """Replaces each color by the nearest one of the 256 of xterm."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [
            Segment(text, None if style is None else _in_palette(style), control) for text, style, control in segments
        ]


@lru_cache(4096)
def _in_palette(style: Style) -> Style:
    return style + Style(
        color=None if style.color is None else _nearest(style.color),
        bgcolor=None if style.bgcolor is None else _nearest(style.bgcolor),
    )


@lru_cache(4096)
def _nearest(color: RichColor) -> RichColor:
    if color.type != ColorType.TRUECOLOR:
        return color
    triplet = color.get_truecolor()
    palette = (EIGHT_BIT_PALETTE[number] for number in range(16, 256))
    return RichColor.from_triplet(min(palette, key=lambda other: _perceived_distance(triplet, other)))


def _perceived_distance(first: ColorTriplet, second: ColorTriplet) -> float:
    """Return the squared distance in RGB, weighted by how well the eye tells the components apart.

    It is the "redmean" approximation of CIELUV (https://www.compuphase.com/cmetric.htm)."""
    mean = (first.red + second.red) / 2
    red, green, blue = (a - b for a, b in zip(first, second, strict=True))
    return (2 + mean / 256) * red**2 + 4 * green**2 + (2 + (255 - mean) / 256) * blue**2


@lru_cache(4096)
def _simplify(style: Style, primary: str, backgrounds: tuple[str, ...]) -> Style:
    """Return the style in the terminal's own colors, reversed if its background is a highlight."""
    attributes = {
        name: getattr(style, name) for name in ("bold", "dim", "italic", "underline", "strike", "reverse") if style
    }
    if style.bgcolor is not None and _is_highlight(Color.from_rich_color(style.bgcolor), primary, backgrounds):
        return Style(**{**attributes, "reverse": not style.reverse})
    gray = style.color is None or style.color.downgrade(ColorSystem.STANDARD).number in _GRAYS
    return Style(color=None if gray else style.color, **attributes)


def _is_highlight(color: Color, primary: str, backgrounds: tuple[str, ...]) -> bool:
    if min(_distance(color, Color.parse(background)) for background in backgrounds) <= _MAX_RGB_DISTANCE:
        return False
    distance = abs(color.hsl.h - Color.parse(primary).hsl.h)
    return color.hsl.s < 0.2 or min(distance, 1 - distance) <= _MAX_HUE_DISTANCE


def _distance(first: Color, second: Color) -> int:
    return max(abs(a - b) for a, b in zip(first.rgb, second.rgb, strict=True))
