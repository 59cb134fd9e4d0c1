"""Checks what a body gave back and turns it into named outputs of plain JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

from langgraph.types import Command
from pydantic_core import PydanticSerializationError, SchemaSerializer, core_schema, to_jsonable_python

from planner_graph.documents import key_text
from planner_graph.errors import OutputError
from planner_graph.planning.contents import Step
from planner_graph.values import Fault, FaultyValueError, portable_json

_UNFOLD = SchemaSerializer(core_schema.any_schema())
"""Turns models and dataclasses, at any depth, into dicts, and leaves all else as it is."""


def check_output(step: Step, given: Any) -> dict[str, Any]:
    """Turn what a body returned into named outputs of plain JSON.

    A mapping is taken by name; keys that the agent does not declare are left out, for no plan can count on them. An
    agent with a single output may return the bare value. Models, messages, dates and the like become JSON.

    Raises:
        OutputError: an output is missing, or something is not JSON.
    """
    named = plain(step.agent, given)
    if len(step.outputs) == 1 and not (isinstance(named, dict) and step.outputs[0] in named):
        return {step.outputs[0]: named}
    if not isinstance(named, dict):
        names = ", ".join(map(repr, step.outputs))
        raise OutputError(step.agent, f"{type(given).__name__} is no mapping; return a dict with the keys {names}")
    missing = [name for name in step.outputs if name not in named]
    if missing:
        found = ", ".join(map(repr, named)) or "nothing"
        raise OutputError(step.agent, f"{', '.join(map(repr, missing))} is missing, found {found}; return every output")
    return {name: named[name] for name in step.outputs}


def plain(agent: str, given: Any) -> Any:
    """Turn what a body returned into plain JSON.

    Raises:
        OutputError: something is not JSON.
    """
    if isinstance(given, Command):
        raise OutputError(agent, "a Command cannot steer a plan; return outputs, the plan says who is next")
    try:
        faults = [*_unfit(given)]
        if faults:
            raise OutputError(agent, "; ".join(_told(faults)))
        return portable_json(to_jsonable_python(given))
    except FaultyValueError as error:
        raise OutputError(agent, "; ".join(_told(error.faults))) from error
    except (PydanticSerializationError, ValueError) as error:
        raise OutputError(agent, f"{error}; return plain JSON values") from error


_Trail = tuple[Any, str | int] | None
"""How to come to an item: the trail of what holds it, and its key there. Whole paths would cost their length each."""


def _unfit(given: Any) -> Iterator[Fault]:
    """Find what JSON has no form for, though some form could be made up: bytes, sets, iterators."""
    pending: list[tuple[_Trail, Any]] = [(None, _UNFOLD.to_python(given))]
    seen: set[int] = set()
    while pending:
        trail, item = pending.pop()
        if isinstance(item, bytes | bytearray | memoryview):
            yield Fault(_path(trail), "bytes are not JSON", "return text, or binary data as a data URI")
        elif isinstance(item, set | frozenset):
            yield Fault(_path(trail), "a set has no order", "return sorted(...) of it")
        elif isinstance(item, Iterator):
            yield Fault(_path(trail), "an iterator is not JSON", "return list(...) of it")
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            children = item.items() if isinstance(item, dict) else enumerate(item)
            pending += reversed([((trail, key), child) for key, child in children])


def _path(trail: _Trail) -> tuple[str | int, ...]:
    keys = []
    while trail is not None:
        trail, key = trail
        keys.append(key)
    return tuple(reversed(keys))


def _told(faults: Iterable[Fault]) -> Iterator[str]:
    for path, problem, remedy in faults:
        place = f"{key_text(path)}: " if path else ""
        yield f"{place}{problem}; {remedy}"
