"""Calls the body of an agent, whatever kind it is.

A body is an async or sync function ``body(inputs)`` or ``body(inputs, context)``, a LangChain runnable, or a compiled
LangGraph graph; see :mod:`planner_graph.compiler.arguments` for what else a function may take. ``inputs`` is one flat
dict: each named input, ``"campaign"`` and ``"configuration"``.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.pregel import Pregel

from planner_graph.compiler.arguments import Arguments, Role
from planner_graph.compiler.attempt import has_sync_checkpointer
from planner_graph.compiler.bridge import in_thread
from planner_graph.compiler.current import AgentContext
from planner_graph.planning.contents import CAMPAIGN, Step
from planner_graph.types import AgentStatus

Body = Callable[..., Any] | Runnable[Any, Any]

BINDABLE = "bind a function, a LangChain runnable or a compiled graph"
"""What to do about something that is no body."""


def gather_inputs(step: Step, state: Mapping[str, Any]) -> dict[str, Any]:
    """Build the flat inputs of an agent from the campaign and the records of the agents it depends on.

    Beside the declared inputs, every output of a dependency is there under its own name: output names are unique in a
    catalog, so nothing can hide anything.
    """
    campaign = state["campaign"]
    inputs: dict[str, Any] = {}
    for dependency in step.dependencies:
        record = state.get(dependency.agent)
        if record and record["status"] == AgentStatus.COMPLETED and record["output"]:
            inputs |= record["output"]
    inputs |= {name: campaign["provided"][name] for name, source in step.inputs.items() if source == CAMPAIGN}
    return {**inputs, "campaign": campaign, "configuration": step.configuration}


async def call(
    body: Body, arguments: Arguments, inputs: dict[str, Any], context: AgentContext | None, config: RunnableConfig
) -> Any:
    """Run a body once, with its own copy of ``inputs``, and in a thread if it is a sync function.

    A function is called with the ``arguments`` that it wants. A sync function that is cancelled keeps its daemon
    thread until it returns; nothing waits for it, not even the end of the process. The same holds for the sync parts of
    a runnable, see :mod:`planner_graph.compiler.threads`.
    """
    inputs = own_copy(inputs)
    if isinstance(body, Pregel) and has_sync_checkpointer(config):
        return await in_thread(body.invoke, inputs, config)
    if isinstance(body, Runnable):
        return await body.ainvoke(inputs, config)
    positional, keywords = arguments.of({Role.INPUTS: inputs, Role.CONTEXT: context, Role.CONFIG: config})
    if is_async(body):
        return await body(*positional, **keywords)
    given = await in_thread(partial(body, **keywords) if keywords else body, *positional)
    return await given if isinstance(given, Awaitable) else given


def own_copy(value: Any) -> Any:
    """Copy plain JSON, so that no body can change what others read."""
    if isinstance(value, dict):
        return {key: own_copy(item) for key, item in value.items()}
    return [own_copy(item) for item in value] if isinstance(value, list) else value


def is_async(body: Body) -> bool:
    """Tell whether calling ``body`` gives a coroutine."""
    return inspect.iscoroutinefunction(body) or inspect.iscoroutinefunction(getattr(body, "__call__", None))  # noqa: B004
