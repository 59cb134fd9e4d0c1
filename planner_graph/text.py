r"""Characters that cannot be stored or shown, and how text that holds them is mended.

Where somebody can be told, they are refused instead: in values and in documents. What agents, errors and databases say
cannot be sent back, so it is mended, in one of two ways:

* replaced by U+FFFD, one character for one, where what reads on relies on the length: columns of the database, which
  are filled up to a limit, and pictures, which measure their texts;
* written out, ``\x1b``, where people want to know what stood there: messages of errors, the terminal, files.
"""

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

CONTROLS = "\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
"""What no line of text holds, as part of a regular expression's character class: controls, line ends, surrogates."""

FOLD_AT, FOLD_SLACK = 300, 10
"""Characters that a terminal shows of one message, and how many more are not worth a note that they are left out."""

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""What PostgreSQL refuses in text and in jsonb: NUL, and lone surrogates, for which UTF-8 has no form."""


LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, for which UTF-8 has no form."""


def storable(text: str) -> str:
    """Give ``text`` with each character that PostgreSQL cannot store replaced by U+FFFD; as long as before."""
    if text.isascii() and "\0" not in text:  # nearly all there is, and ten times as fast to find out
        return text
    return UNSTORABLE.sub(REPLACEMENT, text)


def escaped(text: str) -> str:
    r"""Give ``text`` with each character that PostgreSQL cannot store written out; longer than before.

    >>> escaped("a\0b")
    'a\\x00b'
    """
    return UNSTORABLE.sub(lambda found: _written_out(found[0]), text)


def utf8(text: str) -> bytes:
    r"""Give ``text`` as UTF-8; a lone surrogate is written out, which in a JSON text is its escape."""
    return text.encode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    r"""Give ``text`` with control and formatting characters written out, so that no input can steer the terminal.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(char if char.isprintable() or char in "\n\t" else _written_out(char) for char in text)


def one_line(text: str) -> str:
    """Give ``text`` safe for the terminal and on one line."""
    return printable(" ".join(text.split()))


def folded(text: str, limit: int = FOLD_AT) -> str:
    """Return ``text`` cut to some ``limit`` characters, with a note of how many are left out.

    >>> folded("the message of an error that does not end", limit=15)
    'the message of ... (26 more characters)'
    """
    more = len(text) - limit
    if more <= FOLD_SLACK:
        return text
    return f"{text[:limit]}... ({more:,} more characters)"


def _written_out(char: str) -> str:
    return char.encode("unicode_escape").decode()
