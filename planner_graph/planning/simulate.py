"""Plays a plan through on paper: when would each agent start and end, if it took as long as said.

Drives the same scheduler that decides in a live run, with a clock that jumps from event to event.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from planner_graph.planning.scheduler import Scheduler
from planner_graph.types import AgentName


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
    """Play a list schedule through: whoever may start does so at once, the most urgent first.

    Of agents that ``scheduler`` has started before, ``durations`` says how long they still take; they start at 0.
    Agents in ``pauses`` wait between two attempts, and ask for their next one after so many seconds.
    """
    later = sorted((seconds, agent) for agent, seconds in (pauses or {}).items())
    starts = {agent: 0.0 for agent in scheduler.demands if agent in scheduler.running}
    ends = {agent: 0.0 for agent in scheduler.demands if agent in scheduler.settled}
    running = [(durations[agent], number, agent) for number, agent in enumerate(starts)]
    heapify(running)
    now = 0.0
    for agent in scheduler.demands:
        if agent not in (pauses or {}):
            scheduler.arrive(agent)
    while len(ends) < len(scheduler.demands):
        for agent in scheduler.start(now):
            starts[agent] = now
            heappush(running, (now + durations[agent], len(starts), agent))
        wake = _earlier(scheduler.wake_at(), later[0][0] if later else None)
        if running and (wake is None or running[0][0] <= wake):
            now = running[0][0]
            while running and running[0][0] <= now:
                agent = heappop(running)[2]
                ends[agent] = now
                scheduler.settle(agent)
        elif wake is not None:
            now = max(now, wake)
            while later and later[0][0] <= now:
                scheduler.arrive(later.pop(0)[1])
        else:
            raise AssertionError("nobody runs and nobody can start")
    return Simulation(starts=starts, ends=ends)


def _earlier(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else min(one, other)
