"""Makes values fit for text and jsonb columns, which refuse the character U+0000, lone surrogates and NaN."""

import math
from collections.abc import Mapping
from json import JSONEncoder
from typing import Any

from planner_graph.text import storable
from planner_graph.values import LARGEST_INTEGER

MAX_DEPTH = 60
_ENCODER = JSONEncoder(ensure_ascii=False, default=str)


def plain_json(value: Any, depth: int = 0) -> Any:
    """Give ``value`` as JSON that PostgreSQL can store: what is no JSON becomes text, what is too deep an ellipsis."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping | list | tuple) and depth >= MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return {storable(str(key)): plain_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item, depth + 1) for item in value]
    return storable(str(value))


def preview(value: Any, limit: int, **about: Any) -> Any:
    """Give ``value`` if its JSON has at most ``limit`` characters, else the beginning of that JSON, marked as such.

    What is cut short says what it is ``about``, too.
    """
    text = beginning(value, limit)
    return plain_json(value) if text is None else {"preview": text, "truncated": True, **about}


def beginning(value: Any, limit: int) -> str | None:
    """Give the first ``limit`` characters of the JSON of ``value``, or ``None`` if it has no more than these.

    Not much more than what is given is encoded, however large the value is.
    """
    text = ""
    try:
        for part in _ENCODER.iterencode(value):
            text += part[: limit + 1]
            if len(text) > limit:
                break
    except RecursionError:
        text = text.ljust(limit + 1, ".")
    return storable(text[:limit]) if len(text) > limit else None


def exact_number(digits: str) -> int | float:
    """Read an integer of stored JSON as what it was before.

    jsonb writes the float 1e30 out in full; an integer that large never was one, as values may not exceed 2**53 - 1.
    """
    number = int(digits)
    return number if abs(number) <= LARGEST_INTEGER else float(digits)
