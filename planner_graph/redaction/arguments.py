"""Secrets in the arguments of commands (``--password x``, ``'--password', 'x'``) and in pairs (``('x-api-key', 'x')``).

A command that failed is quoted with all its arguments, and clients quote their headers as lists of pairs.
"""

import re

from planner_graph.redaction.pairs import is_secret_item, looks_secret
from planner_graph.redaction.shapes import HIDDEN

_QUOTED_ARGUMENT = re.compile(r"""(?<![\w-])(--?([A-Za-z][\w-]{0,47})(['"]),[ ]?(['"]))([^'"\n]*)""")
_ARGUMENT = re.compile(r"""(?<![\w-])(--?([A-Za-z][\w-]{0,47})[ ]['"]?)([^\s'"]+)""")
_PAIR = re.compile(r"""([(\[]b?['"]([\w-]{1,48})['"],[ ]?b?['"])([^'"\n]*)(?=['"][)\]])""")

_SHORTEST_ARGUMENT = 4


def without_arguments(text: str) -> str:
    """Give ``text`` without the secrets in arguments and in pairs that are named there."""
    if "-" in text:
        text = _QUOTED_ARGUMENT.sub(_hidden_quoted, text)
        text = _ARGUMENT.sub(_hidden_bare, text)
    if "('" in text or "['" in text or '("' in text or '["' in text or "(b'" in text:
        text = _PAIR.sub(_hidden_second, text)
    return text


def _hidden_quoted(found: re.Match[str]) -> str:
    return found[1] + HIDDEN if is_secret_item(found[2], found[5]) else found[0]


def _hidden_bare(found: re.Match[str]) -> str:
    """Hide what follows an option, unless it is a word of a sentence about it."""
    value = found[3]
    is_word = value.isalpha() or len(value) < _SHORTEST_ARGUMENT or value.startswith("-")
    return found[0] if is_word or not is_secret_item(found[2], value) else found[1] + HIDDEN


def _hidden_second(found: re.Match[str]) -> str:
    certain = looks_secret(found[3]) and is_secret_item(found[2], found[3])
    return found[1] + HIDDEN if certain else found[0]
