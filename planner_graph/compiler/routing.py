"""Leads from the entry node to the first agents, where no edge does: as the plan says that a run has."""

from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.types import Send
from typing_extensions import TypedDict

from planner_graph.compiler.boards import INVOCATION, plan_of
from planner_graph.compiler.state import plan_in
from planner_graph.compiler.wiring import ENTRY, supersteps_of
from planner_graph.errors import StrangeAgentError
from planner_graph.planning.plan import ExecutionPlan

Next = list[str | Send]


class KeptPlan(TypedDict, total=False):
    """What a route reads of the state: the plan, where the graph keeps it there."""

    plan: dict[str, Any]
    plan_hash: str


def route_of(plan: ExecutionPlan) -> Runnable[Any, Next]:
    """Build what follows the entry of an adaptive ``plan``, where no edges lead on."""

    def route(_: Any) -> Next:
        return supersteps_of(plan)[ENTRY].following

    async def without_thread(_: Any) -> Next:
        return route(_)

    return RunnableLambda(route, without_thread)


def route_by_state() -> Runnable[Any, Next]:
    """Build what follows the entry in a graph that keeps its plan in the state.

    Raises:
        StrangeAgentError: to whoever changes a thread in the place of the entry before there is a plan.
        StoredPlanError, PlanMismatchError: the plan in the state cannot be read, or was changed.
    """

    def route(state: KeptPlan, config: RunnableConfig) -> Next:
        plan = plan_of(config) if INVOCATION in config["configurable"] else plan_in(state)
        if plan is None:
            raise StrangeAgentError(ENTRY, ())
        return supersteps_of(plan)[ENTRY].following

    async def without_thread(state: KeptPlan, config: RunnableConfig) -> Next:
        return route(state, config)

    return RunnableLambda(route, without_thread)
