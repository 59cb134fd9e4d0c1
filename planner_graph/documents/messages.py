"""Says in plain words what pydantic found: the problem, and what to do about it."""

from collections.abc import Callable, Mapping
from typing import Any

from planner_graph.documents.document import shown
from planner_graph.errors import nearest

_KINDS = {
    "text": "write text, in quotes where needed",
    "a whole number": "write a whole number without quotes",
    "a number": "write a number without quotes",
    "a finite number": "write a finite number",
    "true or false": "write true or false, without quotes",
    "a list": "write a list, or remove it",
    "a mapping": "write a mapping of keys to values, or remove it",
    "plain JSON data": "use null, true, false, numbers, text, lists and mappings only",
}
"""Remedy by what a value should have been."""

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "invalid-json-value": "plain JSON data",
}
"""What a value should have been, by pydantic's type of error."""

_BOUNDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda bound: f"more than {bound['gt']:g}",
    "greater_than_equal": lambda bound: f"{bound['ge']:g} or more",
    "less_than": lambda bound: f"less than {bound['lt']:g}",
    "less_than_equal": lambda bound: f"{bound['le']:g} or less",
}
_FIXED = {
    "string_too_short": ("the text is empty", "write at least one character"),
    "too_short": ("the list is empty", "name at least one"),
    "string_unicode": ("the text holds half a surrogate pair, which UTF-8 cannot store", "remove it"),
    "recursion_loop": ("the value contains itself or is nested too deep", "flatten it"),
}
"""Problem and remedy where the value itself adds nothing."""


def in_words(kind: str, given: Any, context: Mapping[str, Any], message: str) -> tuple[str, str]:
    """Give problem and remedy for one of pydantic's errors; ``message`` is the last resort."""
    if kind in _EXPECTED:
        expected = _EXPECTED[kind]
        return f"{shown(given)} is not {expected}", _KINDS[expected]
    if kind in _BOUNDS:
        return f"{shown(given)} is out of range", f"use a number that is {_BOUNDS[kind](context)}"
    if kind in {"enum", "literal_error"}:
        return _not_one_of(given, context)
    if kind == "string_too_long":
        return f"the text has {len(given)} characters", f"use at most {context['max_length']}"
    return _FIXED.get(kind) or (f"{shown(given)} is not allowed: {message[:1].lower()}{message[1:]}", "fix the value")


def _not_one_of(given: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    listed = str(context["expected"])
    known = [word.strip("'") for word in listed.replace(" or ", ", ").split(", ")]
    hint = nearest(given, known) if isinstance(given, str) else ""
    return f"{shown(given)} is not one of {', '.join(known)}", hint or "use one of them"
