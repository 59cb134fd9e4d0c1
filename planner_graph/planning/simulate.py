"""Plays a plan through on paper: when would each agent start and end, if it took as long as said.

Drives the same scheduler that decides in a live run, with a clock that jumps from event to event.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from planner_graph.planning.scheduler import Scheduler
from planner_graph.types import AgentName

_Heap = list[tuple[float, int, AgentName]]
"""Agents by a time; of equal times, by a number."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Start and end of each agent in seconds after the start of the run, and when the last one ends."""

    starts: Mapping[AgentName, float]
    ends: Mapping[AgentName, float]

    @property
    def makespan(self) -> float:
        """Seconds from the start of the run to its end."""
        return max(self.ends.values(), default=0.0)


def simulate(
    scheduler: Scheduler, durations: Mapping[AgentName, float], pauses: Mapping[AgentName, float] | None = None
) -> Simulation:
    """Play a list schedule through: each agent starts as soon as it may, the most urgent first.

    Of agents that ``scheduler`` has started before, ``durations`` says how long they still take; they start at 0.
    Agents in ``pauses`` wait between two attempts, and ask for their next one after so many seconds.
    """
    pauses = pauses or {}
    later = [(seconds, number, agent) for number, (agent, seconds) in enumerate(sorted(pauses.items()))]
    starts = _at_zero(scheduler, scheduler.running)
    ends = _at_zero(scheduler, scheduler.settled)
    running = [(durations[agent], number, agent) for number, agent in enumerate(starts)]
    heapify(later)
    heapify(running)
    now = 0.0
    for agent in scheduler.demands:
        if agent not in pauses:
            scheduler.arrive(agent)
    while len(ends) < len(scheduler.demands):
        for agent in scheduler.start(now):
            starts[agent] = now
            heappush(running, (now + durations[agent], len(starts), agent))
        wake, end = _earlier(scheduler.wake_at(), _first(later)), _first(running)
        if end is not None and (wake is None or end <= wake):
            now = end
            for agent in _due(running, now):
                ends[agent] = now
                scheduler.settle(agent)
        elif wake is not None:
            now = max(now, wake)
            for agent in _due(later, now):
                scheduler.arrive(agent)
        else:
            raise AssertionError("no agent runs and none can start")
    return Simulation(starts=starts, ends=ends)


def _at_zero(scheduler: Scheduler, agents: Collection[AgentName]) -> dict[AgentName, float]:
    """Return time zero for each of ``agents``, in the scheduler's order."""
    return {agent: 0.0 for agent in scheduler.demands if agent in agents}


def _first(heap: _Heap) -> float | None:
    return heap[0][0] if heap else None


def _due(heap: _Heap, now: float) -> Iterator[AgentName]:
    """Take the agents out of ``heap`` whose time has come."""
    while heap and heap[0][0] <= now:
        yield heappop(heap)[2]


def _earlier(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else min(one, other)
