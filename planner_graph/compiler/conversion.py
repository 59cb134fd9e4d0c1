"""Turns what a body returned into plain JSON: nothing is dropped or renamed without a word, each fault has its path.

Integers have up to 64 bits and texts may hold NUL: checkpoints store both as they are. What leaves for people and for
columns of jsonb is prepared where it is written, see :mod:`planner_graph.store.plain`.
"""

import math
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import SecretBytes, SecretStr
from pydantic_core import PydanticSerializationError, SchemaSerializer, core_schema, to_jsonable_python

from planner_graph.text import LONE_SURROGATE
from planner_graph.values import MAX_DEPTH, TOO_DEEP, Fault

SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1
"""The range of the integers that a checkpoint holds."""

_UNFOLD = SchemaSerializer(core_schema.any_schema())
"""Turns models and dataclasses, at any depth, into dicts, and leaves all else as it is."""

_Trail = tuple[Any, str | int] | None
"""How to come to an item: the trail of what holds it, and its key there. Whole paths would cost their length each."""

_NO_CHARACTER = ("the text holds half a surrogate pair, which UTF-8 cannot store", "remove it")
_NO_NUMBER = "return a finite number, or None"
_PLAIN = "return plain JSON values"

_ITSELF = ("it holds itself", "return a copy without that reference")

_REFUSED: tuple[tuple[type | tuple[type, ...], str, str], ...] = (
    ((bytes, bytearray, memoryview), "bytes are not JSON", "return text, or binary data as a data URI"),
    ((set, frozenset), "a set has no order", "return sorted(...) of it"),
    (Iterator, "an iterator is not JSON", "return list(...) of it"),
    (AsyncIterator, "an async iterator is not JSON", "collect its items with async for and return a list"),
    (Awaitable, "a coroutine is not JSON", "await it"),
    (complex, "a complex number is not JSON", "return [x.real, x.imag]"),
    ((SecretStr, SecretBytes), "JSON would have stars in the place of a secret", "return .get_secret_value() of it"),
)
"""What JSON has no form for, though some form could be made up: kinds, problem, remedy."""

_TABLES = {
    "DataFrame": 'return .to_dict("records") of it',
    "Series": "return .to_list() of it",
    "Index": "return .to_list() of it",
}
"""What to do about tables of pandas, which is not imported for that, by the names of their classes."""


def to_plain(given: Any) -> tuple[Any, list[Fault]]:
    """Return ``given`` as plain JSON that shares nothing with it, and everything that stands in the way, by path."""
    conversion = _Conversion()
    plain = conversion.convert(given, None, 0)
    return plain, conversion.faults


class _Conversion:
    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._open: set[int] = set()

    def convert(self, item: Any, trail: _Trail, depth: int) -> Any:
        """Return an item as plain JSON; the commonest kinds come first."""
        kind = type(item)
        if kind is str:
            return item if item.isascii() or not LONE_SURROGATE.search(item) else self._refuse(trail, *_NO_CHARACTER)
        if item is None or kind is bool:
            return item
        if kind is int:
            return self._integer(item, trail)
        if kind is float:
            return self._number(item, trail)
        if kind in {dict, list, tuple}:
            return self._collection(item, trail, depth)
        return self._unusual(item, trail, depth)

    def _refuse(self, trail: _Trail, problem: str, remedy: str) -> Any:
        """Note a fault; return None in the place of the item."""
        self.faults.append(Fault(_path(trail), problem, remedy))

    def _integer(self, item: int, trail: _Trail) -> Any:
        if SMALLEST_INTEGER <= item <= LARGEST_INTEGER:
            return item
        return self._refuse(trail, "an integer has more than 64 bits", "return it as text")

    def _number(self, item: float, trail: _Trail) -> Any:
        return item if math.isfinite(item) else self._refuse(trail, f"{item} is not a JSON number", _NO_NUMBER)

    def _collection(self, item: Any, trail: _Trail, depth: int) -> Any:
        if id(item) in self._open:
            return self._refuse(trail, *_ITSELF)
        if depth >= MAX_DEPTH:
            return self._refuse(trail, *TOO_DEEP)
        self._open.add(id(item))
        try:
            if isinstance(item, Mapping):
                return self._mapping(item, trail, depth + 1)
            return [self.convert(child, (trail, place), depth + 1) for place, child in enumerate(item)]
        finally:
            self._open.discard(id(item))

    def _mapping(self, item: Mapping[Any, Any], trail: _Trail, depth: int) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        names: dict[str, Any] = {}
        for key, child in item.items():
            name = key if type(key) is str else self._key(key, trail)
            if name is None:
                continue
            if name in names:
                problem = f"the keys {names[name]!r} and {key!r} are both {name!r} in JSON"
                self._refuse(trail, problem, "give them different names")
            elif not name.isascii() and LONE_SURROGATE.search(name):
                self._refuse((trail, name), *_NO_CHARACTER)
            names[name] = key
            plain[name] = self.convert(child, (trail, name), depth)
        return plain

    def _key(self, key: Any, trail: _Trail) -> Any:
        """Return the text that a key is in JSON."""
        if isinstance(key, str) and not isinstance(key, Enum):
            return str.__str__(key)
        key = _simpler(key)
        if isinstance(key, bytes | bytearray):
            return self._refuse(trail, f"the key {key!r} is bytes, which are not JSON", "use text")
        try:
            return str(next(iter(to_jsonable_python({key: None}))))
        except (PydanticSerializationError, ValueError, TypeError):
            what = "a key has too many digits" if isinstance(key, int) else f"the key {key!r} is not JSON"
            return self._refuse(trail, what, "use text")

    def _unusual(self, item: Any, trail: _Trail, depth: int) -> Any:
        if refused := _refusal(item):
            return self._refuse(trail, *refused)
        if isinstance(item, Mapping | list | tuple | deque):
            return self._collection(item, trail, depth)
        simpler = _simpler(item)
        return self.convert(simpler, trail, depth) if simpler is not item else self._by_pydantic(item, trail, depth)

    def _by_pydantic(self, item: Any, trail: _Trail, depth: int) -> Any:
        """Return a model, a dataclass, a date and the like; what it holds is checked first, each at its place."""
        if id(item) in self._open:
            return self._refuse(trail, *_ITSELF)
        self._open.add(id(item))
        before = len(self.faults)
        try:
            unfolded = _UNFOLD.to_python(item)
            if unfolded is not item:
                self.convert(unfolded, trail, depth)
            if len(self.faults) > before:
                return None
            return self.convert(to_jsonable_python(item, fallback=_fallback), trail, depth)
        except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
            return self._refuse(trail, str(error), _PLAIN)
        finally:
            self._open.discard(id(item))


def _refusal(item: Any) -> tuple[str, str] | None:
    """Return problem and remedy if an item has no form in JSON that keeps all it says."""
    kind = type(item)
    for kinds, problem, remedy in _REFUSED:
        if isinstance(item, kinds):
            return problem, remedy
    if isinstance(item, Decimal) and not item.is_finite():
        return f"{item} is not a JSON number", _NO_NUMBER
    if kind.__name__ in _TABLES and kind.__module__.startswith("pandas."):
        return f"a {kind.__name__} is not JSON", _TABLES[kind.__name__]
    if kind.__name__ == "NaTType" or (_is_of("numpy", "generic", item) and item.dtype.kind in "mM" and item != item):  # noqa: PLR0124  # NaT alone differs from itself
        return "NaT is no time", "return a time, or None"
    if _is_of("numpy", "generic", item) and not _has_form(item):
        return f"{item!r} has no form in JSON that keeps all of it", "return text, or plain numbers"
    return None


def _has_form(scalar: Any) -> bool:
    """Tell whether a scalar of numpy has a form in JSON: not a struct, nor what is finer than Python's own types."""
    if scalar.dtype.kind in "mV":
        return isinstance(scalar.item(), timedelta)
    return scalar.dtype.kind != "f" or bool(float(scalar) == scalar) or not math.isfinite(scalar)


def _simpler(item: Any) -> Any:
    """Return an item of a class derived from a plain one, or of numpy, as what it is; any other as it is."""
    if isinstance(item, Enum):
        return item.value
    if isinstance(item, str):
        return str.__str__(item)
    if isinstance(item, bool):
        return item
    if isinstance(item, int | float):
        return float(item) if isinstance(item, float) else int(item)
    if _is_of("numpy", "ndarray", item) or _is_of("numpy", "generic", item):
        return _of_numpy(item)
    # pandas keeps nanoseconds, which the type that it is derived from does not have
    return item.isoformat() if isinstance(item, datetime) and getattr(item, "nanosecond", None) else item


def _of_numpy(scalar: Any) -> Any:
    """Return a scalar or an array as numbers, texts, times and lists of them; ``tolist`` would change some times."""
    if _is_of("numpy", "ndarray", scalar):
        if scalar.dtype.kind in "biufUO":
            return scalar.tolist()
        return list(scalar) if scalar.ndim else scalar[()]
    value = scalar.item()
    if scalar.dtype.kind == "M" and isinstance(value, int):
        return str(scalar)
    return float(scalar) if scalar.dtype.kind == "f" else value


def _is_of(module: str, name: str, item: Any) -> bool:
    """Tell whether an item is of a class of a module, which is not imported for that."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(item, getattr(loaded, name, ()))


def _fallback(item: Any) -> Any:
    """Return what a model holds that pydantic does not know; what numpy gives is checked when all is plain."""
    if (simpler := _simpler(item)) is item:
        raise PydanticSerializationError(f"Unable to serialize unknown type: {type(item)}")
    return simpler


def _path(trail: _Trail) -> tuple[str | int, ...]:
    keys = []
    while trail is not None:
        trail, key = trail
        keys.append(key)
    return tuple(reversed(keys))
