"""How wide a text is, without knowing the font: an upper bound, so that what is measured here fits where it is shown.

The table holds the advance widths of DejaVu Sans, rounded up. It is the widest of the usual sans-serif fonts;
Helvetica, Arial, Segoe UI and Roboto are narrower.
"""

from unicodedata import category, east_asian_width

FONT = "Helvetica, Arial, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

_EMS = {
    **dict.fromkeys("ijlI '.,|/:;\\", 0.35),
    **dict.fromkeys('ft()[]-!r"', 0.46),
    **dict.fromkeys("csz*_`?Lkvxy·", 0.6),
    **dict.fromkeys("abdeghnopquFTYEPS$0123456789{}", 0.65),
    **dict.fromkeys("ABCDGHJKNOQRUVXZw&#+<=>^~", 0.84),
}
_WIDEST = 1.0
_UNSEEN = {"Mn", "Me", "Cf"}

ELLIPSIS = "…"


def width(text: str, size: float) -> float:
    """Give an upper bound of the width of ``text`` in a sans-serif font of ``size`` pixels, in pixels."""
    return size * sum(_em(character) for character in text)


def shorten(text: str, size: float, room: float) -> str:
    """Give ``text`` if it fits ``room`` pixels, else as much of its start as fits before an ellipsis."""
    if width(text, size) <= room:
        return text
    left = room - width(ELLIPSIS, size)
    for position, character in enumerate(text):
        left -= size * _em(character)
        if left < 0:
            return text[:position].rstrip() + ELLIPSIS
    raise AssertionError("a text that does not fit ends somewhere")


def _em(character: str) -> float:
    if character in _EMS:
        return _EMS[character]
    if category(character) in _UNSEEN:
        return 0.0
    return 1.3 if east_asian_width(character) in "WF" else _WIDEST
