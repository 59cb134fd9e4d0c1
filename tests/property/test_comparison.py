"""What must hold for every comparison of two plans, and for what a run keeps when its plan changes."""

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from planner_graph.catalog.spec import Backoff
from planner_graph.planning.comparison import compare
from planner_graph.planning.contents import (
    DroppedDependency,
    Duration,
    Estimate,
    LeftOut,
    Product,
    Step,
    StepDependency,
    Timing,
)
from planner_graph.planning.keeping import keep
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName, AgentStatus, DependencyKind, Effects, Strategy
from tests.property.dags import Wish, bounded, plannable_wishes

few = settings(bounded, max_examples=10)
"""Enough where each example is one of many fields."""

X = AgentName("Xavier")
"""What no drawn agent is called."""

OF_STEP = {
    "type": "other type",
    "order": 99,
    "level": 99,
    "parallel_group_id": 99,
    "dependencies": (StepDependency(agent=X, kind=DependencyKind.SOFT),),
    "inputs": {"other input": X},
    "outputs": ("other output",),
    "reasons": ("another reason",),
    "estimate": Estimate(seconds=99, p90_seconds=100, source="another source"),
    "timing": Timing(earliest_start=9, earliest_end=9, latest_start=9, latest_end=9, slack_seconds=9, critical=False),
    "parallel_safe": False,
    "resources": {"other pool": 1.0},
    "max_retries": 99,
    "backoff": Backoff(initial_seconds=59),
    "timeout_seconds": 99.0,
    "total_timeout_seconds": 999.0,
    "retry_on": ("OSError",),
    "do_not_retry": ("ValueError",),
    "isolation": "process",
    "approval": "required",
    "effects": Effects.EXTERNAL,
    "fallback": X,
    "replaces": X,
    "cost_estimate_usd": 99.0,
    "configuration": {"other key": True},
}
"""For each field of a step but its name another value than any that is drawn."""

OF_PLAN = {
    "process_pools": ("llm",),
    "campaign_id": "other campaign",
    "campaign_type": "other type",
    "strategy": Strategy.SEQUENTIAL,
    "deliverables": {"other": X},
    "provided": ("other value",),
    "critical_path": (X,),
    "duration": Duration(predicted=9, critical_path=9, work=9, buffer=9),
    "max_parallel": 99,
    "resources": {"other pool": 9.0},
    "left_out": (LeftOut(agent=X, reason="another reason"),),
    "dropped": (DroppedDependency(agent=X, depends_on=X, kind=DependencyKind.HARD, reason="another reason"),),
    "fail_fast": True,
    "secrets": ("other secret",),
    "products": (Product(name="other", outputs=("other",), sources={"other": X}),),
}
"""The same for the fields of a plan but its steps and its version."""


def planned(wish: Wish) -> ExecutionPlan:
    return MasterPlanner(wish.catalog).create_execution_plan(wish.asked(), "parallel")


@bounded
@given(plannable_wishes())
def test_a_plan_does_not_differ_from_itself(wish):
    plan = planned(wish)
    found = compare(plan, ExecutionPlan.from_json(plan.canonical_json()))
    assert (found.lines, found.added, found.removed, found.renamed) == ((), (), (), ())


@bounded
@given(plannable_wishes(), plannable_wishes())
def test_something_differs_if_and_only_if_the_hashes_do(one, other):
    old, new = planned(one), planned(other)
    assert bool(compare(old, new)) == (old.hash != new.hash)


@bounded
@given(plannable_wishes(), plannable_wishes())
def test_what_is_added_one_way_is_removed_the_other_way(one, other):
    old, new = planned(one), planned(other)
    there, back = compare(old, new), compare(new, old)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert there.matter == back.matter
    event(f"some in both: {bool(old.by_agent.keys() & new.by_agent.keys())}")


@pytest.mark.parametrize("name", [name for name in Step.model_fields if name != "agent"])
@few
@given(wish=plannable_wishes(), data=st.data())
def test_every_field_of_a_step_is_mentioned_with_its_agent(name, wish, data):
    plan = planned(wish)
    assume(plan.steps)
    step = data.draw(st.sampled_from(plan.steps))
    other = step.model_copy(update={name: OF_STEP[name]})
    steps = tuple(other if one is step else one for one in plan.steps)
    text = str(compare(plan, plan.model_copy(update={"steps": steps})))
    said = {"dependencies": "now depends on", "inputs": "now reads"}.get(name, name.replace("_", " "))
    assert said in text
    assert repr(step.agent) in text


@pytest.mark.parametrize(
    "name", [name for name in ExecutionPlan.model_fields if name not in {"steps", "schema_version"}]
)
@few
@given(wish=plannable_wishes())
def test_every_field_of_a_plan_is_mentioned(name, wish):
    plan = planned(wish)
    found = compare(plan, plan.model_copy(update={name: OF_PLAN[name]}))
    assert name.replace("_", " ") in str(found)
    assert found.matter == (name not in {"critical_path", "duration", "left_out", "dropped"})


@bounded
@given(plannable_wishes(), plannable_wishes(), st.data())
def test_whoever_is_kept_stands_on_agents_that_are_kept(one, other, data):
    old, new = planned(one), planned(data.draw(st.sampled_from([one, other])))
    ended = {
        step.agent: data.draw(st.sampled_from([AgentStatus.COMPLETED, AgentStatus.FAILED, AgentStatus.SKIPPED]))
        for step in old.steps
        if data.draw(st.booleans())
    }
    found = keep(old, new, ended)
    assert {*found.kept, *found.again} == ended.keys() & new.by_agent.keys()
    assert set(found.gone) == ended.keys() - new.by_agent.keys()
    assert not set(found.kept) & set(found.again)
    for agent in found.kept:
        before, after = old.by_agent[agent], new.by_agent[agent]
        assert (before.inputs, before.configuration) == (after.inputs, after.configuration)
        for edge in after.dependencies:
            idle = new.by_agent[edge.agent].replaces is not None
            assert edge.kind is DependencyKind.OPTIONAL or edge.agent in found.kept or idle
    event(f"kept: {bool(found.kept)}, again: {bool(found.again)}")


@bounded
@given(plannable_wishes(), st.data())
def test_under_the_same_plan_all_are_kept_that_ended_after_those_they_waited_for(wish, data):
    plan = planned(wish)
    count = data.draw(st.integers(0, len(plan.steps)))
    ended = {step.agent: AgentStatus.COMPLETED for step in plan.steps[:count]}
    assert set(keep(plan, plan, ended).kept) == ended.keys()
