"""Forecasts that many readers share: rough at first, good for those who ask again."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from planner_graph.planning.forecast import AgentStanding, forecast
from planner_graph.server.outlooks import Outlooks
from planner_graph.types import AgentName, AgentStatus, RunId
from tests.plans import BLOG, BLOG_SECONDS, make_plan

PLAN = make_plan(BLOG, seconds=BLOG_SECONDS, strategy="adaptive")
BUSY = {AgentName("planner"): AgentStanding(status=AgentStatus.RUNNING, started_at=0.0)}
RUN = RunId("run")


@pytest.fixture
def outlooks():
    with ThreadPoolExecutor(1) as workers:
        yield Outlooks(workers)


async def settled(outlooks):
    """Wait until no forecast is being made."""
    for task in tuple(outlooks._making.values()):
        await task


async def ask(outlooks, *, sequence=1, now=10.0, moving=True):
    return await outlooks.of(RUN, sequence, PLAN, BUSY, now, moving=moving)


async def test_who_asks_again_gets_the_forecast_that_a_report_makes_by_itself(outlooks):
    rough = await ask(outlooks)
    good = forecast(PLAN, BUSY, 10.0)
    assert rough.p50_seconds_left == pytest.approx(good.p50_seconds_left, rel=0.2)
    assert not outlooks._making
    assert await ask(outlooks) == rough
    await settled(outlooks)
    assert await ask(outlooks) == good


async def test_a_forecast_moves_with_the_time_until_something_happens(outlooks):
    first = await ask(outlooks)
    later = await ask(outlooks, now=12.0)
    assert later.p50_seconds_left == pytest.approx(first.p50_seconds_left - 2)
    assert later.p90_seconds_left == pytest.approx(first.p90_seconds_left - 2)
    assert await ask(outlooks, sequence=2, now=12.0) != later


async def test_an_old_forecast_is_made_anew(outlooks):
    """The agent should have ended long ago; a forecast that only moved with the time would not know."""
    first = await ask(outlooks)
    later = await ask(outlooks, now=300.0)
    assert later.p50_seconds_left > first.p50_seconds_left - 290 + 100


async def test_the_forecast_of_a_run_that_waits_stays(outlooks):
    first = await ask(outlooks, moving=False)
    assert await ask(outlooks, now=1_000.0, moving=False) == first
