"""Leads from node to node where no edge does: as the plan says that a run has."""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.types import Send
from typing_extensions import TypedDict

from planner_graph.compiler.boards import INVOCATION, plan_of
from planner_graph.compiler.state import PLAN, read_plan
from planner_graph.compiler.wiring import leads_on
from planner_graph.planning.plan import ExecutionPlan

Next = list[str | Send]


class KeptPlan(TypedDict, total=False):
    """What a route reads of the state: the plan, where the graph keeps it there."""

    plan: dict[str, Any]
    plan_hash: str


def route_of(plan: ExecutionPlan, node: str) -> Runnable[Any, Next]:
    """Build what follows ``node`` in the graph of ``plan``."""

    def route(_: Any) -> Next:
        return leads_on(plan, node)

    async def without_thread(_: Any) -> Next:
        return route(_)

    return RunnableLambda(route, without_thread)


def route_by_state(node: str) -> Runnable[Any, Next]:
    """Build what follows ``node`` in a graph that keeps its plan in the state; nothing if that has no such node."""

    def route(state: KeptPlan, config: RunnableConfig) -> Next:
        plan = plan_of(config) if INVOCATION in config["configurable"] else _kept(state)
        return leads_on(plan, node)

    async def without_thread(state: KeptPlan, config: RunnableConfig) -> Next:
        return route(state, config)

    return RunnableLambda(route, without_thread)


def _kept(state: Mapping[str, Any]) -> ExecutionPlan:
    """Give the plan of a thread whose state somebody changes from outside."""
    return read_plan(state[PLAN], state["plan_hash"])
