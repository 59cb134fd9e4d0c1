"""Plans played through on paper."""

import pytest

from planner_graph.planning.scheduler import Demand, Scheduler
from planner_graph.planning.simulate import simulate
from planner_graph.types import AgentName
from tests.catalogs import spec
from tests.fakes import planned

SECONDS = {AgentName("a"): 3.0, AgentName("b"): 1.0, AgentName("c"): 2.0, AgentName("d"): 1.0}
AFTER = {"a": "", "b": "", "c": "b", "d": "ac"}


def play(*, max_parallel=None, needs=None, **capacities):
    demands = [
        Demand(agent=AgentName(name), waits_for=tuple(map(AgentName, before)), resources=(needs or {}).get(name, {}))
        for name, before in AFTER.items()
    ]
    return simulate(Scheduler(demands, max_parallel=max_parallel, capacities=capacities), SECONDS)


def test_without_limits_everything_starts_when_its_own_dependencies_have_ended():
    played = play()
    assert played.starts == {"a": 0, "b": 0, "c": 1, "d": 3}
    assert played.ends == {"a": 3, "b": 1, "c": 3, "d": 4}
    assert played.makespan == 4


def test_with_one_slot_it_takes_the_sum():
    assert play(max_parallel=1).makespan == sum(SECONDS.values())


def test_a_pool_holds_agents_apart():
    played = play(needs={"a": {"gpu": 1}, "c": {"gpu": 1}}, gpu=1)
    assert played.starts == {"a": 0, "b": 0, "c": 3, "d": 5}


def test_a_rate_makes_the_clock_jump_to_where_it_frees_up():
    played = play(needs={name: {"calls_per_minute": 1} for name in AFTER}, calls_per_minute=1)
    assert sorted(played.starts.values()) == [0, 60, 120, 180]


def test_nothing_takes_no_time():
    assert simulate(Scheduler([]), {}).makespan == 0


def test_agents_that_take_no_time_end_where_they_start():
    a, b = AgentName("a"), AgentName("b")
    demands = [Demand(agent=a), Demand(agent=b, waits_for=(a,))]
    assert simulate(Scheduler(demands, max_parallel=1), {a: 0, b: 0}).ends == {a: 0, b: 0}


def test_a_need_that_can_never_be_met_is_no_endless_loop():
    with pytest.raises(AssertionError, match="none can start"):
        play(needs={"a": {"gpu": 2}}, gpu=1)


def test_a_stand_in_uses_up_no_rate_in_the_prediction():
    plan = planned(
        spec("a", fallback="b", gives=["x"], resources={"calls_per_hour": 1}),
        spec("b", gives=["x"], resources={"calls_per_hour": 1}),
        strategy="adaptive",
        limits={"resources": {"calls_per_hour": 1}},
        deliverables=["x"],
        type=None,
    )
    assert plan.duration.predicted == 60


def test_an_agent_that_pauses_asks_for_its_next_attempt_when_its_pause_is_over():
    a, b, c = map(AgentName, "abc")
    demands = [
        Demand(agent=name, priority=priority, resources={"gpu": 1}) for name, priority in ((a, 3), (b, 2), (c, 1))
    ]
    scheduler = Scheduler(demands, capacities={"gpu": 1})
    scheduler.arrive(a)
    assert scheduler.start(-5) == [a]
    scheduler.rest(a)
    played = simulate(scheduler, {a: 10, b: 4, c: 4}, pauses={a: 2})
    assert played.starts == {b: 0, a: 4, c: 14}
    assert simulate(Scheduler(demands[:1]), {a: 10}, pauses={a: 2}).ends == {a: 12}
