"""The scheduler alone, driven through any history: nothing starts too early, too often, beyond a limit or never."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from planner_graph.planning.scheduler import UNSAFE_POOL, Demand, Scheduler
from planner_graph.types import AgentName
from tests.property.dags import dags

WINDOW = 60.0
CAPACITIES = {"gpu": 2.0, "calls_per_minute": 3.0, UNSAFE_POOL: 1.0}


class Run(RuleBasedStateMachine):
    """A run as the scheduler sees it, beside a plain account of what happened."""

    @initialize(data=st.data(), edges=dags(6), slots=st.none() | st.integers(1, 3))
    def plan(self, data, edges, slots):
        amounts = st.dictionaries(st.sampled_from(sorted(CAPACITIES)), st.sampled_from([0.5, 1.0]), max_size=3)
        self.demands = {
            name: Demand(
                agent=AgentName(name),
                waits_for=tuple(map(AgentName, before)),
                priority=data.draw(st.integers(0, 3)),
                resources=data.draw(amounts),
            )
            for name, before in edges.items()
        }
        self.slots = slots
        self.scheduler = Scheduler(
            self.demands.values(),
            max_parallel=slots,
            capacities={name: amount for name, amount in CAPACITIES.items() if name != UNSAFE_POOL},
        )
        self.now = 0.0
        self.arrived: set[str] = set()
        self.settled: set[str] = set()
        self.running: set[str] = set()
        self.started: dict[str, float] = {}
        self.skipped = set(data.draw(st.lists(st.sampled_from(sorted(edges)), unique=True))) if edges else set()
        self.passed: set[str] = set()

    def pick(self, data, names):
        return data.draw(st.sampled_from(sorted(names)))

    @precondition(lambda self: set(self.demands) - self.arrived)
    @rule(data=st.data())
    def arrive(self, data):
        agent = self.pick(data, set(self.demands) - self.arrived)
        self.arrived.add(agent)
        self.scheduler.arrive(agent)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data):
        self.settle(self.pick(data, self.running))

    @precondition(lambda self: set(self.demands) - self.settled)
    @rule(data=st.data())
    def leave_from_anywhere(self, data):
        self.settle(self.pick(data, set(self.demands) - self.settled))

    def settle(self, agent):
        self.settled.add(agent)
        self.running.discard(agent)
        self.scheduler.settle(agent)

    @rule(seconds=st.sampled_from([0.0, 1.0, 20.0, WINDOW]))
    def pass_time(self, seconds):
        self.now += seconds

    @rule()
    def start(self):
        urgency = []
        for agent in self.scheduler.start(self.now, self.skipped.__contains__):
            assert agent in self.arrived
            assert agent not in self.started
            assert agent not in self.settled
            assert set(self.demands[agent].waits_for) <= self.settled
            self.started[agent] = self.now
            if agent in self.skipped:
                self.passed.add(agent)
            else:
                urgency.append(agent)
            self.running.add(agent)
        assert self.all_fit()
        assert not self.could_start(), "somebody could start and did not"

    def ready(self):
        return [
            agent
            for agent, demand in self.demands.items()
            if agent in self.arrived - self.settled
            and agent not in self.started
            and set(demand.waits_for) <= self.settled
        ]

    def used(self, pool):
        if pool == "calls_per_minute":
            holders = [a for a, at in self.started.items() if at + WINDOW > self.now]
        else:
            holders = list(self.running)
        return sum(self.demands[a].resources.get(pool, 0.0) for a in holders if a not in self.passed)

    def all_fit(self):
        return all(self.used(pool) <= CAPACITIES[pool] for pool in CAPACITIES)

    def could_start(self):
        if self.slots is not None and len(self.running - self.passed) >= self.slots:
            return []
        return [
            agent
            for agent in self.ready()
            if all(self.used(p) + n <= CAPACITIES[p] for p, n in self.demands[agent].resources.items())
        ]

    @invariant()
    def limits_hold(self):
        if hasattr(self, "scheduler"):
            assert self.slots is None or len(self.running - self.passed) <= self.slots
            assert self.scheduler.running == self.running - self.passed
            assert self.all_fit()

    def teardown(self):
        """Whatever came before: if all arrive and all who run end, the run comes to its end."""
        for agent in getattr(self, "demands", {}):
            self.arrived.add(agent)
            self.scheduler.arrive(agent)
        while hasattr(self, "scheduler") and len(self.settled) < len(self.demands):
            self.start()
            wake = self.scheduler.wake_at()
            assert self.running or wake is not None, "deadlock"
            for agent in sorted(self.running):
                self.settle(agent)
            self.now = max(self.now, wake or 0.0)


Run.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=25)
TestRun = Run.TestCase
