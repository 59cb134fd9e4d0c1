"""Which edges each strategy draws."""

from itertools import pairwise

import pytest

from planner_graph.compiler.wiring import ENTRY, EXIT, edges
from planner_graph.planning.plan import ExecutionPlan
from tests.catalogs import spec
from tests.fakes import planned
from tests.plans import BLOG, make_plan

START, END = "__start__", "__end__"


def drawn(plan):
    return [(list(sources), target) for sources, target in edges(plan)]


def test_sequential_is_a_chain_in_the_plans_order():
    plan = make_plan({"c": ["a"], "a": [], "b": ["a"]}, strategy="sequential")
    chain = [START, ENTRY, *(step.agent for step in plan.steps), EXIT, END]
    assert drawn(plan) == [([before], after) for before, after in pairwise(chain)]


def test_parallel_joins_each_agent_on_all_it_waits_for():
    assert drawn(make_plan({"a": [], "b": ["a"], "c": ["a", "b"], "d": ["a"]})) == [
        ([START], ENTRY),
        ([ENTRY], "a"),
        (["a"], "b"),
        (["a"], "d"),
        (["a", "b"], "c"),
        (["d", "c"], EXIT),
        ([EXIT], END),
    ]


def test_the_last_node_waits_for_exactly_the_agents_that_nobody_waits_for():
    (last,) = [sources for sources, target in drawn(make_plan(BLOG)) if target == EXIT]
    assert sorted(last) == ["image", "seo", "social_media"]


def test_soft_dependencies_are_waited_for_and_optional_ones_are_not():
    plan = planned(spec("a"), spec("b"), spec("c", after={"soft": ["a"], "optional": ["b"]}))
    assert (["a"], "c") in drawn(plan)
    assert (["b", "c"], EXIT) in drawn(plan)


@pytest.mark.parametrize("strategy", ["sequential", "parallel"])
def test_a_plan_without_steps_leads_from_entry_to_exit(strategy):
    empty = {**make_plan({"a": []}, strategy=strategy).model_dump(mode="json"), "steps": []}
    assert drawn(ExecutionPlan.model_validate(empty)) == [([START], ENTRY), ([ENTRY], EXIT), ([EXIT], END)]
