"""What does the work of an agent, as a key that tells it from other code of the same name.

Past runs tell how long an agent will take only if the same code gave the same outputs. The key is the same in every
process and on every machine: it is made of names, of the code of a function, and of plain values that the function
closes over. Functions that it calls are not part of it.
"""

import functools
import hashlib
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.runnables import Runnable, RunnableLambda, RunnableSequence
from langgraph.pregel import Pregel

from planner_graph.compiler.body import Body
from planner_graph.errors import AgentBindingError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName

MAX_PARTS = 200
"""How many functions and runnables of a body are looked into."""

DIGITS = 32
"""Hexadecimal digits of a key."""

_known: "WeakKeyDictionary[Any, str]" = WeakKeyDictionary()


def work_of(outputs: Iterable[str], body: Body) -> str:
    """Return the key of an agent's work: of its outputs and of its body."""
    return _digest([sorted(outputs), body_identity(body)])


def works_of(outputs: Mapping[AgentName, Iterable[str]], bodies: Mapping[str, Body]) -> dict[AgentName, str]:
    """Return the keys of the agents that have a body; ``outputs`` are those of each agent.

    A body that cannot be imported is no work that was ever done.
    """
    found = {}
    for agent, names in outputs.items():
        if agent in bodies:
            try:
                found[agent] = work_of(names, bodies[agent])
            except AgentBindingError:
                continue
    return found


def works_of_plan(plan: ExecutionPlan, bodies: Mapping[str, Body]) -> dict[AgentName, str]:
    """Return the keys of the agents of a plan that have a body."""
    return works_of({step.agent: step.outputs for step in plan.steps}, bodies)


def works_in(graph: Any, plan: ExecutionPlan) -> dict[AgentName, str]:
    """Return the keys of the agents of a plan, as the nodes of its compiled graph do their work."""
    nodes = {} if graph is None else graph.nodes
    bodies = {agent: getattr(nodes[agent].bound, "own_body", None) for agent in plan.by_agent if agent in nodes}
    found: dict[str, Body] = {agent: body for agent, body in bodies.items() if body is not None}
    return works_of_plan(plan, found)


def body_identity(body: Body) -> str:
    """Return what tells a body from others."""
    try:
        if body not in _known:
            _known[body] = _digest(list(_parts(body, [])))
        return _known[body]
    except TypeError:  # it cannot be hashed, or not be referred to weakly
        return _digest(list(_parts(body, [])))


def _parts(body: Any, seen: list[Any]) -> Iterator[Any]:
    """Yield what a body is made of, as plain JSON; what was ``seen`` before is named once more, and no more."""
    yield _name(body)
    if any(body is one for one in seen) or len(seen) >= MAX_PARTS:
        return
    seen.append(body)
    if isinstance(body, FunctionType):
        yield list(_code(body.__code__))
    for part in _inner(body):
        yield list(_parts(part, seen)) if callable(part) or isinstance(part, Runnable) else _plain(part)


def _inner(body: Any) -> Iterator[Any]:
    """Yield what a body is made of that may be a body, too, and plain values."""
    if isinstance(body, functools.partial):
        yield from (body.func, *body.args)
        for name, value in sorted(body.keywords.items()):
            yield from (name, value)
    elif isinstance(body, Runnable):
        yield from _inner_runnables(body)
    elif inspect.ismethod(body):
        yield body.__func__
    elif isinstance(body, FunctionType):
        yield from body.__defaults__ or ()
        yield from (body.__kwdefaults__ or {}).values()
        yield from map(_contents, body.__closure__ or ())
    elif not inspect.isclass(body) and not inspect.isbuiltin(body):
        yield getattr(type(body), "__call__", None)  # noqa: B004  # how an object with __call__ works


def _inner_runnables(body: Runnable[Any, Any]) -> Iterator[Any]:
    if isinstance(body, RunnableLambda):
        yield getattr(body, "func", None)
        yield getattr(body, "afunc", None)
    elif isinstance(body, RunnableSequence):
        yield from body.steps
    elif isinstance(body, Pregel):
        for name, node in sorted(body.nodes.items()):
            yield name
            yield getattr(node, "bound", None)
    else:  # LangGraph's own wrapper of a node's function has these, too
        yield getattr(body, "func", None)
        yield getattr(body, "afunc", None)


def _code(code: CodeType) -> Iterator[Any]:
    """Yield what a function does, without where it stands."""
    yield code.co_code.hex()
    yield [*code.co_names, *code.co_varnames]
    for value in code.co_consts:
        yield list(_code(value)) if isinstance(value, CodeType) else _plain(value)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is not filled yet
        return None


def _name(value: Any) -> str:
    """Return under which name a function, or the class of anything else, is found."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(named, '__module__', None)}:{named.__qualname__}"


def _plain(value: Any) -> Any:
    """Return a plain value as it is, and of anything else only its kind: it may differ from process to process."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, tuple | frozenset):
        parts = [_plain(item) for item in value]
        return sorted(map(str, parts)) if isinstance(value, frozenset) else parts
    return type(value).__qualname__


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:DIGITS]
