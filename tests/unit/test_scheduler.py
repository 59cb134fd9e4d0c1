"""Who may start, told by the scheduler alone: dependencies, limits, priorities; no LangGraph, no waiting."""

import pytest

from planner_graph.planning.scheduler import Demand, Scheduler, scheduler_for
from planner_graph.types import AgentName
from tests.catalogs import spec
from tests.fakes import planned


def demand(name, *, after=(), priority=0.0, **resources):
    waits_for = tuple(AgentName(other) for other in after)
    return Demand(agent=AgentName(name), waits_for=waits_for, priority=priority, resources=resources)


class Names(Scheduler):
    """A scheduler to talk to in plain names."""

    def arrive(self, agent: str) -> None:
        super().arrive(AgentName(agent))

    def settle(self, agent: str) -> None:
        super().settle(AgentName(agent))


def of(plan, **options):
    """Give the scheduler of a plan, nobody there yet."""
    limits = {"max_parallel": plan.max_parallel, "capacities": plan.resources}
    return Names(scheduler_for(plan, **options).demands.values(), **limits)


def arrived(*demands, max_parallel=None, **capacities):
    """Give a scheduler to which everybody has come."""
    scheduler = Names(demands, max_parallel=max_parallel, capacities=capacities)
    for each in demands:
        scheduler.arrive(each.agent)
    return scheduler


def test_an_agent_starts_once_all_it_waits_for_have_settled():
    scheduler = arrived(demand("a"), demand("b"), demand("c", after="ab"))
    assert scheduler.start(0) == ["a", "b"]
    scheduler.settle("a")
    assert scheduler.start(0) == []
    scheduler.settle("b")
    assert scheduler.start(0) == ["c"]
    assert scheduler.start(0) == []


def test_nobody_starts_before_it_has_arrived():
    scheduler = Names([demand("a"), demand("b", after="a")])
    assert scheduler.start(0) == []
    scheduler.settle("a")
    scheduler.arrive("b")
    assert scheduler.start(0) == ["b"]


def test_an_agent_that_arrives_twice_starts_once():
    scheduler = arrived(demand("a"))
    scheduler.arrive("a")
    assert scheduler.start(0) == ["a"]
    scheduler.arrive("a")
    assert scheduler.start(0) == []


def test_what_has_settled_before_it_arrived_never_starts():
    scheduler = Names([demand("a"), demand("b", after="a")])
    scheduler.settle("a")
    scheduler.arrive("a")
    scheduler.arrive("b")
    assert scheduler.start(0) == ["b"]


def test_the_most_urgent_starts_first_and_ties_keep_the_given_order():
    scheduler = arrived(demand("z", priority=1), demand("m", priority=2), demand("a", priority=1), max_parallel=1)
    started = []
    for _ in range(3):
        (agent,) = scheduler.start(0)
        started.append(agent)
        scheduler.settle(agent)
    assert started == ["m", "z", "a"]


def test_the_longest_remaining_chain_goes_first():
    plan = planned(
        spec("short", seconds=50),
        spec("long1", seconds=10),
        spec("long2", after=["long1"], seconds=100),
        strategy="adaptive",
        limits={"max_parallel": 1},
    )
    scheduler = of(plan)
    for agent in plan.by_agent:
        scheduler.arrive(agent)
    assert scheduler.start(0) == ["long1"]
    scheduler.settle("long1")
    assert scheduler.start(0) == ["long2"]


def test_a_pool_is_never_overdrawn_and_what_is_given_back_can_be_taken():
    scheduler = arrived(demand("a", gpu=2), demand("b", gpu=2), demand("c", gpu=1), gpu=3)
    assert scheduler.start(0) == ["a", "c"]
    scheduler.settle("c")
    assert scheduler.start(0) == []
    scheduler.settle("a")
    assert scheduler.start(0) == ["b"]


def test_shares_that_binary_numbers_cannot_hold_still_fill_a_pool_exactly():
    scheduler = arrived(*(demand(name, llm=0.1) for name in "abcdefghijk"), llm=1)
    for _ in range(3):
        running = scheduler.start(0)
        assert len(running) in {10, 1, 0}
        for agent in running:
            scheduler.settle(agent)
    assert scheduler.settled == set("abcdefghijk")


def test_a_need_of_a_pool_without_a_limit_holds_nobody_up():
    assert arrived(demand("a", gpu=9), demand("b", gpu=9)).start(0) == ["a", "b"]


def test_one_whose_pool_is_exhausted_does_not_block_those_behind_it():
    scheduler = arrived(demand("a", priority=3, gpu=1), demand("b", priority=2, gpu=1), demand("c", priority=1), gpu=1)
    assert scheduler.start(0) == ["a", "c"]


def test_agents_that_are_not_parallel_safe_take_turns_and_others_run_beside_them():
    plan = planned(spec("a", parallel_safe=False), spec("b", parallel_safe=False), spec("c"), strategy="adaptive")
    scheduler = of(plan)
    for agent in plan.by_agent:
        scheduler.arrive(agent)
    assert scheduler.start(0) == ["a", "c"]
    scheduler.settle("a")
    assert scheduler.start(0) == ["b"]


@pytest.mark.parametrize(
    ("pool", "window"), [("calls_per_second", 1), ("calls_per_minute", 60), ("calls_per_hour", 3600)]
)
def test_a_rate_is_used_up_by_starts_and_frees_up_after_its_window(pool, window):
    scheduler = arrived(*(demand(name, **{pool: 1}) for name in "abc"), **{pool: 2})
    assert scheduler.start(10) == ["a", "b"]
    scheduler.settle("a")
    assert scheduler.start(10 + window / 2) == []
    assert scheduler.wake_at() == 10 + window
    assert scheduler.start(10 + window) == ["c"]
    assert scheduler.wake_at() is None


def test_a_rate_counts_any_window_not_only_full_minutes():
    scheduler = arrived(*(demand(name, calls_per_minute=1) for name in "abcd"), max_parallel=1, calls_per_minute=2)
    starts = []
    for now in range(0, 200, 10):
        for agent in scheduler.start(now):
            starts.append(now)
            scheduler.settle(agent)
            starts += [now for agent in scheduler.start(now) if scheduler.settle(agent) is None]
    assert starts == [0, 0, 60, 60]


def test_nobody_needs_to_be_woken_where_nobody_waits_for_a_rate():
    scheduler = arrived(demand("a", calls_per_minute=1), demand("b", after="a", calls_per_minute=1), calls_per_minute=9)
    scheduler.start(0)
    assert scheduler.wake_at() is None


def test_after_a_halt_nobody_starts_and_nobody_is_woken():
    scheduler = arrived(demand("a", calls_per_minute=1), demand("b", calls_per_minute=1), calls_per_minute=1)
    scheduler.start(0)
    scheduler.halt()
    scheduler.settle("a")
    assert scheduler.start(1000) == []
    assert scheduler.wake_at() is None


def test_who_settles_while_it_queues_never_starts_and_takes_nothing():
    scheduler = arrived(demand("a", gpu=1), demand("b", gpu=1), demand("c", gpu=1), gpu=1)
    scheduler.start(0)
    scheduler.settle("b")
    scheduler.settle("a")
    assert scheduler.start(0) == ["c"]
    scheduler.settle("c")
    assert scheduler.start(0) == []


def test_who_has_nothing_to_do_passes_by_every_limit_and_takes_nothing():
    scheduler = arrived(
        demand("a", gpu=1), demand("b", gpu=1, calls_per_hour=1), demand("c", after="b"), gpu=1, max_parallel=1
    )
    assert scheduler.start(0, passes=lambda agent: agent == "b") == ["b", "a"]
    scheduler.settle("b")
    assert scheduler.start(0) == []
    scheduler.settle("a")
    assert scheduler.start(0) == ["c"]


def test_it_is_asked_only_once_whether_an_agent_passes():
    asked: list[str] = []
    scheduler = arrived(demand("a"), demand("b"), demand("c", after="a"), max_parallel=1)
    for _ in range(3):
        scheduler.start(0, passes=asked.append)
    assert asked == ["a", "b"]


def test_without_dependencies_only_the_limits_are_kept():
    plan = planned(spec("a"), spec("b", after=["a"]), strategy="parallel", limits={"max_parallel": 1})
    scheduler = of(plan, dependencies=False)
    scheduler.arrive("b")
    assert scheduler.start(0) == ["b"]
    scheduler.arrive("a")
    assert scheduler.start(0) == []


def test_an_agent_that_rests_gives_back_what_it_holds_and_queues_again_with_its_priority():
    scheduler = arrived(demand("a", priority=2, gpu=1), demand("b", priority=1, gpu=1), demand("c", gpu=1), gpu=1)
    assert scheduler.start(0) == ["a"]
    scheduler.rest(AgentName("a"))
    assert scheduler.start(0) == ["b"]
    scheduler.arrive("a")
    assert scheduler.start(0) == []
    scheduler.settle("b")
    assert scheduler.start(0) == ["a"]
    assert scheduler.running == {"a"}


def test_a_rate_counts_each_start_of_an_agent_that_rests():
    scheduler = arrived(demand("a", calls_per_minute=1), max_parallel=1, calls_per_minute=2)
    for now in (0, 1):
        assert scheduler.start(now) == ["a"]
        scheduler.rest(AgentName("a"))
        scheduler.arrive("a")
    assert (scheduler.start(2), scheduler.wake_at()) == ([], 60)
    assert scheduler.start(60) == ["a"]


def test_an_agent_that_is_settled_while_it_rests_holds_nothing():
    scheduler = arrived(demand("a", gpu=1), demand("b", after="a", gpu=1), gpu=1)
    scheduler.start(0)
    scheduler.rest(AgentName("a"))
    scheduler.settle("a")
    assert scheduler.start(0) == ["b"]
