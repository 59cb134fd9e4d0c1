"""What must hold for forecasts of any run, and how often they come true."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.eta import Outcome, any_order, outcomes
from benchmarks.graphs import chain
from planner_graph.planning.forecast import AgentStanding, forecast
from planner_graph.planning.remaining import will_work
from planner_graph.planning.scheduler import scheduler_for
from planner_graph.planning.simulate import simulate
from planner_graph.types import AgentStatus
from tests.catalogs import spec
from tests.fakes import planned
from tests.property.dags import bounded, dags

LIMITS = [
    {},
    {"max_parallel": 1},
    {"max_parallel": 2},
    {"resources": {"gpu": 1}},
    {"max_parallel": 2, "resources": {"calls_per_minute": 2}},
]
TIMES = st.sampled_from([None, -5.0, 0.0, 1.0, 59.0, 600.0, 1e7])


@st.composite
def plans(draw, strategies=("adaptive", "parallel", "sequential")):
    """Draw a plan with limits that may bind."""
    edges = draw(dags(7).filter(bool))
    kinds = st.sampled_from(["hard", "soft", "optional"])
    agents = []
    for name, before in edges.items():
        by_kind: dict[str, list[str]] = {}
        for other in before:
            by_kind.setdefault(draw(kinds), []).append(other)
        agents.append(
            spec(
                name,
                after=by_kind,
                seconds=draw(st.sampled_from([0.5, 60, 60, 90])),
                resources=draw(st.sampled_from([{}, {"gpu": 1}, {"calls_per_minute": 1}])),
                parallel_safe=draw(st.booleans()),
            )
        )
    return planned(*agents, strategy=draw(st.sampled_from(strategies)), limits=draw(st.sampled_from(LIMITS)))


@st.composite
def standings(draw, plan):
    """Draw where agents stand, with no regard to whether that can be."""
    return {
        step.agent: AgentStanding(
            status=draw(st.sampled_from(AgentStatus)), started_at=draw(TIMES), next_attempt_at=draw(TIMES)
        )
        for step in plan.steps
        if draw(st.booleans())
    }


@bounded
@given(st.data(), plans())
def test_an_end_is_forecast_after_now_for_whatever_is_unfinished(data, plan):
    known = data.draw(standings(plan))
    statuses = {
        step.agent: known[step.agent].status if step.agent in known else AgentStatus.WAITING for step in plan.steps
    }
    found = forecast(plan, known, 600.0, samples=10)
    working = will_work(plan, statuses)
    assert set(found.seconds_left) == set(working)
    assert all(seconds > 0 for seconds in found.seconds_left.values())
    assert found.p50_seconds_left <= found.p90_seconds_left < math.inf
    assert (found.p50_seconds_left > 0) == bool(working) == bool(found.remaining_critical_path)
    assert not any(statuses[agent].ended for agent in found.remaining_critical_path)
    assert len(set(found.remaining_critical_path)) == len(found.remaining_critical_path)


@bounded
@given(st.data(), plans())
def test_the_order_in_which_standings_are_given_does_not_matter(data, plan):
    known = data.draw(standings(plan))
    shuffled = dict(data.draw(st.permutations(list(known.items()))))
    assert forecast(plan, known, 600.0, samples=10) == forecast(plan, shuffled, 600.0, samples=10)


@bounded
@given(plans(), st.floats(0, 1), st.floats(0, 1))
def test_while_all_goes_as_expected_what_is_left_grows_less(plan, first, second):
    """Within a tenth: who has not ended yet may turn out to be late."""
    early, late = sorted((first, second))
    before, after = (undisturbed(plan, part) for part in (early, late))
    assert after.p50_seconds_left <= before.p50_seconds_left * 1.1 + 0.1


def undisturbed(plan, part):
    """Forecast a run of which this part is over, and in which everybody takes as long as expected."""
    seconds = {step.agent: step.estimate.seconds for step in plan.steps}
    played = simulate(scheduler_for(plan), seconds)
    now = played.makespan * part
    return forecast(plan, {agent: standing(played, agent, now) for agent in seconds}, now, samples=40)


def standing(played, agent, now):
    start = played.starts[agent]
    if played.ends[agent] <= now:
        return AgentStanding(status=AgentStatus.COMPLETED, started_at=start)
    return AgentStanding(status=AgentStatus.RUNNING, started_at=start) if start <= now else AgentStanding()


@pytest.mark.parametrize(
    ("graph", "max_parallel"), [(chain(24), None), (any_order(24, seed=3), None), (any_order(24, seed=3), 4)]
)
def test_nine_of_ten_runs_end_before_the_p90_and_the_p50_is_near(graph, max_parallel):
    """Durations are log-normal with sigma 0.5, estimates come from 20 runs each, forecasts are made at half time."""
    found: list[Outcome] = list(outcomes(graph.plan(max_parallel=max_parallel), 80, seed=1))
    assert 0.83 <= statistics.fmean(outcome.covered for outcome in found) <= 0.97
    assert statistics.fmean(outcome.error for outcome in found) < 0.15
    assert statistics.fmean(outcome.forecast.p50_seconds_left > outcome.left for outcome in found) == pytest.approx(
        0.5, abs=0.15
    )
