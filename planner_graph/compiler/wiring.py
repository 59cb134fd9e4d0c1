"""How the nodes of a plan follow each other, for each strategy: by edges, or as the plan says when it is made.

Every planned agent is always visited, a skipped one returns a record too; so a join fires exactly once, whatever
happened before it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from langgraph.graph import END, START
from langgraph.types import Send

from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName, Strategy

ENTRY = "plan"
EXIT = "finish"

Edge = tuple[Sequence[str], str]
"""Sources and target; the target starts once all sources have ended."""


class Superstep(NamedTuple):
    """Nodes that LangGraph starts together, and what it starts once all of them have ended.

    The agents of an adaptive plan go in execution order, which is topological: LangGraph takes them first in, first
    out, so that under any limit of its own the earliest unfinished one never waits for a later one.
    """

    nodes: list[str]
    following: list[str | Send]


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


def supersteps_of(plan: ExecutionPlan) -> dict[str, Superstep]:
    """Give for each node, but the last one, the superstep that it is part of."""
    supersteps = [[ENTRY], *_waves(plan), [EXIT]]
    pairs = [Superstep(here, visits(plan, there)) for here, there in pairwise(supersteps)]
    return {node: superstep for superstep in pairs for node in superstep.nodes}


def visits(plan: ExecutionPlan, agents: Sequence[str]) -> list[str | Send]:
    """Give what makes LangGraph visit these nodes: an adaptive plan keeps the order of its agents."""
    if plan.strategy is Strategy.ADAPTIVE and EXIT not in agents:
        return [Send(agent, {}) for agent in agents]
    return list(agents)


def _waves(plan: ExecutionPlan) -> Iterator[list[str]]:
    """Give the agents that start together: each by itself, level by level, or all."""
    if plan.strategy is Strategy.ADAPTIVE:
        if plan.steps:
            yield list(plan.by_agent)
        return
    if plan.strategy is Strategy.SEQUENTIAL:
        yield from ([str(step.agent)] for step in plan.steps)
        return
    levels: dict[int, list[str]] = {}
    for step in plan.steps:
        levels.setdefault(step.level, []).append(step.agent)
    yield from (agents for _, agents in sorted(levels.items()))


def final_agents(plan: ExecutionPlan) -> tuple[AgentName, ...]:
    """Give the agents that no other agent waits for, in execution order."""
    awaited = {before for step in plan.steps for before in step.waits_for}
    return tuple(step.agent for step in plan.steps if step.agent not in awaited)


WIRINGS: Mapping[Strategy, Callable[[ExecutionPlan], Iterator[Edge]]] = {
    Strategy.SEQUENTIAL: sequential,
    Strategy.PARALLEL: parallel,
    Strategy.ADAPTIVE: adaptive,
}
