"""Draws the header and the chart of a post as PNG files.

Everything in them comes from the content: the words, the sizes of the shapes, and the colours (from a digest of the
title). Noto Sans covers Latin, Greek, Cyrillic and Devanagari; other scripts are spelled out in Latin letters.
"""

import base64
import colorsys
import hashlib
import io
import math
from collections.abc import Sequence
from importlib import resources

from PIL import Image, ImageDraw, ImageFont
from text_unidecode import unidecode  # type: ignore[import-untyped]

from .research import KeyPhrase
from .strategy import Theme

HEADER_SIZE = (1200, 630)
"""The size that social networks show pictures of links in."""
CHART_WIDTH, BAR_HEIGHT, MARGIN = 1200, 46, 48
MOST_BARS = 10
SCALE = 2
"""Shapes are drawn this much larger and scaled down, so that their edges are smooth."""

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
INK: Colour = (31, 41, 55)
GREY: Colour = (107, 114, 128)
BOLD, REGULAR = 700, 400
HUES = (0.58, 0.47, 0.63, 0.74, 0.88, 0.96, 0.4, 0.53)
"""Hues that stay clear when they are dark: blue, teal, indigo, violet, magenta, red, green, petrol."""


class Type:
    """Noto Sans in the sizes and weights that a picture needs."""

    def __init__(self) -> None:
        file = resources.files("fontpkg_noto_sans") / "files" / "NotoSans[wdth,wght].ttf"
        self._data = file.read_bytes()
        self._fonts: dict[tuple[int, int], ImageFont.FreeTypeFont] = {}

    def font(self, size: int, weight: int) -> ImageFont.FreeTypeFont:
        """Give the font in a size (pixels) and a weight (400 is regular)."""
        if (size, weight) not in self._fonts:
            font = ImageFont.truetype(io.BytesIO(self._data), size)
            font.set_variation_by_axes([weight, 100])
            self._fonts[size, weight] = font
        return self._fonts[size, weight]

    def shown(self, text: str) -> str:
        """Give text that the font can show: characters it lacks are spelled in Latin letters, or left out."""
        font = self.font(24, REGULAR)
        missing = _glyph(font, "\U0010ffff")
        lacking = {character for character in text if _glyph(font, character) == missing}
        spelled = "".join(unidecode(character) if character in lacking else character for character in text)
        return " ".join(spelled.split())

    def fitting(self, text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
        """Give text cut to a width in pixels."""
        shown = self.shown(text)
        if font.getlength(shown) <= width:
            return shown
        while shown and font.getlength(f"{shown}…") > width:
            shown = shown[:-1]
        return f"{shown.rstrip()}…"

    def wrapped(
        self, text: str, width: int, *, sizes: Sequence[int], most_lines: int
    ) -> tuple[ImageFont.FreeTypeFont, list[str]]:
        """Break text into lines in the largest size in which it fits; in the smallest, what is over is cut."""
        shown = self.shown(text)
        for size in sizes:
            font = self.font(size, BOLD)
            lines = _lines(shown, font, width)
            if len(lines) <= most_lines and all(font.getlength(line) <= width for line in lines):
                return font, lines
        font = self.font(sizes[-1], BOLD)
        return font, [self.fitting(line, font, width) for line in _lines(shown, font, width)[:most_lines]]


def header(title: str, themes: Sequence[Theme]) -> bytes:
    """Draw the title beside a circle for each theme, as large as the theme weighs; gives the bytes of a PNG."""
    hue = _hue(title)
    kind = Type()
    picture = _gradient(_colour(hue, 0.3, 0.55), _colour(hue + 0.04, 0.13, 0.6))
    _draw_themes(picture, themes, hue, kind)
    picture = picture.resize(HEADER_SIZE, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    subject, _, rest = title.partition(": ")
    left, width = 72, 520 if themes else 1056
    font, lines = kind.wrapped(subject, width, sizes=range(84, 35, -4), most_lines=3 if rest else 5)
    below, under = kind.wrapped(rest[:1].upper() + rest[1:], width, sizes=range(44, 23, -2), most_lines=4)
    line, gap = round(font.size * 1.18), round(below.size * 1.35)
    y = (HEADER_SIZE[1] - line * len(lines) - gap * len(under) - 46) // 2
    for text in lines:
        draw.text((left, y), text, font=font, fill=WHITE)
        y += line
    draw.rectangle((left, y + 18, left + 96, y + 24), fill=_colour(hue + 0.45, 0.7, 0.85))
    for number, text in enumerate(under):
        draw.text((left, y + 46 + number * gap), text, font=below, fill=_colour(hue, 0.92, 0.5))
    return _png(picture)


def chart(phrases: Sequence[KeyPhrase], title: str, axis: str) -> bytes:
    """Draw how many passages mention each of the weightiest key phrases, as bars; gives the bytes of a PNG."""
    bars = charted(phrases)
    height = 2 * MARGIN + 96 + BAR_HEIGHT * max(len(bars), 1)
    kind = Type()
    picture = Image.new("RGB", (CHART_WIDTH, height), WHITE)
    draw = ImageDraw.Draw(picture)
    hue = _hue(title)
    draw.text((MARGIN, MARGIN - 8), kind.shown(title), font=kind.font(34, BOLD), fill=INK)
    draw.text((MARGIN, MARGIN + 40), kind.shown(axis), font=kind.font(22, REGULAR), fill=GREY)
    label, number = kind.font(24, REGULAR), kind.font(24, BOLD)
    names = [kind.fitting(item.phrase, label, 330) for item in bars]
    left = MARGIN + 24 + round(max((label.getlength(name) for name in names), default=0))
    longest = max((item.mentions for item in bars), default=1)
    for row, (item, name) in enumerate(zip(bars, names, strict=True)):
        middle = MARGIN + 118 + row * BAR_HEIGHT
        end = left + max(6, round((CHART_WIDTH - MARGIN - 90 - left) * item.mentions / longest))
        draw.text((left - 16, middle), name, font=label, fill=INK, anchor="rm")
        draw.rounded_rectangle((left, middle - 14, end, middle + 14), radius=4, fill=_colour(hue, 0.42, 0.6))
        draw.text((end + 12, middle), str(item.mentions), font=number, fill=INK, anchor="lm")
    return _png(picture)


def charted(phrases: Sequence[KeyPhrase]) -> list[KeyPhrase]:
    """Choose the phrases to chart: the weightiest ones, those mentioned most first."""
    return sorted(phrases[:MOST_BARS], key=lambda item: -item.mentions)


def size(png: bytes) -> dict[str, int]:
    """Give width and height of a PNG in pixels."""
    with Image.open(io.BytesIO(png)) as picture:
        return {"width": picture.width, "height": picture.height}


def prompt(subject: str, themes: Sequence[Theme]) -> dict[str, str | int]:
    """Describe the header for those who would rather have it painted by a model."""
    names = ", ".join(theme.name for theme in themes) or subject
    text = (
        f"Header picture for an article about {subject}. Show these ideas joined to one centre: {names}. No lettering."
    )
    return {"name": "header.png", "width": HEADER_SIZE[0], "height": HEADER_SIZE[1], "prompt": text}


def data_uri(png: bytes) -> str:
    """Write the bytes of a PNG as text."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _draw_themes(picture: Image.Image, themes: Sequence[Theme], hue: float, kind: Type) -> None:
    """Draw the themes as circles around a centre, joined to it as the sections are to the post."""
    draw = ImageDraw.Draw(picture, "RGBA")
    centre, ring = (905 * SCALE, 315 * SCALE), 195 * SCALE
    places = []
    for number, theme in enumerate(themes):
        angle = 2 * math.pi * number / len(themes) - math.pi / 2
        place = (centre[0] + ring * math.cos(angle), centre[1] + ring * math.sin(angle))
        places.append((place, (40 + 40 * math.sqrt(max(theme.weight, 0.05))) * SCALE, theme))
    for place, _, _ in places:
        draw.line((centre, place), fill=(255, 255, 255, 90), width=3 * SCALE)
    for number, (place, radius, theme) in enumerate(places):
        _circle(draw, place, radius, _colour(hue + 0.06 * (number - 2), 0.78, 0.7))
        font, lines = kind.wrapped(
            theme.name, round(1.7 * radius), sizes=range(24 * SCALE, 12 * SCALE, -2), most_lines=3
        )
        gap = font.size * 1.15
        for row, text in enumerate(lines):
            y = place[1] + (row - (len(lines) - 1) / 2) * gap
            draw.text((place[0], y), text, font=font, fill=(17, 24, 39), anchor="mm")
    if places:
        _circle(draw, centre, 46 * SCALE, WHITE)
        _circle(draw, centre, 30 * SCALE, _colour(hue, 0.32, 0.62))


def _circle(draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, fill: Colour) -> None:
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _gradient(top: Colour, bottom: Colour) -> Image.Image:
    column = Image.new("RGB", (1, 256))
    for y in range(256):
        column.putpixel((0, y), tuple(round(a + (b - a) * y / 255) for a, b in zip(top, bottom, strict=True)))
    return column.resize((HEADER_SIZE[0] * SCALE, HEADER_SIZE[1] * SCALE), Image.Resampling.BICUBIC)


def _colour(hue: float, lightness: float, saturation: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue % 1, lightness, saturation))
    return red, green, blue


def _lines(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> tuple[object, bytes]:
    mask = font.getmask(character)
    return mask.getbbox(), bytes(mask)


def _hue(text: str) -> float:
    """Choose a hue by a digest of ``text``."""
    return HUES[hashlib.sha256(text.encode()).digest()[0] % len(HUES)]


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return file.getvalue()
