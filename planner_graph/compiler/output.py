"""Checks what a body gave back and turns it into named outputs of plain JSON."""

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

from langgraph.types import Command

from planner_graph.catalog.spelling import NEAR, letters
from planner_graph.compiler.conversion import to_plain
from planner_graph.documents import key_text
from planner_graph.errors import OutputError
from planner_graph.planning.contents import Step
from planner_graph.values import Fault

SHOWN_KEYS, SHOWN_FAULTS = 10, 20
"""Keys and faults that a message names."""


class Output(NamedTuple):
    """What an attempt gave: its ``values`` by name, and the keys beside them that nothing declares."""

    values: dict[str, Any]
    undeclared: tuple[str, ...] = ()


def check_output(step: Step, given: Any, inputs: Collection[str] = ()) -> Output:
    """Turn what a body returned into named outputs of plain JSON.

    A mapping is taken by name; keys that the agent does not declare are left out and named, but for those of its
    ``inputs``, which a graph gives back with its state. An agent with a single output may return the bare value, which
    a dict without that name is. Models, messages, dates and the like become JSON.

    Raises:
        OutputError: an output is missing, a key nearly is the name of one, or something is not JSON.
    """
    named = plain(step.agent, given)
    if not isinstance(named, dict):
        if len(step.outputs) == 1:
            return Output({step.outputs[0]: named})
        names = ", ".join(map(repr, step.outputs))
        raise OutputError(step.agent, f"{type(given).__name__} is no mapping; return a dict with the keys {names}")
    missing = [name for name in step.outputs if name not in named]
    extra = [key for key in named if key not in step.outputs and key not in inputs]
    if near := _near_miss(step, missing, extra):
        raise OutputError(step.agent, near)
    if missing and len(step.outputs) == 1:
        return Output({step.outputs[0]: named})
    if missing:
        problem = f"{_names(missing)} is missing, found {_names(named) or 'nothing'}"
        raise OutputError(step.agent, f"{problem}; return every output")
    return Output({name: named[name] for name in step.outputs}, tuple(extra))


def undeclared_text(output: Output) -> str:
    """Say which keys were left out, and what to do."""
    keys = output.undeclared
    many = len(keys) > 1
    what = f"the keys {_names(keys)} are" if many else f"the key {_names(keys)} is"
    remedy = f"declare {'them' if many else 'it'} under outputs, or leave {'them' if many else 'it'} out"
    return f"{what} no declared output and {'were' if many else 'was'} left out; {remedy}"


def plain(agent: str, given: Any) -> Any:
    """Turn what a body returned into plain JSON.

    Raises:
        OutputError: something is not JSON.
    """
    if isinstance(given, Command):
        raise OutputError(agent, "a Command cannot steer a plan; return outputs, the plan says who is next")
    converted, faults = to_plain(given)
    if faults:
        more = [f"and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else []
        raise OutputError(agent, "; ".join([*fault_texts(faults[:SHOWN_FAULTS]), *more]))
    return converted


def fault_texts(faults: Iterable[Fault]) -> Iterator[str]:
    """Say what is wrong where, and what to do, fault by fault."""
    for path, problem, remedy in faults:
        place = f"{key_text(path)}: " if path else ""
        yield f"{place}{problem}; {remedy}"


def _near_miss(step: Step, missing: Collection[str], extra: Collection[str]) -> str | None:
    """Say which key must be a declared name that was misspelt, if one is.

    Beside an output that is there, only another spelling of the same letters is taken for one.
    """
    given = {letters(name): name for name in step.outputs if name not in missing}
    for key in extra:
        meant = given.get(letters(key)) or next(iter(get_close_matches(key, missing, n=1, cutoff=NEAR)), None)
        meant = meant or next((name for name in missing if letters(name) == letters(key)), None)
        if meant is None:
            continue
        remedy = f"call it {meant!r}" if meant in missing else "return one of the two"
        if len(step.outputs) == 1 and meant in missing:
            remedy += f", or return {{{meant!r}: ...}} to give the dict as its value"
        return f"the key {key!r} is nearly the output {meant!r}; {remedy}"
    return None


def _names(names: Collection[str]) -> str:
    shown = [*map(repr, names)]
    more = len(shown) - SHOWN_KEYS
    return ", ".join(shown[:SHOWN_KEYS]) + (f" and {more} more" if more > 0 else "")
