"""Decides which agent may start: the one place that knows dependencies, limits and priorities.

Pure: told what happened and what time it is, it says who starts now. It waits for nothing, reads no clock and knows no
LangGraph, so the same code drives a live run and a simulated one.

It is a list scheduler: whenever something changes, the ready agent with the highest priority that fits starts, then the
next. The priority is the upward rank of HEFT (Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002): the longest chain of
estimated durations from the start of the agent to the end of the run.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from planner_graph.catalog.pool import rate_window
from planner_graph.catalog.spec import AgentSpec
from planner_graph.planning.contents import PlanContents, Step
from planner_graph.planning.dag import Dag
from planner_graph.types import AgentName

UNSAFE_POOL = ""
"""Pool of one that agents which are not parallel safe hold while they run; no resource can have its name."""


Needs = tuple[tuple[str, float], ...]
"""What is wanted of which pools."""


class SharedPools(Protocol):
    """Pools that several runs share; which run gets what of them is decided elsewhere."""

    @property
    def names(self) -> Collection[str]:
        """Which pools these are."""

    def take(self, needs: Needs) -> bool:
        """Take ``needs`` if it is the run's turn, else stand in line for them."""

    def stand_down(self, still_wanted: Collection[Needs]) -> None:
        """Want nothing any more but what is ``still_wanted``."""

    def give_back(self, needs: Needs) -> None:
        """Free ``needs``, which the run holds."""

    def keep(self, needs: Needs) -> Callable[[], None]:
        """Hold ``needs`` beyond the turn of their agent; any thread may call what this gives, to free them."""

    def seconds_to_wait(self) -> float | None:
        """Give the seconds until a rate that the run waits for has more."""

    def is_shared(self, needs: Needs) -> bool:
        """Tell whether other runs use any of these pools at present."""


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
        shared: SharedPools | None = None,
    ) -> None:
        self._shared = shared
        self._in_line = False
        self._kept: set[AgentName] = set()
        self._lent: Counter[str] = Counter()
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
        own = (capacities or {}).items()
        elsewhere = () if shared is None else shared.names
        amounts = {UNSAFE_POOL: 1.0, **{name: amount for name, amount in own if name not in elsewhere}}
        self._pools = {name: _Pool(amount, rate_window(name)) for name, amount in amounts.items()}
        self._rates = [pool for pool in self._pools.values() if pool.window is not None]
        # One queue per distinct need: where a pool is exhausted, one look is enough for all who wait for it.
        self._ready: dict[Needs, list[tuple[float, int, AgentName]]] = {}
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

    def keep(self, agent: AgentName) -> Callable[[], None]:
        """Hold what ``agent``, which runs, has of pools even after it rests or settles, until :meth:`give_back`.

        A thread that was given up on needs it. The place of the agent is not kept, and rates are used up anyway. The
        thread itself calls what this gives when it returns, which frees what the run shares with others.
        """
        shared = self._needs_shared(agent)
        for name, amount in self._needs(agent):
            if self._pools[name].window is None:
                self._pools[name].used += amount
        self._lent.update(name for name, _ in (*self._needs(agent), *shared))
        if self._shared is None or not shared:
            return _nothing
        self._kept.add(agent)
        return self._shared.keep(shared)

    def give_back(self, agent: AgentName) -> None:
        """Free what was kept for one thread of ``agent`` of the run's own pools."""
        for name, amount in self._needs(agent):
            self._pools[name].give_back(amount)
        self._lent.subtract(name for name, _ in (*self._needs(agent), *self._needs_shared(agent)))

    def stuck(self) -> list[AgentName]:
        """Give the agents that cannot start before something is given back that was kept, if none runs."""
        if self.running or self.halted:
            return []
        queued = [agent for _, queue in self._queues() for _, _, agent in queue if agent not in self.settled]
        return [agent for agent in queued if self._is_held_back(agent)]

    def _is_held_back(self, agent: AgentName) -> bool:
        """Tell whether an agent lacks what was kept, and no other run can make way."""
        if any(self._lent[name] and not self._pools[name].fits(amount) for name, amount in self._needs(agent)):
            return True
        shared = self._needs_shared(agent)
        lent = any(self._lent[name] for name, _ in shared)
        return lent and self._shared is not None and not self._shared.is_shared(shared)

    def halt(self) -> None:
        """Start no further agent; those that run may end."""
        self.halted = True
        if self._shared is not None:
            self._shared.stand_down(())

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
        refused: set[Needs] = set()
        while self.max_parallel is None or len(self.running) < self.max_parallel:
            fitting = [queue[0] for wanted, queue in self._queues() if wanted not in refused and self._fit(wanted)]
            if not fitting:
                break
            agent = min(fitting)[2]
            wanted, taken = self._wants(agent), self._needs(agent)
            if self._shared is not None and not self._granted(agent):
                refused.add(wanted)
                continue
            heappop(self._ready[wanted])
            for name, amount in taken:
                self._pools[name].take(amount, now)
            self.running.add(agent)
            started.append(agent)
        self._wait_only_for(refused)
        return started

    def _wait_only_for(self, refused: Collection[Needs]) -> None:
        """Stay in line for the shared pools of these needs alone, which were not granted."""
        if self._shared is not None:
            names = self._shared.names
            self._in_line = bool(refused)
            self._shared.stand_down({tuple(need for need in wanted if need[0] in names) for wanted in refused})

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
            if agent in self._kept:
                self._kept.discard(agent)
            elif self._shared is not None and (shared := self._needs_shared(agent)):
                self._shared.give_back(shared)

    def _granted(self, agent: AgentName) -> bool:
        """Take what an agent needs of pools that are shared; whether that was possible."""
        shared = self._needs_shared(agent)
        return not shared or self._shared is None or self._shared.take(shared)

    def wait_for_others(self) -> float | None:
        """Give the seconds after which to look again, if an agent waits for other runs; infinite if unknown."""
        if self._shared is None or not self._in_line or self.halted:
            return None
        seconds = self._shared.seconds_to_wait()
        return math.inf if seconds is None else seconds

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
                heappush(self._ready.setdefault(self._wants(agent), []), entry)
        return passing

    def _queues(self) -> list[tuple[Needs, list[tuple[float, int, AgentName]]]]:
        """Give the queues in which somebody waits, by need; who has settled while in a queue is taken out."""
        for queue in self._ready.values():
            while queue and queue[0][2] in self.settled:
                heappop(queue)
        return [(needs, queue) for needs, queue in self._ready.items() if queue]

    def _needs(self, agent: AgentName) -> Needs:
        """Needs of an agent in the run's own pools that have a capacity; a pool without one is unlimited."""
        resources = self.demands[agent].resources
        return tuple((name, resources[name]) for name in self._pools if name in resources)

    def _needs_shared(self, agent: AgentName) -> Needs:
        """Needs of an agent in pools that are shared."""
        if self._shared is None:
            return ()
        resources = self.demands[agent].resources
        return tuple((name, resources[name]) for name in sorted(self._shared.names) if name in resources)

    def _wants(self, agent: AgentName) -> Needs:
        """Needs of an agent in all pools: agents with the same ones share a queue."""
        own = self._needs(agent)
        return own if self._shared is None else own + self._needs_shared(agent)

    def _fit(self, needs: Needs) -> bool:
        """Tell whether the run's own pools have room."""
        return all(self._pools[name].fits(amount) for name, amount in needs if name in self._pools)


def scheduler_for(plan: PlanContents, *, dependencies: bool = True, shared: SharedPools | None = None) -> Scheduler:
    """Build the scheduler of a plan's agents, in execution order.

    ``shared`` are pools that other runs use as well; without them, all pools are the run's own.
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
    return Scheduler(demands, max_parallel=plan.max_parallel, capacities=plan.resources, shared=shared)


def needs(agent: AgentSpec | Step) -> dict[str, float]:
    """Give what an agent takes from pools: one that is not parallel safe also takes the one place for such agents."""
    return agent.resources if agent.parallel_safe else {**agent.resources, UNSAFE_POOL: 1.0}


def _nothing() -> None:
    """Free nothing: no other run shares what was kept."""
