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


def simulate(scheduler: Scheduler, durations: Mapping[AgentName, float]) -> Simulation:
    """Play a list schedule through: whoever may start does so at once, the most urgent first.

    Of agents that ``scheduler`` has started before, ``durations`` says how long they still take; they start at 0.
    """
    starts = {agent: 0.0 for agent in scheduler.demands if agent in scheduler.running}
    ends = {agent: 0.0 for agent in scheduler.demands if agent in scheduler.settled}
    running = [(durations[agent], number, agent) for number, agent in enumerate(starts)]
    heapify(running)
    now = 0.0
    for agent in scheduler.demands:
        scheduler.arrive(agent)
    while len(ends) < len(scheduler.demands):
        for agent in scheduler.start(now):
            starts[agent] = now
            heappush(running, (now + durations[agent], len(starts), agent))
        wake = scheduler.wake_at()
        if running and (wake is None or running[0][0] <= wake):
            now = running[0][0]
            while running and running[0][0] <= now:
                agent = heappop(running)[2]
                ends[agent] = now
                scheduler.settle(agent)
        elif wake is not None:
            now = wake
        else:
            raise AssertionError("nobody runs and nobody can start")
    return Simulation(starts=starts, ends=ends)
