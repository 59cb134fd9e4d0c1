"""Leads from node to node where no edge does: as the plan says that a run has."""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.types import Send
from typing_extensions import TypedDict

from planner_graph.compiler.attempt import state_after
from planner_graph.compiler.boards import INVOCATION, plan_of
from planner_graph.compiler.state import PLAN, read_plan
from planner_graph.compiler.wiring import ENTRY, leads_on, starts_with, visits
from planner_graph.errors import StrangeAgentError
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
    """Build what follows ``node`` in a graph that keeps its plan in the state.

    Raises:
        StrangeAgentError: from whoever gives a record in the place of an agent that the plan does not have.
    """

    def route(state: KeptPlan, config: RunnableConfig) -> Next:
        return (
            leads_on(plan_of(config), node) if INVOCATION in config["configurable"] else _by_hand(state, config, node)
        )

    async def without_thread(state: KeptPlan, config: RunnableConfig) -> Next:
        return route(state, config)

    return RunnableLambda(route, without_thread)


def _by_hand(state: Mapping[str, Any], config: RunnableConfig, node: str) -> Next:
    """Give what follows ``node`` in a thread whose state somebody changes from outside, in place of that node.

    LangGraph forgets then who was to start beside it; who of them has no record yet still starts, and the others wait.
    """
    if state.get(PLAN) is None:
        raise StrangeAgentError(node, ())
    plan = read_plan(state[PLAN], state["plan_hash"])
    if node != ENTRY and node not in plan.by_agent:
        raise StrangeAgentError(node, plan.by_agent)
    beside = starts_with(plan, node)
    records = state_after(config, beside)
    unfinished = [agent for agent in beside if records.get(agent) is None]
    return visits(plan, unfinished) or leads_on(plan, node)
