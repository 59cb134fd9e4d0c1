"""How the nodes of a plan are joined by edges, for each strategy.

Every planned agent is always visited, a skipped one returns a record too; so a join fires exactly once, whatever
happened before it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from langgraph.graph import END, START

from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, Strategy

ENTRY = "plan"
EXIT = "finish"

Edge = tuple[Sequence[str], str]
"""Sources and target; the target starts once all sources have ended."""


def edges(plan: ExecutionPlan) -> Iterator[Edge]:
    """Give the edges of the graph of ``plan``, from START to END."""
    yield [START], ENTRY
    yield from WIRINGS[plan.strategy](plan)
    yield [EXIT], END


def sequential(plan: ExecutionPlan) -> Iterator[Edge]:
    """Chain the agents in execution order."""
    before = ENTRY
    for step in plan.steps:
        yield [before], step.agent
        before = step.agent
    yield [before], EXIT


def parallel(plan: ExecutionPlan) -> Iterator[Edge]:
    """Fan out natively: each agent is joined on the agents it waits for, each level is one superstep."""
    for step in plan.steps:
        yield list(step.waits_for) or [ENTRY], step.agent
    yield list(final_agents(plan)) or [ENTRY], EXIT


def adaptive(plan: ExecutionPlan) -> Iterator[Edge]:
    """Leave the order to the scheduler: the entry sends every agent, only the last ones lead on by an edge."""
    for last in final_agents(plan) or [ENTRY]:
        yield [last], EXIT


def drawn_edges(plan: ExecutionPlan) -> dict[str, tuple[str, ...]]:
    """Give the edges that LangGraph should draw although it does not follow them: the DAG of an adaptive plan."""
    if plan.strategy is not Strategy.ADAPTIVE:
        return {}
    targets: dict[str, list[str]] = {ENTRY: [], **{step.agent: [] for step in plan.steps}}
    for step in plan.steps:
        for before in step.waits_for or [ENTRY]:
            targets[before].append(step.agent)
    return {node: tuple(agents) for node, agents in targets.items() if agents}


def final_agents(plan: ExecutionPlan) -> tuple[AgentName, ...]:
    """Give the agents that no other agent waits for, in execution order."""
    awaited = {before for step in plan.steps for before in step.waits_for}
    return tuple(step.agent for step in plan.steps if step.agent not in awaited)


WIRINGS: Mapping[Strategy, Callable[[ExecutionPlan], Iterator[Edge]]] = {
    Strategy.SEQUENTIAL: sequential,
    Strategy.PARALLEL: parallel,
    Strategy.ADAPTIVE: adaptive,
}
