"""Forecasts of the end of a run."""

import os
import subprocess
import sys

import pytest

from planner_graph.planning.contents import Estimate
from planner_graph.planning.durations import LogNormal
from planner_graph.planning.forecast import NOTHING_LEFT, AgentStanding, forecast
from planner_graph.types import AgentName, AgentStatus
from tests.catalogs import spec
from tests.fakes import planned
from tests.plans import make_plan

COMPLETED = AgentStanding(status=AgentStatus.COMPLETED)
FAILED = AgentStanding(status=AgentStatus.FAILED)
DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
SECONDS = {"a": 100, "b": 400, "c": 200, "d": 100}


def running(since=0.0):
    return AgentStanding(status=AgentStatus.RUNNING, started_at=since)


def left(plan, now=0.0, **standings):
    return forecast(plan, {AgentName(agent): standing for agent, standing in standings.items()}, now)


def pool(name, **fields):
    return spec(name, seconds=100, **fields)


@pytest.mark.parametrize(("strategy", "seconds"), [("sequential", 800), ("parallel", 600), ("adaptive", 600)], ids=str)
def test_the_schedule_is_the_strategys(strategy, seconds):
    assert left(make_plan(DIAMOND, seconds=SECONDS, strategy=strategy)).p50_seconds_left == pytest.approx(seconds, 0.05)


def test_levels_wait_for_each_other_in_parallel_plans_only():
    before = {"a": [], "long": [], "b": ["a"]}
    seconds = {"a": 10, "long": 500, "b": 400}
    plans = {name: make_plan(before, seconds=seconds, strategy=name) for name in ("parallel", "adaptive")}
    assert left(plans["parallel"]).p50_seconds_left == pytest.approx(900, 0.05)
    assert left(plans["adaptive"]).p50_seconds_left == pytest.approx(500, 0.06)
    assert left(plans["parallel"]).remaining_critical_path == ("long", "b")
    assert left(plans["adaptive"]).remaining_critical_path == ("long",)


def test_a_run_whose_agents_have_all_ended_takes_no_more_time():
    plan = make_plan(DIAMOND)
    assert left(plan, a=COMPLETED, b=FAILED, c=COMPLETED, d=AgentStanding(status=AgentStatus.SKIPPED)) is NOTHING_LEFT


def test_time_that_a_running_agent_has_taken_counts():
    plan = make_plan(DIAMOND, seconds=SECONDS, strategy="adaptive")
    at_60, at_90 = left(plan, 60, a=running()), left(plan, 90, a=running())
    assert at_60.p50_seconds_left == pytest.approx(540, 0.05)
    assert at_60.p50_seconds_left > at_90.p50_seconds_left > 500
    assert at_60.seconds_left["a"] == pytest.approx(40, 0.05)
    assert sum(at_60.seconds_left.values()) == pytest.approx(740, 0.05)


@pytest.mark.parametrize("late", [1.0, 2.0, 10.0, 1e3, 1e6, 1e12])
def test_a_late_agent_never_ends_in_the_past(late):
    plan = make_plan({"a": []}, seconds={"a": 60})
    forecasts = [left(plan, 60 * late, a=running()), forecast(plan, {AgentName("a"): running()}, 60 * late, samples=2)]
    for found in forecasts:
        assert 0 < found.p50_seconds_left <= found.p90_seconds_left
        assert found.remaining_critical_path == ("a",)


def test_a_start_in_the_future_is_taken_for_a_start_now():
    plan = make_plan({"a": []}, seconds={"a": 60})
    assert left(plan, 0, a=running(since=30)) == left(plan, 0, a=running(since=0))


def test_the_remaining_critical_path_begins_with_who_runs_or_comes_next():
    plan = make_plan(DIAMOND, seconds=SECONDS, strategy="adaptive")
    assert left(plan).remaining_critical_path == ("a", "b", "d")
    assert left(plan, 150, a=COMPLETED, b=running(100), c=running(100)).remaining_critical_path == ("b", "d")
    assert left(plan, 300, a=COMPLETED, b=COMPLETED, c=running(100)).remaining_critical_path == ("c", "d")
    assert left(plan, 300, a=COMPLETED, b=COMPLETED, c=COMPLETED).remaining_critical_path == ("d",)


def fallback_plan():
    return planned(
        pool("a", gives=["x"], fallback="b"),
        pool("b", gives=["x"]),
        pool("c", needs=["x"], gives=["y"]),
        strategy="adaptive",
        type=None,
        deliverables=["y"],
    )


def test_a_fallback_takes_time_only_once_the_agent_it_stands_in_for_has_failed():
    plan = fallback_plan()
    assert list(left(plan).seconds_left) == ["a", "c"]
    assert list(left(plan, a=running()).seconds_left) == ["a", "c"]
    assert list(left(plan, a=COMPLETED).seconds_left) == ["c"]
    assert left(plan, a=FAILED).remaining_critical_path == ("b", "c")


def test_when_the_fallback_fails_too_those_who_need_either_are_skipped():
    assert left(fallback_plan(), a=FAILED, b=FAILED) is NOTHING_LEFT


def test_who_needs_a_failed_agent_takes_no_more_time_and_who_does_not_does():
    plan = make_plan(
        {"a": [], "hard": ["a"], "after": ["hard"], "soft": ["a"]}, kinds={("soft", "a"): "soft"}, strategy="adaptive"
    )
    assert list(left(plan, a=FAILED).seconds_left) == ["soft"]


def test_who_will_be_skipped_hands_on_what_it_waits_for():
    kinds = {("late", "lost"): "soft"}
    plan = make_plan(
        {"slow": [], "bad": [], "lost": ["bad", "slow"], "late": ["lost"]},
        seconds={"slow": 500, "bad": 1, "lost": 1000, "late": 100},
        kinds=kinds,
        strategy="adaptive",
    )
    found = left(plan, 0, bad=FAILED, slow=running())
    assert found.remaining_critical_path == ("slow", "late")
    assert found.p50_seconds_left == pytest.approx(600, 0.05)


def test_an_agent_that_retries_pauses_and_then_takes_its_whole_time():
    plan = make_plan({"a": []}, seconds={"a": 60})
    retrying = AgentStanding(status=AgentStatus.RETRYING, started_at=0, next_attempt_at=100)
    assert left(plan, 50, a=retrying).p50_seconds_left == pytest.approx(110, 0.05)
    assert left(plan, 150, a=retrying).p50_seconds_left == pytest.approx(60, 0.05)


@pytest.mark.parametrize("known", [{"started_at": 0}, {}], ids=repr)
@pytest.mark.parametrize("limits", [{"max_parallel": 1}, {"resources": {"gpu": 1}}], ids=repr)
def test_others_use_the_place_of_an_agent_while_it_pauses(limits, known):
    agents = [spec(name, seconds=60, resources={"gpu": 1}) for name in "ab"]
    plan = planned(*agents, strategy="adaptive", limits=limits)
    retrying = AgentStanding(status=AgentStatus.RETRYING, next_attempt_at=100, **known)
    one_by_one = left(plan).p50_seconds_left
    assert left(plan, 50, a=retrying).p50_seconds_left == pytest.approx(one_by_one, 0.1)
    assert left(plan, 90, a=retrying).p50_seconds_left == pytest.approx(one_by_one, 0.1)
    assert left(plan, 50, a=retrying, b=COMPLETED).p50_seconds_left == pytest.approx(110, 0.05)


def test_an_interrupted_agent_begins_anew():
    plan = make_plan({"a": []}, seconds={"a": 60})
    interrupted = AgentStanding(status=AgentStatus.INTERRUPTED, started_at=0)
    assert left(plan, 50, a=interrupted).p50_seconds_left == left(plan).p50_seconds_left


def test_places_hold_agents_apart():
    agents = [pool(name) for name in "abcd"]
    assert left(planned(*agents, strategy="adaptive")).p50_seconds_left < 200
    two = planned(*agents, strategy="adaptive", limits={"max_parallel": 2})
    assert 200 < left(two).p50_seconds_left < 300
    one = planned(*agents, strategy="adaptive", limits={"max_parallel": 1})
    assert left(one).p50_seconds_left == pytest.approx(450, 0.1)
    assert left(one).remaining_critical_path == ("a", "b", "c", "d")
    assert left(one, 0, b=running()).remaining_critical_path == ("b", "a", "c", "d")


@pytest.mark.parametrize("strategy", ["adaptive", "parallel"])
def test_pools_and_unsafe_agents_hold_agents_apart(strategy):
    pooled = [pool(name, resources={"gpu": 1}) for name in "abc"]
    unsafe = [pool(name, parallel_safe=False) for name in "abc"]
    for agents, limits in ((pooled, {"resources": {"gpu": 1}}), (unsafe, {})):
        plan = planned(*agents, strategy=strategy, limits=limits)
        assert left(plan).p50_seconds_left == pytest.approx(330, 0.1)
        assert set(left(plan, 10, a=running()).remaining_critical_path) == {"a", "b", "c"}
        assert left(plan, 10, a=running()).remaining_critical_path[0] == "a"


def test_a_rate_that_is_used_up_is_waited_for_from_when_it_was():
    agents = [spec(name, seconds=10, resources={"calls_per_hour": 1}) for name in "abc"]
    for strategy in ("adaptive", "parallel", "sequential"):
        plan = planned(*agents, strategy=strategy, limits={"resources": {"calls_per_hour": 2}})
        ended = AgentStanding(status=AgentStatus.COMPLETED, started_at=0)
        found = left(plan, 600, a=ended, b=ended)
        assert found.p50_seconds_left == pytest.approx(3000 + 10, 0.005)
        assert left(plan, 600, a=ended, b=running(590)).p50_seconds_left == pytest.approx(3010, 0.005)
        assert left(plan, 4000, a=ended, b=ended).p50_seconds_left == pytest.approx(10, 0.1)


def test_the_longest_remaining_chain_goes_first_whatever_was_planned_to():
    agents = [spec("p", seconds=2000), spec("q", seconds=800), spec("x", seconds=900)]
    plan = planned(*agents, spec("y", after=["p"], seconds=3000), strategy="adaptive", limits={"max_parallel": 2})
    assert list(plan.by_agent).index(AgentName("x")) < list(plan.by_agent).index(AgentName("y"))
    found = left(plan, 0, p=COMPLETED, q=running())
    assert found.remaining_critical_path == ("y",)
    assert found.p50_seconds_left < 3500


def test_sequential_plans_go_on_after_who_runs():
    plan = make_plan(DIAMOND, seconds=SECONDS, strategy="sequential")
    assert left(plan, 50, a=running()).p50_seconds_left == pytest.approx(750, 0.05)


def test_who_runs_before_its_level_does_is_not_held_back_but_the_next_level_is():
    plan = make_plan({"a": [], "b": ["a"], "c": ["b"]}, seconds={"a": 1000, "b": 300, "c": 100}, strategy="parallel")
    found = left(plan, 0, a=running(), b=running())
    assert found.p50_seconds_left == pytest.approx(1100, 0.05)
    assert found.remaining_critical_path == ("a", "c")


def test_a_forecast_is_the_same_under_every_hash_seed():
    code = """
from planner_graph import Campaign, MasterPlanner
from planner_graph.planning.forecast import forecast
for limits in ({}, {"max_parallel": 2}):
    campaign = Campaign(type="blog_creation", limits=limits)
    print(forecast(MasterPlanner().create_execution_plan(campaign), {}, 0.0))
"""
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "012"
    }
    assert len(told) == 1


def test_limits_that_cannot_bind_change_nothing():
    agents = [pool(name, resources={"gpu": 1}) for name in "ab"]
    wide = planned(*agents, strategy="adaptive", limits={"max_parallel": 2, "resources": {"gpu": 2}})
    assert left(wide) == left(planned(*agents, strategy="adaptive"))


def test_what_is_not_in_the_plan_is_of_no_concern():
    plan = make_plan({"a": []})
    assert left(plan, stranger=running()) == left(plan)


def test_the_spread_of_a_distribution_is_that_of_the_estimate():
    duration = LogNormal.of(Estimate(seconds=60, p90_seconds=90, source="tests"))
    assert duration.left(0, [0.9, 0.5, 0.1]) == pytest.approx([40, 60, 90])


def test_agents_without_any_duration_are_believed_to_take_some():
    duration = LogNormal.of(Estimate(seconds=0, p90_seconds=0, source="tests"))
    assert 0 < duration.left(0, [0.5])[0] < 0.01


def test_what_is_left_is_what_the_distribution_says_of_longer_durations():
    """Of log-normal durations over 90 s, half are over 110.8 s: with sigma 0.5, these are one in five, one in ten."""
    duration = LogNormal(60.0, 0.5)
    over_90 = duration.left(0, [0.20866])[0] - duration.left(0, [0.5])[0]
    assert over_90 == pytest.approx(30, abs=0.01)
    halfway = duration.left(0, [0.20866 / 2])[0] - 90
    assert duration.left(90, [0.5]) == pytest.approx([halfway], rel=1e-3)


def test_something_is_left_however_likely_the_end_is():
    assert LogNormal(60.0, 0.5).left(1e9, [1.0 - 1e-16, 1.0 - 2**-53])[1] > 0
    assert min(LogNormal(60.0, 0.5).left(60 + place / 7, [1 - 2**-53])[0] for place in range(100)) > 0


def test_the_tail_goes_on_where_floating_point_ends():
    narrow = LogNormal(60.0, 0.1)
    near, far = (60.0 * 2.718281828 ** (0.1 * z) for z in (29.99, 30.01))
    assert narrow.left(near, [0.5])[0] == pytest.approx(narrow.left(far, [0.5])[0], rel=0.01)
