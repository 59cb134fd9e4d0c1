"""Strategies: in which order the agents of a DAG run, and which of them side by side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from planner_graph.planning.dag import Dag
from planner_graph.types import AgentName, Strategy


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Execution order, parallel group of each agent (``None``: runs alone), and the makespan in seconds."""

    order: tuple[AgentName, ...]
    groups: Mapping[AgentName, int | None]
    makespan: float


def sequential(dag: Dag[AgentName], durations: Mapping[AgentName, float]) -> Schedule:
    """One agent after the other, dependencies first."""
    return Schedule(order=dag.order, groups=dict.fromkeys(dag.order), makespan=sum(durations[a] for a in dag.order))


def parallel(dag: Dag[AgentName], durations: Mapping[AgentName, float]) -> Schedule:
    """Level by level; the agents of a level run side by side and the slowest one ends it."""
    levels: dict[int, list[AgentName]] = {}
    for agent in dag.predecessors:
        levels.setdefault(dag.levels[agent], []).append(agent)
    ordered = sorted(levels.items())
    return Schedule(
        order=tuple(agent for _, agents in ordered for agent in agents),
        groups={agent: level if len(agents) > 1 else None for level, agents in ordered for agent in agents},
        makespan=sum(max(durations[agent] for agent in agents) for _, agents in ordered),
    )


SCHEDULES: Mapping[Strategy, Callable[[Dag[AgentName], Mapping[AgentName, float]], Schedule]] = {
    Strategy.SEQUENTIAL: sequential,
    Strategy.PARALLEL: parallel,
}
