"""Decides which agent may start: the one place that knows dependencies, limits and priorities.

Pure: told what happened and what time it is, it says who starts now. It waits for nothing, reads no clock and knows no
LangGraph, so the same code drives a live run and a simulated one.

It is a list scheduler: whenever something changes, the ready agent with the highest priority that fits starts, then the
next. The priority is the upward rank of HEFT (Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002): the longest chain of
estimated durations from the start of the agent to the end of the run.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

from planner_graph.catalog.spec import AgentSpec
from planner_graph.planning.contents import PlanContents, Step
from planner_graph.planning.dag import Dag
from planner_graph.types import AgentName

UNSAFE_POOL = ""
"""Pool of one that agents which are not parallel safe hold while they run; no resource can have its name."""

RATE_WINDOWS: Mapping[str, float] = {"_per_second": 1.0, "_per_minute": 60.0, "_per_hour": 3600.0}
"""Suffixes that make a pool a rate, with the length of its window in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What one agent asks for before it may start.

    ``priority``: higher starts first. ``resources``: how much of each pool it holds while it runs, or, for a rate pool,
    uses up when it starts.
    """

    agent: AgentName
    waits_for: tuple[AgentName, ...] = ()
    priority: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)


@dataclass
class _Pool:
    """A capacity of which agents hold a part while they run; or, with a window, use up a part when they start."""

    capacity: float
    window: float | None = None
    used: float = 0.0
    starts: deque[tuple[float, float]] = field(default_factory=deque)

    def fits(self, amount: float) -> bool:
        return self.used + amount <= self.capacity * (1 + 1e-9)

    def take(self, amount: float, now: float) -> None:
        self.used += amount
        if self.window is not None:
            self.starts.append((now, amount))

    def give_back(self, amount: float) -> None:
        if self.window is None:
            self.used -= amount

    def expire(self, now: float) -> None:
        while self.window is not None and self.starts and self.starts[0][0] + self.window <= now:
            self.used -= self.starts.popleft()[1]

    def next_expiry(self) -> float | None:
        return self.starts[0][0] + self.window if self.window is not None and self.starts else None


class Scheduler:
    """The state of one run as far as starting agents is concerned.

    Every agent goes its way once: unknown to the run until it :meth:`arrive`, started by :meth:`start`, and settled for
    good by :meth:`settle`. Between two attempts it may :meth:`rest`, then arrives and starts anew. An agent may be
    settled from anywhere, for example because it finished before a crash.

    >>> scheduler = Scheduler([Demand(agent="write"), Demand(agent="edit", waits_for=("write",))])
    >>> scheduler.arrive("edit"), scheduler.arrive("write")
    (None, None)
    >>> scheduler.start(now=0.0)
    ['write']
    >>> scheduler.settle("write")
    >>> scheduler.start(now=1.0)
    ['edit']
    """

    def __init__(
        self,
        demands: Iterable[Demand],
        *,
        max_parallel: int | None = None,
        capacities: Mapping[str, float] | None = None,
    ) -> None:
        self.demands = {demand.agent: demand for demand in demands}
        self.max_parallel = max_parallel
        self.running: set[AgentName] = set()
        self.settled: set[AgentName] = set()
        self.halted = False
        self._arrived: set[AgentName] = set()
        self._rank = {agent: position for position, agent in enumerate(self.demands)}
        self._missing = {agent: len(demand.waits_for) for agent, demand in self.demands.items()}
        self._followers: dict[AgentName, list[AgentName]] = {agent: [] for agent in self.demands}
        for demand in self.demands.values():
            for before in demand.waits_for:
                self._followers[before].append(demand.agent)
        amounts = {UNSAFE_POOL: 1.0, **(capacities or {})}
        self._pools = {name: _Pool(amount, rate_window(name)) for name, amount in amounts.items()}
        self._rates = [pool for pool in self._pools.values() if pool.window is not None]
        # One queue per distinct need: where a pool is exhausted, one look is enough for all who wait for it.
        self._ready: dict[tuple[tuple[str, float], ...], list[tuple[float, int, AgentName]]] = {}
        self._newly_ready: list[AgentName] = []

    def arrive(self, agent: AgentName) -> None:
        """Note that ``agent`` is there and would start if it may."""
        if agent not in self._arrived and agent not in self.settled:
            self._arrived.add(agent)
            self._queue_if_ready(agent)

    def settle(self, agent: AgentName) -> None:
        """Note that ``agent`` has ended in whatever way: what it held is free, and who waited for it waits no more."""
        if agent in self.settled:
            return
        self.settled.add(agent)
        self._free(agent)
        for follower in self._followers[agent]:
            self._missing[follower] -= 1
            self._queue_if_ready(follower)

    def rest(self, agent: AgentName) -> None:
        """Note that ``agent`` waits between two attempts: it holds nothing until it has arrived and started again."""
        self._free(agent)
        self._arrived.discard(agent)

    def keep(self, agent: AgentName) -> None:
        """Hold what ``agent``, which runs, has of pools even after it rests or settles, until :meth:`give_back`.

        A thread that was given up on needs it. The place of the agent is not kept, and rates are used up anyway.
        """
        for name, amount in self._needs(agent):
            if self._pools[name].window is None:
                self._pools[name].used += amount

    def give_back(self, agent: AgentName) -> None:
        """Free what was kept for one thread of ``agent``."""
        for name, amount in self._needs(agent):
            self._pools[name].give_back(amount)

    def queued(self) -> list[AgentName]:
        """Give the agents that would start if limits allowed it."""
        return [agent for _, queue in self._queues() for _, _, agent in queue if agent not in self.settled]

    def halt(self) -> None:
        """Start nobody any more; who runs may end."""
        self.halted = True

    def start(self, now: float, passes: Callable[[AgentName], bool] = lambda _: False) -> list[AgentName]:
        """Give the agents that start at time ``now`` (seconds on any steady clock), the most urgent first.

        Before them come those of which ``passes`` says that they have nothing to do, for example because they will be
        skipped: no limit holds for them, and they take nothing. It is asked once, when an agent has become ready.
        """
        if self.halted:
            return []
        started = self._queue_newly_ready(passes)
        for pool in self._rates:
            pool.expire(now)
        while self.max_parallel is None or len(self.running) < self.max_parallel:
            fitting = [queue[0] for wanted, queue in self._queues() if self._fit(wanted)]
            if not fitting:
                break
            agent = min(fitting)[2]
            taken = self._needs(agent)
            heappop(self._ready[taken])
            for name, amount in taken:
                self._pools[name].take(amount, now)
            self.running.add(agent)
            started.append(agent)
        return started

    def wake_at(self) -> float | None:
        """Give the time at which a rate pool frees up for someone who waits only for that; ``None`` if nobody does."""
        if self.halted or not self._rates or not self._queues():
            return None
        expiries = [expiry for pool in self._rates if (expiry := pool.next_expiry()) is not None]
        return min(expiries, default=None)

    def _free(self, agent: AgentName) -> None:
        """Give back what an agent holds, if it runs."""
        if agent in self.running:
            self.running.discard(agent)
            for name, amount in self._needs(agent):
                self._pools[name].give_back(amount)

    def _queue_if_ready(self, agent: AgentName) -> None:
        if not self._missing[agent] and agent in self._arrived and agent not in self.settled:
            self._newly_ready.append(agent)

    def _queue_newly_ready(self, passes: Callable[[AgentName], bool]) -> list[AgentName]:
        """Queue those who have become ready, and give those who have nothing to queue for."""
        fresh, self._newly_ready = self._newly_ready, []
        passing = []
        for agent in fresh:
            if agent in self.settled:
                continue
            if passes(agent):
                passing.append(agent)
            else:
                entry = (-self.demands[agent].priority, self._rank[agent], agent)
                heappush(self._ready.setdefault(self._needs(agent), []), entry)
        return passing

    def _queues(self) -> list[tuple[tuple[tuple[str, float], ...], list[tuple[float, int, AgentName]]]]:
        """Give the queues in which somebody waits, by need; who has settled while in a queue is taken out."""
        for queue in self._ready.values():
            while queue and queue[0][2] in self.settled:
                heappop(queue)
        return [(needs, queue) for needs, queue in self._ready.items() if queue]

    def _needs(self, agent: AgentName) -> tuple[tuple[str, float], ...]:
        """Needs of an agent in the pools that have a capacity at all; a pool without one is unlimited."""
        resources = self.demands[agent].resources
        return tuple((name, resources[name]) for name in self._pools if name in resources)

    def _fit(self, needs: tuple[tuple[str, float], ...]) -> bool:
        return all(self._pools[name].fits(amount) for name, amount in needs)


def scheduler_for(plan: PlanContents, *, dependencies: bool = True) -> Scheduler:
    """Build the scheduler of a plan's agents, in execution order.

    Without ``dependencies`` it only keeps the limits, for graphs in which LangGraph itself sees to the order.
    """
    dag = Dag({step.agent: step.waits_for for step in plan.steps})
    priority = dag.upward_rank({step.agent: step.expected_seconds for step in plan.steps})
    demands = [
        Demand(
            agent=step.agent,
            waits_for=step.waits_for if dependencies else (),
            priority=priority[step.agent],
            resources=needs(step),
        )
        for step in plan.steps
    ]
    return Scheduler(demands, max_parallel=plan.max_parallel, capacities=plan.resources)


def needs(agent: AgentSpec | Step) -> dict[str, float]:
    """Give what an agent takes from pools: one that is not parallel safe also takes the one place for such agents."""
    return agent.resources if agent.parallel_safe else {**agent.resources, UNSAFE_POOL: 1.0}


def rate_window(pool: str) -> float | None:
    """Give the length in seconds of the window of a pool that is a rate; ``None`` of any other."""
    return next((seconds for suffix, seconds in RATE_WINDOWS.items() if pool.endswith(suffix)), None)
