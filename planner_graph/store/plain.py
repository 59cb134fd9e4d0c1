"""Makes values fit for text and jsonb columns, which refuse the character U+0000, lone surrogates and NaN."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from planner_graph.redaction import MARGIN, redacted, redacted_json
from planner_graph.text import storable
from planner_graph.values import LARGEST_INTEGER

BITS = 64
"""Of the largest integers that values hold."""

MAX_DEPTH = 60
MOST_TEXTS = 16
"""Texts of one value that are encoded at once; of a value with more, no more than what is shown."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_ATOMS = frozenset({bool, int, type(None)})


def jsonb(plain: Any) -> Jsonb:
    """Give as a value of a statement what is plain JSON already, or dataclasses and times made of it."""
    return Jsonb(plain, dumps=_encoded)


def _encoded(plain: Any) -> bytes | str:
    try:
        return orjson.dumps(plain)
    except TypeError:  # an integer of more than 64 bits, for example
        return json.dumps(plain, default=_unfolded)


def _unfolded(value: Any) -> Any:
    """Give what orjson encodes by itself, and the standard library does not: times and dataclasses."""
    if isinstance(value, datetime):
        return value.isoformat()
    return {field.name: getattr(value, field.name) for field in fields(value)}


def plain_json(value: Any, depth: int = 0) -> Any:
    """Give ``value`` as JSON that PostgreSQL can store: what is no JSON becomes text, what is too deep an ellipsis.

    It is called for all that agents do, so the commonest types come first.
    """
    kind = type(value)
    if kind is str:
        return storable(value)
    if kind in _ATOMS:
        return value
    if kind is dict and depth < MAX_DEPTH:
        deeper = depth + 1
        return {storable(str(key)): plain_json(item, deeper) for key, item in value.items()}
    return _unusual(value, depth)


def _unusual(value: Any, depth: int) -> Any:
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping | list | tuple) and depth >= MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return {storable(str(key)): plain_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item, depth + 1) for item in value]
    return storable(str(value))


def preview(value: Any, limit: int, **about: Any) -> Any:
    """Return ``value`` for people: if its JSON has at most ``limit`` characters, else the beginning of that JSON.

    What looks like a secret is hidden. What is cut short is marked as such, and says what it is ``about``, too;
    ``cut_at`` is there where secrets have made it shorter than the limit.
    """
    text = beginning(value, limit)
    if text is None:
        return redacted_json(plain_json(value))
    shorter = {} if len(text) == limit else {"cut_at": limit}
    return {"preview": text, "truncated": True, **shorter, **about}


def beginning(value: Any, limit: int) -> str | None:
    """Return the first ``limit`` characters of the JSON of ``value``, or ``None`` if it has no more than these.

    Some times as much is encoded at most, however large the value is. Secrets are hidden, also those that are cut.
    """
    most = limit + MARGIN
    whole = _texts_at_once(value, most)
    text = _encoded_up_to(value, most) if whole is None else whole
    return storable(redacted(text[:most])[:limit]) if len(text) > limit else None


def _encoded_up_to(value: Any, most: int) -> str:
    """Return the JSON of a value, or the beginning of it, a little longer than ``most`` characters."""
    text = ""
    try:
        for part in _ENCODER.iterencode(value):
            text += part[: most + 1]
            if len(text) > most:
                break
    except RecursionError:
        text = text.ljust(most + 1, ".")
    return text


def _texts_at_once(value: Any, limit: int) -> str | None:
    """Give the JSON of a small dict of texts, which most outputs are, of each text as much as may be seen of it."""
    if type(value) is not dict or len(value) > MOST_TEXTS:
        return None
    items = []
    for key, item in value.items():
        if type(key) is not str or type(item) is not str:
            return None
        items.append(f"{_ENCODER.encode(key)}: {_ENCODER.encode(item[: limit + 1])}")
    return f"{{{', '.join(items)}}}"


def exact_number(digits: str) -> int | float:
    """Read an integer of stored JSON as what it was before.

    jsonb writes the float 1e30 out in full. An integer of more than 64 bits never was one, as values hold no such; nor
    was one that is no float's exact value, but exactly what is written for a float.
    """
    number = int(digits)
    if abs(number) <= LARGEST_INTEGER:
        return number
    near = float(digits)
    if number.bit_length() > BITS:
        return near
    return near if near != number and Decimal(repr(near)) == number else number


def as_read(plain: Any) -> Any:
    """Return plain JSON as it is read back from jsonb, with :func:`exact_number`: some whole floats become integers."""
    if isinstance(plain, dict):
        return {key: as_read(item) for key, item in plain.items()}
    if isinstance(plain, list):
        return [as_read(item) for item in plain]
    if isinstance(plain, float) and plain.is_integer() and abs(plain) > LARGEST_INTEGER:
        digits = f"{Decimal(repr(plain)):f}"
        return plain if "." in digits else exact_number(digits)
    return exact_number(str(plain)) if type(plain) is int else plain
