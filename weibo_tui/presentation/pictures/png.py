"""Pictures as PNG, with the fonts of the system."""

from __future__ import annotations

import re

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_sentences
from weibo_tui.presentation.pictures.svg import FONTS

ZOOM = 2.0
"""Pixels of a unit: enough for a page in print."""
_TEXT = re.compile(r">([^<]+)</text>")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_IN_NO_FONT = "\U0010fffd"


def png(svg: str, system_fonts: bool = True) -> bytes:
    """Return an SVG picture as PNG. Raise UserInputError where no font has its characters.

    Without `system_fonts`, only pictures without words can be drawn."""
    import resvg_py

    texts = "".join(_TEXT.findall(svg))
    for characters, problem in (
        (_CHINESE.search(texts), _("No font with Chinese characters was found. Install one, such as Noto Sans CJK.")),
        (re.search(r"\S", texts), _("No font was found. Install one, such as DejaVu Sans.")),
    ):
        if characters is not None and not _has_font(characters[0], system_fonts):
            raise UserInputError(join_sentences(problem, _("Or choose a name that ends in .svg or .html.")))
    return resvg_py.svg_to_bytes(svg_string=svg, zoom=ZOOM, skip_system_fonts=not system_fonts)


def _has_font(character: str, system_fonts: bool) -> bool:
    """Return whether a character is drawn in another way than one that no font has: as nothing, or as a box."""
    import resvg_py

    drawn = [
        resvg_py.svg_to_bytes(
            svg_string=f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" font-family="{FONTS}">'
            f'<text x="4" y="30" font-size="24">{one}</text></svg>',
            skip_system_fonts=not system_fonts,
        )
        for one in (character, _IN_NO_FONT)
    ]
    return drawn[0] != drawn[1]
