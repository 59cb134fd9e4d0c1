"""What is left of a run whose agents have to queue: for places, for pools, for rates.

Drives the scheduler of live runs, told what has started so far, through the rest of the run.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from planner_graph.catalog.pool import rate_window
from planner_graph.planning.contents import PlanContents, Step
from planner_graph.planning.dag import Dag
from planner_graph.planning.remaining import BARRIER, Waits
from planner_graph.planning.scheduler import UNSAFE_POOL, Demand, Scheduler, needs
from planner_graph.planning.simulate import Simulation, simulate
from planner_graph.types import AgentName, Strategy


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The agents that are left, with what they ask for, and the limits that can make any of them wait.

    ``starts`` lists when agents have started, in seconds before now (so below zero), the earliest first: those that
    run, and those that have used up part of a rate since. ``pauses`` is how long agents still wait between two
    attempts, during which they hold nothing.
    """

    waits: Waits
    demands: tuple[Demand, ...]
    max_parallel: int | None
    capacities: Mapping[str, float]
    starts: tuple[tuple[float, AgentName], ...]
    pauses: Mapping[AgentName, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        plan: PlanContents,
        waits: Waits,
        starts: Mapping[AgentName, float],
        busy: Iterable[AgentName],
        pauses: Mapping[AgentName, float],
    ) -> Self | None:
        """Give the queue of those in ``waits``, of whom some are ``busy`` or pause; ``None`` if no limit can bind."""
        agents = [agent for agent in waits if not agent.startswith(BARRIER)]
        pools = _binding_pools(plan, agents)
        places = _binding_places(plan, agents)
        if places is None and not pools:
            return None
        running = {agent: starts.get(agent, 0.0) for agent in busy}
        rested = {agent: starts[agent] for agent in pauses if agent in starts}
        rates = {pool: window for pool in pools if (window := rate_window(pool))}
        ended = {agent: at for agent, at in starts.items() if agent not in waits}
        spent = {agent: at for agent, at in ended.items() if _still_counts(plan.by_agent[agent], at, rates)}
        rank = Dag({step.agent: step.waits_for for step in plan.steps}).upward_rank(
            {step.agent: step.expected_seconds for step in plan.steps}
        )
        return cls(
            waits=waits,
            demands=(
                *(Demand(agent=agent, resources=_asked(plan, agent, rates)) for agent in spent),
                *(
                    Demand(
                        agent=agent,
                        waits_for=before,
                        priority=rank.get(agent, 0.0),
                        resources=_asked(plan, agent, pools),
                    )
                    for agent, before in waits.items()
                ),
            ),
            max_parallel=places,
            capacities={pool: amount for pool, amount in pools.items() if pool != UNSAFE_POOL},
            starts=tuple(sorted((at, agent) for agent, at in {**spent, **running, **rested}.items())),
            pauses=pauses,
        )

    def scheduler(self) -> Scheduler:
        """Give a scheduler that knows what has started so far."""
        scheduler = Scheduler(self.demands, max_parallel=self.max_parallel, capacities=self.capacities)
        for at, agent in self.starts:
            scheduler.arrive(agent)
            scheduler.start(at)
            if agent not in self.waits:
                scheduler.settle(agent)
            elif agent in self.pauses:
                scheduler.rest(agent)
        return scheduler

    def end(self, seconds: Mapping[AgentName, float]) -> float:
        """Give the seconds until the last agent ends, if each still takes so many, pauses included."""
        return self._played(seconds).makespan

    def longest_chain(self, seconds: Mapping[AgentName, float]) -> tuple[AgentName, ...]:
        """Give the agents that decide over the end: each starts when the one before it makes way."""
        played = self._played(seconds)
        chain = [max(self.waits, key=lambda agent: played.ends[agent])]
        while True:
            start = played.starts[chain[-1]]
            earlier = [agent for agent in self.waits[chain[-1]] if played.ends[agent] == start]
            if not earlier:
                earlier = [agent for agent in self.waits if played.ends[agent] == start > played.starts[agent]]
            if not earlier:
                earlier = sorted(self.waits[chain[-1]], key=lambda agent: -played.ends[agent])
            if not earlier:
                return tuple(reversed(chain))
            chain.append(earlier[0])

    def _played(self, seconds: Mapping[AgentName, float]) -> Simulation:
        working = {agent: seconds[agent] - pause for agent, pause in self.pauses.items()}
        return simulate(self.scheduler(), {**seconds, **working} if working else seconds, self.pauses)


def _binding_places(plan: PlanContents, agents: Collection[AgentName]) -> int | None:
    """Give how many agents may run at a time; ``None`` if that makes none of them wait."""
    places = plan.max_parallel
    if places is None or places >= len(agents) or plan.strategy is Strategy.SEQUENTIAL:
        return None
    return places


def _still_counts(step: Step, started_at: float, rates: Mapping[str, float]) -> bool:
    """Tell whether what an agent used up of a rate, before now, is not free again yet; ``rates`` are by window."""
    return any(pool in rates and started_at + rates[pool] > 0 for pool in step.resources)


def _binding_pools(plan: PlanContents, agents: Iterable[AgentName]) -> dict[str, float]:
    """Give the capacities of the pools of which there is less than all agents together ask for."""
    asked: dict[str, float] = {}
    for step in plan.steps if any(map(rate_window, plan.resources)) else map(plan.by_agent.__getitem__, agents):
        for pool, amount in needs(step).items():
            asked[pool] = asked.get(pool, 0.0) + amount
    capacities = {UNSAFE_POOL: 1.0, **plan.resources}
    return {
        pool: capacity
        for pool, capacity in capacities.items()
        if asked.get(pool, 0.0) > capacity and (rate_window(pool) or plan.strategy is not Strategy.SEQUENTIAL)
    }


def _asked(plan: PlanContents, agent: AgentName, pools: Iterable[str]) -> dict[str, float]:
    """Give what an agent asks of these pools; a barrier asks for nothing."""
    wanted = needs(plan.by_agent[agent]) if agent in plan.by_agent else {}
    return {pool: wanted[pool] for pool in pools if pool in wanted}
