"""Strategies: in which order the agents of a DAG run, and which of them side by side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from planner_graph.planning.dag import Dag
from planner_graph.planning.scheduler import UNSAFE_POOL, Demand, Scheduler
from planner_graph.planning.simulate import simulate
from planner_graph.types import AgentName, Strategy


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What there is to schedule: durations in seconds, and the limits that hold."""

    dag: Dag[AgentName]
    seconds: Mapping[AgentName, float]
    resources: Mapping[AgentName, Mapping[str, float]]
    max_parallel: int | None = None
    capacities: Mapping[str, float]

    def demands(self) -> list[Demand]:
        """Give what each agent asks for, in topological order."""
        priority = self.dag.upward_rank(self.seconds)
        return [
            Demand(
                agent=agent,
                waits_for=self.dag.predecessors[agent],
                priority=priority[agent],
                resources=self.resources[agent],
            )
            for agent in self.dag.order
        ]

    def scheduler(self, demands: list[Demand]) -> Scheduler:
        """Give a scheduler for these demands within the limits."""
        return Scheduler(demands, max_parallel=self.max_parallel, capacities=self.capacities)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Execution order, parallel group of each agent (``None``: runs alone), and the makespan in seconds."""

    order: tuple[AgentName, ...]
    groups: Mapping[AgentName, int | None]
    makespan: float


def sequential(work: Workload) -> Schedule:
    """One agent after the other, dependencies first."""
    order = work.dag.order
    return Schedule(order=order, groups=dict.fromkeys(order), makespan=sum(work.seconds[agent] for agent in order))


def parallel(work: Workload) -> Schedule:
    """Level by level; the agents of a level run side by side and the slowest one ends it.

    Agents of a level that are not parallel safe fall into consecutive groups.
    """
    groups = [group for level in _levels(work.dag) for group in _split(level, work)]
    demands = {demand.agent: replace(demand, waits_for=()) for demand in work.demands()}
    return Schedule(
        order=tuple(agent for group in groups for agent in group),
        groups=_numbered(groups),
        makespan=sum(
            simulate(work.scheduler([demands[agent] for agent in group]), work.seconds).makespan for group in groups
        ),
    )


def adaptive(work: Workload) -> Schedule:
    """Each agent starts as soon as its own dependencies have ended, the longest remaining chain first.

    The order is the one in which they start if everything takes as long as estimated.
    """
    played = simulate(work.scheduler(work.demands()), work.seconds)
    place = {agent: position for position, agent in enumerate(work.dag.order)}
    return Schedule(
        order=tuple(sorted(work.dag.order, key=lambda agent: (played.starts[agent], place[agent]))),
        groups=_numbered(_levels(work.dag)),
        makespan=played.makespan,
    )


SCHEDULES: Mapping[Strategy, Callable[[Workload], Schedule]] = {
    Strategy.SEQUENTIAL: sequential,
    Strategy.PARALLEL: parallel,
    Strategy.ADAPTIVE: adaptive,
}


def _levels(dag: Dag[AgentName]) -> list[list[AgentName]]:
    levels: dict[int, list[AgentName]] = {}
    for agent in dag.predecessors:
        levels.setdefault(dag.levels[agent], []).append(agent)
    return [agents for _, agents in sorted(levels.items())]


def _split(level: list[AgentName], work: Workload) -> list[list[AgentName]]:
    """Part a level so that no two agents that are not parallel safe are together."""
    unsafe = [agent for agent in level if UNSAFE_POOL in work.resources[agent]]
    together = [agent for agent in level if agent not in set(unsafe[1:])]
    return [together, *([agent] for agent in unsafe[1:])]


def _numbered(groups: list[list[AgentName]]) -> dict[AgentName, int | None]:
    return {agent: number if len(agents) > 1 else None for number, agents in enumerate(groups) for agent in agents}
