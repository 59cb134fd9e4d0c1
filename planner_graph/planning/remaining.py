"""What is left of a run: the agents that have yet to end and will do something, and whom they wait for.

An agent that is certain to be skipped and a fallback that nobody needs so far are passed over: whoever waits for them
waits, in truth, for those they wait for.
"""

from collections.abc import Iterable, Iterator, Mapping

from planner_graph.planning.contents import PlanContents, Step
from planner_graph.types import AgentName, AgentStatus, DependencyKind, Strategy

BARRIER = " "
"""What the name of a barrier begins with, and no agent's name does."""

Waits = dict[AgentName, tuple[AgentName, ...]]
"""For each agent those that must end before it, in an order in which they come before it."""


def remaining(plan: PlanContents, statuses: Mapping[AgentName, AgentStatus]) -> Waits:
    """Give those who will still work, and whom each of them waits for under the plan's strategy.

    In parallel plans a barrier, which takes no time, stands between one level and the next.
    """
    needed = will_work(plan, statuses)
    steps = [step for step in plan.steps if step.agent in needed]
    busy = [step.agent for step in steps if statuses[step.agent].at_work]
    match plan.strategy:
        case Strategy.SEQUENTIAL:
            return dict(_chain(steps, busy))
        case Strategy.PARALLEL:
            return dict(_levels(steps, busy))
        case Strategy.ADAPTIVE:
            return _dataflow(plan, statuses, needed)


def will_work(plan: PlanContents, statuses: Mapping[AgentName, AgentStatus]) -> dict[AgentName, None]:
    """Give the agents that have not ended and, as things stand, will not be skipped; in execution order.

    A fallback is one of them once the agent that it stands in for has failed.
    """
    found: dict[AgentName, None] = {}
    for step in plan.steps:
        status = statuses[step.agent]
        if status.at_work or (not status.ended and not _is_passed_over(step, statuses, found)):
            found[step.agent] = None
    return found


def _is_passed_over(step: Step, statuses: Mapping[AgentName, AgentStatus], needed: Mapping[AgentName, None]) -> bool:
    """Tell whether a step that waits will be skipped; ``needed`` are the earlier ones that will not."""
    if step.replaces and statuses[step.replaces] is not AgentStatus.FAILED:
        return True

    def may_complete(agent: AgentName) -> bool:
        return agent in needed or statuses[agent] is AgentStatus.COMPLETED

    hard = [edge.agent for edge in step.dependencies if edge.kind is DependencyKind.HARD and not edge.stands_in_for]
    lost = [agent for agent in hard if not may_complete(agent)]
    made_up_for = {edge.stands_in_for for edge in step.dependencies if edge.stands_in_for and may_complete(edge.agent)}
    return any(agent not in made_up_for for agent in lost)


def _dataflow(plan: PlanContents, statuses: Mapping[AgentName, AgentStatus], needed: Mapping[AgentName, None]) -> Waits:
    through: Waits = {}
    for step in plan.steps:
        if statuses[step.agent].ended or statuses[step.agent].at_work:
            through[step.agent] = ()
        else:
            before = ((agent,) if agent in needed else through[agent] for agent in step.waits_for)
            through[step.agent] = tuple(dict.fromkeys(agent for agents in before for agent in agents))
    return {agent: through[agent] for agent in needed}


def _chain(steps: Iterable[Step], busy: list[AgentName]) -> Iterator[tuple[AgentName, tuple[AgentName, ...]]]:
    before = tuple(busy)
    for agent in busy:
        yield agent, ()
    for step in steps:
        if step.agent not in busy:
            yield step.agent, before
            before = (step.agent,)


def _levels(steps: Iterable[Step], busy: list[AgentName]) -> Iterator[tuple[AgentName, tuple[AgentName, ...]]]:
    levels: dict[int, list[AgentName]] = {}
    at_work = frozenset(busy)
    for step in steps:
        levels.setdefault(step.level, []).append(step.agent)
    before: tuple[AgentName, ...] = ()
    for level, agents in sorted(levels.items()):
        for agent in agents:
            yield agent, () if agent in at_work else before
        barrier = AgentName(f"{BARRIER}{level}")
        yield barrier, (*agents, *before)
        before = (barrier,)
