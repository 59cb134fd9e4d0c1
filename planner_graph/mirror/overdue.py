"""Marks running agents that take longer than nine runs in ten should, and says what happens to them next."""

from collections.abc import Mapping
from datetime import datetime

from typing_extensions import TypedDict  # pydantic asks for this one, for the server's documentation

from planner_graph.compiler.failure import Failure
from planner_graph.compiler.retry import is_worth_retrying
from planner_graph.mirror.standings import AgentNow
from planner_graph.planning.contents import PlanContents, Step
from planner_graph.planning.explanation import duration_text
from planner_graph.types import AgentName, AgentStatus, RunStatus

MIN_EXCESS_SECONDS = 1.0
"""An agent that is late by less than this is not marked: estimates of very short agents are no better than that."""


class Overdue(TypedDict):
    """A running agent that should have ended by now.

    ``running_seconds`` is how long its attempt has lasted, ``expected_seconds`` the P90 of its estimate; ``next`` says
    in words what happens if it does not end.
    """

    running_seconds: float
    expected_seconds: float
    next: str


def overdue(
    plan: PlanContents, status: RunStatus, agents: Mapping[AgentName, AgentNow], now: datetime
) -> dict[str, Overdue]:
    """Return the agents that are at work for longer than the P90 of their estimates, in execution order."""
    if not status.going_on:
        return {}
    late = (here for here in agents.values() if here.status is AgentStatus.RUNNING and _is_late(here, now))
    return {
        here.step.agent: Overdue(
            running_seconds=round(here.seconds(now), 3),
            expected_seconds=here.step.estimate.p90_seconds,
            next=_next(plan, here, now),
        )
        for here in late
    }


def _is_late(here: AgentNow, now: datetime) -> bool:
    return here.seconds(now) > here.step.estimate.p90_seconds + MIN_EXCESS_SECONDS


def _next(plan: PlanContents, here: AgentNow, now: datetime) -> str:
    step, limit = here.step, _limit(here.step)
    if here.seconds(now) > limit + MIN_EXCESS_SECONDS:
        return f"should have stopped at {duration_text(limit)}; its process may hang"
    at_the_latest = " at the latest" if step.total_timeout_seconds is not None and here.attempt > 1 else ""
    return f"stops at {duration_text(limit)}{at_the_latest}, then {_after(plan, here, limit, now)}"


def _limit(step: Step) -> float:
    """Return the most seconds that an attempt may last; earlier attempts may have used up some of the total."""
    total = step.total_timeout_seconds
    return step.timeout_seconds if total is None else min(step.timeout_seconds, total)


def _after(plan: PlanContents, here: AgentNow, limit: float, now: datetime) -> str:
    """Say what follows an attempt that ran into its time limit."""
    step = here.step
    rules = {"retry_on": step.retry_on, "do_not_retry": step.do_not_retry}
    of_all = step.total_timeout_seconds is not None and limit >= step.total_timeout_seconds
    more = here.attempt <= step.max_retries and not of_all
    if more and is_worth_retrying(Failure.of(TimeoutError(), now), **rules):
        return f"attempt {here.attempt + 1} of {step.max_retries + 1}"
    stand_in = plan.stand_ins.get(step.agent)
    return f"{stand_in!r} stands in for it" if stand_in else "it has failed"
