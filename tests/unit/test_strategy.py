"""Schedules: who runs when, who runs beside whom, and how long it takes."""

import pytest

from planner_graph.planning.dag import Dag
from planner_graph.planning.scheduler import UNSAFE_POOL
from planner_graph.planning.strategy import SCHEDULES, Workload
from planner_graph.types import AgentName, Strategy
from tests.plans import BLOG, BLOG_SECONDS


def schedule(strategy, edges, seconds=None, *, needs=None, max_parallel=None, **capacities):
    dag = Dag({AgentName(name): [AgentName(other) for other in before] for name, before in edges.items()})
    work = Workload(
        dag=dag,
        seconds={name: (seconds or {}).get(name, 1) for name in dag.order},
        resources={name: (needs or {}).get(name, {}) for name in dag.order},
        max_parallel=max_parallel,
        capacities=capacities,
    )
    return SCHEDULES[strategy](work)


def test_sequential_runs_one_agent_after_the_other_dependencies_first():
    found = schedule(Strategy.SEQUENTIAL, BLOG)
    assert found.order == ("planner", "researcher", "writer", "editor", "seo", "image", "social_media")
    assert set(found.groups.values()) == {None}


def test_sequential_takes_the_sum_of_all():
    found = schedule(Strategy.SEQUENTIAL, BLOG, BLOG_SECONDS)
    assert found.makespan == 120 + 180 + 300 + 180 + 120 + 240 + 90


def test_parallel_runs_level_by_level():
    found = schedule(Strategy.PARALLEL, BLOG)
    assert found.order == ("planner", "researcher", "writer", "editor", "image", "seo", "social_media")


def test_only_agents_with_company_on_their_level_get_a_group():
    assert schedule(Strategy.PARALLEL, BLOG).groups == {
        "planner": None,
        "researcher": None,
        "writer": None,
        "editor": 3,
        "image": 3,
        "seo": 4,
        "social_media": 4,
    }


def test_parallel_takes_the_slowest_of_each_level():
    found = schedule(Strategy.PARALLEL, BLOG, BLOG_SECONDS)
    assert found.makespan == 120 + 180 + 300 + 240 + 120


@pytest.mark.parametrize("strategy", SCHEDULES)
def test_ties_keep_the_given_order_whatever_the_names(strategy):
    assert schedule(strategy, {"z": [], "a": [], "m": []}).order == ("z", "a", "m")


def test_within_a_level_the_given_order_stands_also_where_a_later_one_could_start_first():
    edges = {"x": [], "b": ["y"], "a": ["x"], "y": []}
    assert schedule(Strategy.SEQUENTIAL, edges).order == ("x", "a", "y", "b")
    assert schedule(Strategy.PARALLEL, edges).order == ("x", "y", "b", "a")


def test_the_first_level_makes_a_group_like_any_other():
    assert schedule(Strategy.PARALLEL, {"a": [], "b": [], "c": ["a"]}).groups == {"a": 0, "b": 0, "c": None}


def test_agents_of_a_level_that_are_not_parallel_safe_fall_into_consecutive_groups():
    unsafe = {UNSAFE_POOL: 1.0}
    found = schedule(
        Strategy.PARALLEL,
        {"a": [], "b": [], "c": [], "d": [], "e": ["a"]},
        {"a": 1, "b": 2, "c": 4, "d": 8},
        needs={"a": unsafe, "b": unsafe, "c": unsafe},
    )
    assert found.order == ("a", "d", "b", "c", "e")
    assert found.groups == {"a": 0, "d": 0, "b": None, "c": None, "e": None}
    assert found.makespan == 8 + 2 + 4 + 1


def test_a_level_with_few_slots_takes_longer():
    level: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    assert schedule(Strategy.PARALLEL, level, max_parallel=2).makespan == 2
    assert schedule(Strategy.PARALLEL, level, needs={name: {"gpu": 1} for name in level}, gpu=1).makespan == 3


def test_adaptive_takes_the_critical_path():
    found = schedule(Strategy.ADAPTIVE, BLOG, BLOG_SECONDS)
    assert found.makespan == 120 + 180 + 300 + 180 + 120


def test_adaptive_orders_agents_by_when_they_are_expected_to_start():
    edges = {"slow": [], "late": ["slow"], "quick": [], "early": ["quick"]}
    assert schedule(Strategy.ADAPTIVE, edges, {"slow": 5}).order == ("slow", "quick", "early", "late")


def test_adaptive_with_few_slots_lets_the_longest_chain_go_first():
    edges = {"alone": [], "head": [], "tail": ["head"]}
    found = schedule(Strategy.ADAPTIVE, edges, {"alone": 3, "head": 1, "tail": 3}, max_parallel=1)
    assert found.order == ("head", "alone", "tail")
    assert found.makespan == 7


def test_all_three_are_offered():
    assert list(SCHEDULES) == [Strategy.SEQUENTIAL, Strategy.PARALLEL, Strategy.ADAPTIVE]
