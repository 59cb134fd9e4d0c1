"""Calls the body of an agent, whatever kind it is, and checks what it gives back.

A body is an async or sync function ``body(inputs)`` or ``body(inputs, context)``, a LangChain runnable, or a compiled
LangGraph graph. ``inputs`` is one flat dict: each named input, ``"campaign"`` and ``"configuration"``.
"""

import asyncio
import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from pydantic_core import PydanticSerializationError, to_jsonable_python

from planner_graph.compiler.state import AgentRecord
from planner_graph.errors import OutputError
from planner_graph.planning.contents import Step
from planner_graph.types import AgentName, AgentStatus
from planner_graph.values import portable_json

Body = Callable[..., Any] | Runnable[Any, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentContext:
    """What a body may know about the attempt it is; given as second argument to functions that take two.

    ``idempotency_key`` is the same for every attempt and every restart of this agent with these inputs in this run:
    hand it to services that can recognise a repeated request.
    """

    agent: AgentName
    run_id: str
    attempt: int
    idempotency_key: str
    timeout_seconds: float


def gather_inputs(step: Step, state: Mapping[str, Any]) -> dict[str, Any]:
    """Build the flat inputs of an agent from the campaign and the records of the agents it depends on.

    Beside the declared inputs, every output of a dependency is there under its own name: output names are unique in a
    catalog, so nothing can hide anything.
    """
    campaign = state.get("campaign", {})
    inputs: dict[str, Any] = {}
    for dependency in step.dependencies:
        record: AgentRecord | None = state.get(dependency.agent)
        if record and record["status"] == AgentStatus.COMPLETED and record["output"]:
            inputs |= record["output"]
    provided = campaign.get("provided", {})
    inputs |= {name: provided[name] for name, source in step.inputs.items() if source == "campaign" and name in provided}
    return {**inputs, "campaign": campaign, "configuration": step.configuration}


def idempotency_key(run_id: str, agent: str, inputs: Mapping[str, Any]) -> str:
    """Derive the key of an effect from run, agent and inputs."""
    text = json.dumps([run_id, agent, inputs], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


async def call(body: Body, inputs: dict[str, Any], context: AgentContext, config: RunnableConfig) -> Any:
    """Run a body once; sync functions run in a thread, with the context variables of the caller."""
    if isinstance(body, Runnable):
        return await body.ainvoke(inputs, config)
    arguments = (inputs, context) if takes_context(body) else (inputs,)
    if is_async(body):
        return await body(*arguments)
    given = await asyncio.to_thread(body, *arguments)
    return await given if isinstance(given, Awaitable) else given


def is_async(body: Callable[..., Any]) -> bool:
    """Tell whether calling ``body`` gives a coroutine."""
    return inspect.iscoroutinefunction(body) or inspect.iscoroutinefunction(getattr(body, "__call__", None))  # noqa: B004


def takes_context(body: Callable[..., Any]) -> bool:
    """Tell whether ``body`` takes a second positional argument."""
    try:
        parameters = inspect.signature(body).parameters.values()
    except ValueError:  # some built-ins have no signature
        return False
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    return len([p for p in positional if p.default is p.empty]) > 1


def check_output(step: Step, given: Any) -> dict[str, Any]:
    """Turn what a body returned into named outputs of plain JSON.

    A mapping is taken by name; an agent with a single output may return the bare value.

    Raises:
        OutputError: an output is missing, or something is not JSON.
    """
    try:
        plain = portable_json(to_jsonable_python(given))
    except (PydanticSerializationError, ValueError) as error:
        problem = f"{error}; return plain JSON values (binary data as a data URI)"
        raise OutputError(step.agent, problem) from error
    if len(step.outputs) == 1 and not (isinstance(plain, dict) and step.outputs[0] in plain):
        plain = {step.outputs[0]: plain}
    if not isinstance(plain, dict):
        names = ", ".join(step.outputs)
        raise OutputError(step.agent, f"{type(given).__name__} is no mapping; return a dict with the keys {names}")
    missing = [name for name in step.outputs if name not in plain]
    if missing:
        found = ", ".join(plain) or "nothing"
        raise OutputError(step.agent, f"{', '.join(map(repr, missing))} is missing (found {found}); return every output")
    return plain
