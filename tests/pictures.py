"""Draw a terminal's screen as a PNG. Needs the fonts Noto Sans Mono CJK, Noto Color Emoji and DejaVu.

No SVG: it is shown with the reader's fonts, in which Chinese is rarely twice as wide as Latin.
"""

from __future__ import annotations

from pathlib import Path

import pyte
from PIL import Image, ImageDraw, ImageFont

CELL = (12, 26)
SIZE = 22
MARGIN = 16
FONTS = {
    False: "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    True: "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
}
MONO_SC = 7  # Noto Sans Mono CJK SC, in the collection
SYMBOL_FONTS = {
    False: "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    True: "/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf",
}
EMOJI_FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
EMOJI = "\U0001f000"  # the first
NAMED = {
    "black": "15171c",
    "red": "cc6666",
    "green": "6cc08b",
    "brown": "e0af68",
    "blue": "7aa2f7",
    "magenta": "bb9af7",
    "cyan": "7dcfff",
    "white": "d8dae0",
}
# Sides that lines reach from the middle of the cell; heavy ones in capitals.
ARMS = {
    **dict(zip("─│╭╮╰╯┌┐└┘├┤┬┴┼", "lr ud rd ld ru lu rd ld ru lu rud lud lrd lru lrud".split(), strict=True)),
    **dict(zip("━┃╸╺╹╻", "LR UD L R U D".split(), strict=True)),
}
Color = tuple[int, int, int]


def save(screen: pyte.Screen, path: Path) -> None:
    """Draw the screen into the PNG `path`."""
    background = _color(screen.buffer[0][screen.columns - 1].bg, (21, 23, 28))
    width, height = screen.columns * CELL[0] + 2 * MARGIN, screen.lines * CELL[1] + 2 * MARGIN
    image = Image.new("RGB", (width, height), background)
    draw = ImageDraw.Draw(image)
    for row in range(screen.lines):
        for column in range(screen.columns):
            character = screen.buffer[row][column]
            wide = column + 1 < screen.columns and character.data and not screen.buffer[row][column + 1].data
            x, y = MARGIN + column * CELL[0], MARGIN + row * CELL[1]
            _draw(draw, character, x, y, 2 if wide else 1, background)
            if character.data >= EMOJI:
                emoji = _emoji(character.data)
                image.paste(emoji, (x, y + (CELL[1] - emoji.height) // 2), emoji)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    shrink(path)


def shrink(path: Path) -> None:
    """Give a PNG of the screen a palette, which takes a fraction of the bytes."""
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def _draw(
    draw: ImageDraw.ImageDraw, character: pyte.screens.Char, x: int, y: int, cells: int, background: Color
) -> None:
    sign = character.data
    if not sign:
        return
    front, back = _color(character.fg, (216, 218, 224)), _color(character.bg, background)
    if character.reverse:
        front, back = back, front
    width, height = CELL[0] * cells, CELL[1]
    if back != background:
        draw.rectangle((x, y, x + width - 1, y + height - 1), back)
    if sign in ARMS:
        _draw_lines(draw, ARMS[sign], x, y, front)
    elif "\u2800" <= sign[0] <= "\u28ff":
        _draw_braille(draw, ord(sign[0]) - 0x2800, x, y, front)
    elif "\u2580" <= sign[0] <= "\u2595":
        _draw_block(draw, ord(sign[0]), x, y, front)
    elif sign != " " and sign < EMOJI:
        # What the Chinese font has only in a width of two cells, or not at all.
        latin = cells == 1 and not sign.isascii() and not sign.isalpha()
        draw.text((x, y + 20), sign, front, _font(latin, bool(character.bold)), anchor="ls")
    if character.underscore:
        draw.line((x, y + height - 3, x + width - 1, y + height - 3), front)


def _draw_lines(draw: ImageDraw.ImageDraw, arms: str, x: int, y: int, color: Color) -> None:
    """Draw lines from the middle of the cell to its sides: l, r, u, d are thin, L, R, U, D heavy."""
    width, height = CELL
    middle, center = x + width // 2, y + height // 2
    for arm in arms:
        half = 2 if arm.isupper() else 0
        left, top, right, bottom = middle - half, center - half, middle + half + 1, center + half + 1
        match arm.lower():
            case "l":
                left = x
            case "r":
                right = x + width - 1
            case "u":
                top = y
            case "d":
                bottom = y + height - 1
        draw.rectangle((left, top, right, bottom), color)


def _draw_braille(draw: ImageDraw.ImageDraw, bits: int, x: int, y: int, color: Color) -> None:
    width, height = CELL
    for bit, (column, row) in enumerate(((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))):
        if bits & 1 << bit:
            left, top = x + 1 + column * width // 2, y + 1 + row * height // 4
            draw.ellipse((left, top, left + 4, top + 4), color)


def _draw_block(draw: ImageDraw.ImageDraw, code: int, x: int, y: int, color: Color) -> None:
    """Draw blocks that fill eighths of their cell from below or from the left."""
    width, height = CELL
    left, top, right, bottom = x, y, x + width - 1, y + height - 1
    if 0x2581 <= code <= 0x2588:
        top = y + height - (code - 0x2580) * height // 8
    elif 0x2589 <= code <= 0x258F:
        right = x + (0x2590 - code) * width // 8 - 1
    elif code == 0x2590:
        left = x + width // 2
    elif code == 0x2595:
        left = x + 7 * width // 8
    elif code in (0x2580, 0x2594):
        bottom = y + height // (2 if code == 0x2580 else 8)
    draw.rectangle((left, top, right, bottom), color)


def _emoji(sign: str) -> Image.Image:
    """Return an emoji as wide as two cells."""
    tile = Image.new("RGBA", (136, 128))  # the only size of the font
    font = ImageFont.truetype(EMOJI_FONT, 109)
    ImageDraw.Draw(tile).text((0, 0), sign, font=font, embedded_color=True)
    return tile.resize((2 * CELL[0], 2 * CELL[0] * 128 // 136))


_fonts: dict[tuple[bool, bool], ImageFont.FreeTypeFont] = {}


def _font(sign: bool, bold: bool) -> ImageFont.FreeTypeFont:
    if (sign, bold) not in _fonts:
        _fonts[sign, bold] = (
            ImageFont.truetype(SYMBOL_FONTS[bold], SIZE - 3)
            if sign
            else ImageFont.truetype(FONTS[bold], SIZE + 2, index=MONO_SC)
        )
    return _fonts[sign, bold]


def _color(name: str, default: Color) -> Color:
    if name == "default":
        return default
    code = NAMED.get(name.removeprefix("bright"), name)
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)
