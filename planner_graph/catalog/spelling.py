"""Names that must be misspelt ones of others: of pools, of values, of outputs."""

from collections.abc import Iterable
from difflib import SequenceMatcher

from planner_graph.catalog.pool import rate_window

NEAR = 0.8
"""How alike two names are at least, from 0 to 1, of which one is taken for the other one misspelt: post and posts."""


def misspelt(name: str, known: Iterable[str]) -> str | None:
    """Give the known name of which ``name`` seems to be a misspelling; ``None`` if it is known, or like none of them.

    Names that differ in a number, or of which one only is a rate, are names of two things: ``gpu_1`` and ``gpu_2``.
    """
    near = [(_likeness(name, other), other) for other in known]
    if any(other == name for _, other in near):
        return None
    likeness, other = max(near, default=(0.0, ""), key=lambda pair: pair[0])
    return other if likeness >= NEAR else None


def _likeness(name: str, other: str) -> float:
    one, two = letters(name), letters(other)
    if one == two:
        return 1.0
    if rate_window(name) != rate_window(other) or _digits(one) != _digits(two):
        return 0.0
    if sorted(one) == sorted(two):  # letters in another order
        return NEAR
    return SequenceMatcher(a=one, b=two, autojunk=False).ratio()


def letters(name: str) -> str:
    """Return the letters and digits of a name, in lower case: what stays the same however its words are joined."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _digits(name: str) -> str:
    return "".join(letter for letter in name if letter.isdigit())
