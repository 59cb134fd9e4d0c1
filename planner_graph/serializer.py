"""Writes and reads the values in checkpoints: plain data, LangChain's messages, LangGraph's own types, and named ones.

The format is LangGraph's, so any of its tools reads our checkpoints. But write access to the tables of checkpoints
must not be enough to run code: bytes name classes and functions to call, and LangGraph's own serializer imports and
calls any of them. Here a name that is not allowed is an error, and never a plain value in the place of another one.
"""

import dataclasses
import importlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from inspect import isclass
from typing import Any, cast

import ormsgpack
from langchain_core.load.load import Reviver
from langgraph.checkpoint.serde import jsonplus
from langgraph.checkpoint.serde._msgpack import SAFE_MSGPACK_TYPES
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import SendProtocol, _DeltaSnapshot

from planner_graph.errors import (
    AllowedTypeError,
    CheckpointFault,
    CheckpointUnreadableError,
    UnstorableValueError,
)

TypeName = tuple[str, str]
"""Module and name of a class, as they stand in checkpoints."""

OnFault = Callable[[UnstorableValueError], None]

MAX_KEY = 100
"""Characters of a key that is named as the reason why a value cannot be stored."""

MAX_PATH = 100
"""Keys of a path into a value that cannot be stored; one that holds itself has no end."""

_PLAIN_WRITING = (
    ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_REPLACE_SURROGATES
)
_READING = ormsgpack.OPT_NON_STR_KEYS
_METHODS = frozenset({"fromisoformat"})
_FUNCTIONS: AbstractSet[TypeName] = frozenset({("re", "compile")})
_SEND = ("langgraph.types", "Send")  # to import it takes as long as all else together
_SAFE = cast("AbstractSet[TypeName]", SAFE_MSGPACK_TYPES)
_PLAIN = (str, int, float, bytes, bytearray, type(None), BaseException)


class CheckpointSerializer(JsonPlusSerializer):
    """LangGraph's serializer, which builds nothing but what is known to be harmless, and ``allowed_types``.

    These are classes, or texts such as ``"shop.models:Draft"``. ``on_fault`` is called with the error when a value
    cannot be stored, before it is raised: LangGraph stores in the background, and raises late.

    Raises:
        AllowedTypeError: something in ``allowed_types`` is neither.
    """

    def __init__(self, allowed_types: Iterable[type | str] = (), *, on_fault: OnFault | None = None) -> None:
        self.allowed_types = tuple(dict.fromkeys(type_name(allowed) for allowed in allowed_types))
        super().__init__(allowed_msgpack_modules=self.allowed_types or None)
        self._known = _SAFE | frozenset(self.allowed_types)
        self.on_fault = on_fault

    def covers(self, other: "CheckpointSerializer") -> bool:
        """Whether this serializer does all that ``other`` does."""
        return self._known >= set(other.allowed_types) and other.on_fault in {None, self.on_fault}

    def allowing(self, names: Iterable[TypeName]) -> "CheckpointSerializer":
        """Return the same serializer with further allowed types."""
        if self._known >= set(names := tuple(names)):
            return self
        return CheckpointSerializer([label(*name) for name in (*self.allowed_types, *names)], on_fault=self.on_fault)

    def reporting(self, on_fault: OnFault | None) -> "CheckpointSerializer":
        """Return the same serializer with another ``on_fault``."""
        clone: CheckpointSerializer = object.__new__(type(self))  # one for each attempt; copy.copy is slow
        clone.__dict__.update(self.__dict__)
        clone.on_fault = on_fault
        return clone

    def with_msgpack_allowlist(self, extra_allowlist: Iterable[tuple[str, ...] | type]) -> "CheckpointSerializer":  # noqa: ARG002
        """Return this serializer: what a graph's state declares is not allowed by that alone."""
        return self

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Write a value, with the kind of its bytes.

        Raises:
            UnstorableValueError: it could not be read again; its ``path`` says where in ``obj``.
        """
        if isinstance(obj, BaseException):
            obj = repr(obj)
        if obj is None or isinstance(obj, bytes | bytearray):
            return super().dumps_typed(obj)
        try:
            return "msgpack", ormsgpack.packb(obj, option=_PLAIN_WRITING)  # plain data, which is nearly all there is
        except ormsgpack.MsgpackEncodeError:
            pass
        try:
            if _is_plain_send(obj):  # known to come back; an adaptive plan writes one for each agent
                return super().dumps_typed(obj)
            return self._with_types(obj)
        except UnstorableValueError as error:
            if self.on_fault is not None:
                self.on_fault(error)
            raise

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Read a value that :meth:`dumps_typed`, or LangGraph's serializer, has written.

        Raises:
            CheckpointUnreadableError: the bytes are damaged, or name something that is not allowed.
        """
        kind, content = data
        if kind == "msgpack":
            return Reading(self._known).value(content)
        if kind == "json":
            return Reading(self._known).json_value(content)
        if kind in {"null", "bytes", "bytearray"}:
            return super().loads_typed(data)
        what = "a pickle, which may run any code" if kind == "pickle" else f"of the unknown kind {kind[:100]!r}"
        raise CheckpointUnreadableError(CheckpointFault.UNKNOWN_FORMAT, f"a value is {what}")

    def require_storable(self, value: Any) -> None:
        """Do nothing if ``value`` can be stored and read again.

        Raises:
            UnstorableValueError: it cannot.
        """
        self.dumps_typed(value)

    def _with_types(self, value: Any) -> tuple[str, bytes]:
        """Write a value that holds more than plain data, and read it again to see that it can be.

        Raises:
            UnstorableValueError: it cannot.
        """
        try:
            kind, content = super().dumps_typed(value)
            back = Reading(self._known).value(content)
        except Exception as error:
            path, culprit = self._culprit(value)
            raise UnstorableValueError(path, *self._problem(culprit)) from error
        if not _same_types(value, back):
            path, culprit = self._culprit(value)
            raise UnstorableValueError(path, *self._problem(culprit))
        return kind, content

    def _culprit(self, value: Any) -> tuple[tuple[str | int, ...], Any]:
        """Return the innermost part of a value that cannot be stored, with the path to it."""
        path: list[str | int] = []
        while len(path) < MAX_PATH and not self._is_foreign(value):
            for key, part in _parts(value):
                if not self._survives(part):
                    path.append(key)
                    value = part
                    break
            else:
                break
        return tuple(path), value

    def _is_foreign(self, value: Any) -> bool:
        """Whether the class of a value alone is why it cannot be stored."""
        kind = type(value)
        collection = isinstance(value, dict | list | tuple) and not hasattr(value, "_fields")
        return not collection and (kind.__module__, kind.__name__) not in self._known

    def _survives(self, value: Any) -> bool:
        if _is_plain(value) and not isinstance(value, int):  # an integer may be too large
            return True
        try:
            kind, content = super().dumps_typed(value)
            return _same_types(value, Reading(self._known).value(content) if kind == "msgpack" else value)
        except Exception:  # noqa: BLE001  # a user's class may raise anything while it is taken apart or built
            return False

    def _lost_key(self, value: dict[Any, Any]) -> Any:
        """Return the first key of a mapping that would come back as another one, such as a date as text."""
        return next((key for key in value if not self._survives({key: None})), None)

    def _problem(self, value: Any) -> tuple[str, str]:
        """Return what is wrong with a value that cannot be stored, and what to do."""
        kind = type(value)
        name = label(kind.__module__, kind.__name__)
        if isinstance(value, int) and not isinstance(value, Enum):
            return "an integer beyond 64 bits cannot be stored", "write it as text"
        if isinstance(value, dict) and (key := self._lost_key(value)) is not None:
            return f"its key {repr(key)[:MAX_KEY]} does not come back as it is", "use text as the key"
        if (kind.__module__, kind.__name__) in self._known:
            return f"a {name} cannot be built again from what it says", "use plain data in its place"
        if _importable(kind):
            return f"a {name} is not allowed in checkpoints", f"use plain data, or name {name!r} in allowed_types"
        return f"a {label(kind.__module__, kind.__qualname__)} cannot be stored", "use plain data in its place"


class Reading:
    """Reads one value; ``known`` are the names that may be built.

    ormsgpack hides why its hook failed, so that is kept here.
    """

    def __init__(self, known: AbstractSet[TypeName]) -> None:
        self._known = known
        self._fault: CheckpointUnreadableError | None = None

    def value(self, content: bytes) -> Any:
        """Return the value of msgpack bytes.

        Raises:
            CheckpointUnreadableError: they are damaged, or name something that is not allowed.
        """
        return self._read(self._unpacked, content)

    def json_value(self, content: bytes) -> Any:
        """Return the value of JSON, in which LangGraph wrote checkpoints long ago; see :meth:`value`."""
        return self._read(lambda text: json.loads(text, object_hook=self._revived), content)

    def _read(self, read: Callable[[bytes], Any], content: bytes) -> Any:
        try:
            return read(content)
        except Exception as error:
            if self._fault is not None:
                raise self._fault from error
            problem = f"the bytes of a value are damaged ({type(error).__name__}: {str(error)[:200]})"
            raise CheckpointUnreadableError(CheckpointFault.DAMAGED, problem) from error

    def _unpacked(self, content: bytes) -> Any:
        return ormsgpack.unpackb(content, ext_hook=self._extension, option=_READING)

    def _extension(self, code: int, content: bytes) -> Any:
        """Build what an extension of msgpack names."""
        try:
            parts = self._unpacked(content)
            if code == jsonplus.EXT_DELTA_SNAPSHOT:
                return _DeltaSnapshot(parts)
            if code == jsonplus.EXT_NUMPY_ARRAY:
                return _array(*parts)
            return _BUILDERS[code](self._allowed(parts[0], parts[1]), *parts[2:])
        except CheckpointUnreadableError:
            raise
        except Exception as error:
            problem = f"a value cannot be built from its bytes ({type(error).__name__}: {str(error)[:200]})"
            raise self._failed(CheckpointFault.DAMAGED, problem) from error

    def _revived(self, found: dict[str, Any]) -> Any:
        """Build what JSON names, if it names something: LangGraph's envelopes have the number 2, LangChain's 1."""
        if found.get("lc") not in (1, 2) or not isinstance(found.get("id"), list):
            return found
        *module, name = [str(part) for part in found["id"]] or [""]
        if found["lc"] == 1 and found.get("type") == "constructor":
            try:
                return Reviver(allowed_objects="messages")(found)
            except Exception as error:
                raise self._foreign(".".join(module), name) from error
        made = self._allowed(".".join(module), name)
        return made(*(found.get("args") or ()), **(found.get("kwargs") or {}))

    def _allowed(self, module: Any, name: Any) -> Any:
        """Import a class that may be built."""
        if (module, name) not in self._known:
            raise self._foreign(module, name)
        found = getattr(importlib.import_module(module), name)
        if not isclass(found) and (module, name) not in _FUNCTIONS:
            raise self._foreign(module, name)
        return found

    def _foreign(self, module: Any, name: Any) -> CheckpointUnreadableError:
        found = label(str(module)[:100], str(name)[:100])
        remedy = f"if it is a type of yours, name {found!r} in allowed_types"
        return self._failed(CheckpointFault.FOREIGN_TYPE, f"it wants {found} called, which is not allowed; {remedy}")

    def _failed(self, fault: CheckpointFault, problem: str) -> CheckpointUnreadableError:
        self._fault = self._fault or CheckpointUnreadableError(fault, problem)
        return self._fault


def _is_plain_send(value: Any) -> bool:
    """Whether a value is LangGraph's ``Send`` of plain data, without a time limit of its own."""
    kind = type(value)
    if (kind.__module__, kind.__name__) != _SEND or value.timeout is not None:
        return False
    try:
        ormsgpack.packb(value.arg, option=_PLAIN_WRITING)
    except ormsgpack.MsgpackEncodeError:
        return False
    return True


def type_name(allowed: type | str) -> TypeName:
    """Return module and name of a type that is to be allowed.

    >>> type_name("shop.models:Draft")
    ('shop.models', 'Draft')

    Raises:
        AllowedTypeError: it is neither a class at the top level of a module, nor ``"module:Class"``.
    """
    if isinstance(allowed, str):
        module, _, name = allowed.partition(":")
        if not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
            raise AllowedTypeError(allowed, "write it as module:Class")
        return module, name
    if not isclass(allowed):
        raise AllowedTypeError(allowed, "name a class, or write it as module:Class")
    if not _importable(allowed):
        raise AllowedTypeError(allowed, "move the class to the top level of a module, where it can be found again")
    return allowed.__module__, allowed.__name__


def label(module: str, name: str) -> str:
    """Return a type as people write it.

    >>> label("shop.models", "Draft")
    'shop.models:Draft'
    """
    return f"{module}:{name}"


def _importable(kind: type) -> bool:
    """Whether a class is found again by the module and name that a checkpoint keeps."""
    try:
        return getattr(importlib.import_module(kind.__module__), kind.__name__, None) is kind
    except ImportError:  # the code that made it is not a module
        return False


def _same_types(given: Any, back: Any) -> bool:
    """Whether what was read has the types of what was written, and its keys; those of plain data may become plain."""
    if isinstance(given, dict):
        same_keys = isinstance(back, dict) and list(given) == list(back)
        return same_keys and all(map(_same_types, given.values(), back.values()))
    if isinstance(given, list | tuple) and not hasattr(given, "_fields"):
        return isinstance(back, list) and all(map(_same_types, given, back))
    return _is_plain(given) or type(back) is type(given)


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) and not isinstance(value, Enum)


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield what a value holds, each with its key, index or name of the field."""
    if isinstance(value, dict):
        yield from ((key if isinstance(key, str | int) else str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset | deque) and not hasattr(value, "_fields"):
        yield from enumerate(value)
    else:
        names = getattr(value, "_fields", None) or getattr(type(value), "model_fields", None)
        if names is None and dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
        if names is None and isinstance(value, SendProtocol):
            names = ["arg"]
        yield from ((name, getattr(value, name)) for name in names or () if hasattr(value, name))


def _array(kind: str, shape: Iterable[int], order: str, content: bytes) -> Any:
    numpy = importlib.import_module("numpy")
    return numpy.frombuffer(content, dtype=numpy.dtype(kind)).reshape(tuple(shape), order=order)


def _positional(made: Any, arguments: Any, *_: Any) -> Any:
    if (made.__module__, made.__name__) == _SEND and len(arguments) == 3:  # noqa: PLR2004  # with a time limit
        return made(arguments[0], arguments[1], timeout=arguments[2])
    return made(*arguments)


def _by_method(made: Any, argument: Any, method: str, *_: Any) -> Any:
    if method not in _METHODS:
        raise ValueError(f"the method {method[:100]!r} is not one of those that build a value")
    return getattr(made, method)(argument)


def _model(made: Any, fields: dict[str, Any], *_: Any) -> Any:
    """Build a pydantic model; one whose validators refuse what it says of itself is built without them."""
    try:
        return made(**fields)
    except Exception:  # noqa: BLE001  # a validator may raise anything
        return (made.model_construct if hasattr(made, "model_construct") else made.construct)(**fields)


_BUILDERS: Mapping[int, Callable[..., Any]] = {
    jsonplus.EXT_CONSTRUCTOR_SINGLE_ARG: lambda made, argument, *_: made(argument),
    jsonplus.EXT_CONSTRUCTOR_POS_ARGS: _positional,
    jsonplus.EXT_CONSTRUCTOR_KW_ARGS: lambda made, arguments, *_: made(**arguments),
    jsonplus.EXT_METHOD_SINGLE_ARG: _by_method,
    jsonplus.EXT_PYDANTIC_V1: _model,
    jsonplus.EXT_PYDANTIC_V2: _model,
}
"""How an extension of msgpack, by its number, is built from the class and what follows it."""
