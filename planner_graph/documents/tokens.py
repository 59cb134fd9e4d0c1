"""Splits YAML and JSON text into one kind of tokens, without building anything.

Plain YAML scalars are read by the core schema of YAML 1.2, the same as JSON: ``no``, ``on`` and ``2026-01-31`` are
text, ``012`` is twelve.
"""

import json
import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, NamedTuple

import yaml

from planner_graph.errors import DocumentError, Finding

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG_PREFIX = "tag:yaml.org,2002:"
_TEXT_TAGS = {"!", f"{_TAG_PREFIX}str"}
_COLLECTION_TAGS = {"!", f"{_TAG_PREFIX}map", f"{_TAG_PREFIX}seq"}

_SPECIAL_START = frozenset("-+.0123456789nNtTfF~")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED_INTEGER = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_MANY_DIGITS = 1000

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\]]|[^\s{}\[\],:"]+|\n')
_JSON_WORDS: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}


class Kind(Enum):
    """What a token says."""

    MAPPING = auto()
    LIST = auto()
    END = auto()
    SCALAR = auto()
    ALIAS = auto()


class Marker(Enum):
    """Values of scalar tokens that are no plain data."""

    MERGE = "<<"
    """The key that merges other mappings in."""


class NotPlain(NamedTuple):
    """The value of a token whose tag asks for an object that is not plain data."""

    tag: str


class Token(NamedTuple):
    """One event of the text: ``value`` of a scalar, name of an alias; ``line`` is 1-based."""

    kind: Kind
    value: Any
    line: int
    anchor: str | None = None


_END = Token(Kind.END, None, 0)


def yaml_tokens(text: str, file: str) -> Iterator[Token]:
    """Split YAML.

    Raises:
        DocumentError: the text holds more than one document.
        yaml.YAMLError: the text is no YAML.
    """
    documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.ScalarEvent):
            yield Token(Kind.SCALAR, _scalar(event), _line(event), event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            kind = Kind.MAPPING if isinstance(event, yaml.MappingStartEvent) else Kind.LIST
            yield Token(kind, _not_plain(event), _line(event), event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            yield _END
        elif isinstance(event, yaml.AliasEvent):
            yield Token(Kind.ALIAS, event.anchor, _line(event))
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                problem, line = "a second document begins here", _line(event)
                raise DocumentError([Finding(problem=problem, remedy="keep one per file", file=file, line=line)])


def json_tokens(text: str) -> Iterator[Token]:
    """Split JSON whose syntax was checked before."""
    line = 1
    for match in _JSON_TOKEN.finditer(text):
        part = match.group()
        if part == "\n":
            line += 1
        elif part == "{":
            yield Token(Kind.MAPPING, None, line)
        elif part == "[":
            yield Token(Kind.LIST, None, line)
        elif part in {"}", "]"}:
            yield _END
        elif part.startswith('"'):
            yield Token(Kind.SCALAR, json.loads(part) if "\\" in part else part[1:-1], line)
        else:
            yield Token(Kind.SCALAR, _JSON_WORDS[part] if part in _JSON_WORDS else _number(part), line)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: Any) -> Any:
    if event.tag in _TEXT_TAGS:
        return event.value
    if event.tag is not None:
        return NotPlain(_short(event.tag))
    return _plain(event.value) if event.implicit[0] else event.value


def _not_plain(event: Any) -> NotPlain | None:
    return None if event.tag is None or event.tag in _COLLECTION_TAGS else NotPlain(_short(event.tag))


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(_TAG_PREFIX)}" if tag.startswith(_TAG_PREFIX) else tag


def _plain(text: str) -> Any:
    """Read an unquoted scalar by the core schema of YAML 1.2 (section 10.3.2), and the merge key of 1.1."""
    if not text:
        return None
    if text[0] not in _SPECIAL_START:
        return Marker.MERGE if text == "<<" else text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) or _FLOAT.fullmatch(text):
        return _number(text)
    if _BASED_INTEGER.fullmatch(text) and len(text) < _MANY_DIGITS:
        return int(text, 0)
    infinity = _INFINITY.fullmatch(text)
    return float(f"{infinity[1]}inf") if infinity else text


def _number(text: str) -> int | float:
    """Read a number; an integer of very many digits becomes infinite, which no field accepts."""
    return int(text) if len(text) < _MANY_DIGITS and _INTEGER.fullmatch(text) else float(text)
