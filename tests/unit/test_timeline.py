"""When agents should be at work, as a plan expects it."""

import pytest

from planner_graph.campaign import Campaign, Limits
from planner_graph.planning.planner import MasterPlanner
from planner_graph.planning.timeline import timeline
from planner_graph.types import Strategy
from tests.plans import make_plan

BLOG = Campaign(type="blog_creation", content_types=("image", "social_media"))


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("limits", [Limits(), Limits(max_parallel=1), Limits(max_parallel=2)])
def test_the_last_agent_ends_when_the_plan_says(strategy, limits):
    plan = MasterPlanner().create_execution_plan(BLOG.model_copy(update={"limits": limits}), strategy)
    played = timeline(plan)
    assert set(played.starts) == set(plan.by_agent)
    assert played.makespan == pytest.approx(plan.duration.predicted)
    for step in plan.steps:
        assert played.ends[step.agent] == pytest.approx(played.starts[step.agent] + step.estimate.seconds)
        assert all(played.ends[before] <= played.starts[step.agent] for before in step.waits_for)


def test_agents_are_side_by_side_where_nothing_keeps_them_apart():
    played = timeline(
        make_plan({"a": [], "b": [], "c": ["a", "b"]}, seconds={"a": 1, "b": 2, "c": 3}, strategy="adaptive")
    )
    assert played.starts == {"a": 0.0, "b": 0.0, "c": 2.0}
