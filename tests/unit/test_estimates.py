"""Where estimates come from: the catalog, or enough past runs."""

import pytest

from planner_graph.campaign import Campaign
from planner_graph.planning.contents import Estimate
from planner_graph.planning.estimates import DeclaredEstimates, HistoricalEstimates, estimate_from
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName
from tests.catalogs import catalog, spec

WRITER = spec("writer", seconds=60)
EDITOR = spec("editor", seconds=30, after=["writer"])


def history(seconds, **options):
    return HistoricalEstimates({AgentName("writer"): seconds}, **options)


def test_an_agent_that_ran_often_enough_is_estimated_by_its_median():
    estimate = history([30.0, 10.0, 20.0, 50.0, 40.0]).estimate(WRITER)
    assert (estimate.seconds, estimate.source) == (30, "median of the last 5 runs")
    assert estimate.p90_seconds > 40


@pytest.mark.parametrize("durations", [[], [1.0], [1.0, 2.0, 3.0, 4.0]])
def test_an_agent_that_ran_too_seldom_is_estimated_as_the_catalog_declares(durations):
    assert history(durations).estimate(WRITER) == DeclaredEstimates().estimate(WRITER)
    assert history([9.0] * 5).estimate(EDITOR) == DeclaredEstimates().estimate(EDITOR)


def test_how_many_runs_are_enough_is_a_setting():
    assert history([4.0], min_runs=1).estimate(WRITER).source == "median of the last run"
    assert history([4.0] * 9, min_runs=10).estimate(WRITER).source == "declared in the catalog"
    with pytest.raises(ValueError, match="min_runs is 0; at least one run is needed to estimate from"):
        history([4.0], min_runs=0)


def test_another_estimator_may_stand_behind_history():
    class Guess:
        def estimate(self, agent):
            return Estimate(seconds=7.0, p90_seconds=8.0, source=f"a guess about {agent.name}")

    assert history([], otherwise=Guess()).estimate(WRITER).source == "a guess about writer"


def test_the_same_history_in_any_order_gives_the_same_plan_byte_for_byte():
    durations = [12.7, 3.1, 8.8, 5.5, 21.4, 9.9]
    campaign = Campaign.model_validate({"id": "c", "type": "all"})
    plans = [
        MasterPlanner(catalog(WRITER, EDITOR), estimator=history(seconds)).create_execution_plan(campaign)
        for seconds in (durations, durations[::-1], sorted(durations))
    ]
    assert len({plan.canonical_json() for plan in plans}) == 1
    assert plans[0].hash != MasterPlanner(catalog(WRITER, EDITOR)).create_execution_plan(campaign).hash


def test_a_plan_says_of_each_agent_where_its_estimate_comes_from():
    planner = MasterPlanner(catalog(WRITER, EDITOR), estimator=history([10.0] * 20))
    plan = planner.create_execution_plan(Campaign.model_validate({"id": "c", "type": "all"}))
    assert "writer (10 s, median of the last 20 runs; critical)" in plan.explain()
    assert "editor (30 s, declared in the catalog; critical)" in plan.explain()
    assert plan.duration.predicted == 40


def test_the_p90_is_never_below_the_median_nor_anything_negative():
    for durations in ([0.0], [5.0], [0.0] * 6, [1.0, 1.0, 1.0, 1.0, 100.0], [0.001, 2.0]):
        estimate = estimate_from(durations, "tests")
        assert 0 <= estimate.seconds <= estimate.p90_seconds
        assert estimate.source == "tests"
    assert estimate_from([1.0, 3.0], "tests").seconds == 2


def test_estimates_are_in_whole_microseconds():
    estimate = estimate_from([1 / 3] * 5, "tests")
    assert (estimate.seconds, round(estimate.p90_seconds, 6)) == (0.333333, estimate.p90_seconds)
