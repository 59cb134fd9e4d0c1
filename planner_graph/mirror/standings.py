"""Where the agents of a run stand, worked out from its row and the rows of its attempts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from planner_graph.planning.contents import PlanContents, Step
from planner_graph.planning.forecast import AgentStanding
from planner_graph.store.rows import AgentRunRow, RunRow
from planner_graph.types import AgentName, AgentStatus, RunStatus

NEVER_STARTED = "the run was cancelled before it started"
"""Why an agent is cancelled of which there is no attempt."""

_ON_AVERAGE = 0.5
"""Chance to reckon with where a back-off is spread at random."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentNow:
    """Where one agent stands. ``attempt`` is its latest one, 0 if there is none, and so are the times and the error.

    ``next_attempt_at`` is when one that is ``retrying`` should go on, ``reason`` why it ended or was interrupted.
    """

    step: Step
    status: AgentStatus = AgentStatus.WAITING
    attempt: int = 0
    started_at: datetime | None = None
    next_attempt_at: datetime | None = None
    error: Mapping[str, Any] | None = None
    reason: str | None = None

    @property
    def standing(self) -> AgentStanding:
        """The same for a forecast; times are Unix time."""
        return AgentStanding(
            status=self.status,
            started_at=self.started_at.timestamp() if self.started_at else None,
            next_attempt_at=self.next_attempt_at.timestamp() if self.next_attempt_at else None,
        )

    def seconds(self, now: datetime) -> float:
        """How long its latest attempt has been going on."""
        return max((now - self.started_at).total_seconds(), 0.0) if self.started_at else 0.0


def agents_now(plan: PlanContents, run: RunRow, attempts: Iterable[AgentRunRow]) -> dict[AgentName, AgentNow]:
    """Give where all agents stand, in execution order; ``attempts`` are all of the run, in any order."""
    latest: dict[AgentName, AgentRunRow] = {}
    for row in sorted(attempts, key=attrgetter("place")):
        latest[row.agent_name] = row
    return {step.agent: agent_now(step, run, latest.get(step.agent)) for step in plan.steps}


def standings(agents: Iterable[AgentNow]) -> dict[AgentName, AgentStanding]:
    """Give where agents stand as a forecast takes it: by name, times as Unix time."""
    return {here.step.agent: here.standing for here in agents}


def agent_now(step: Step, run: RunRow, row: AgentRunRow | None) -> AgentNow:
    """Give where the agent of a step stands whose latest attempt in the run is ``row``."""
    if row is None and run.status is RunStatus.CANCELLED:
        return AgentNow(step=step, status=AgentStatus.CANCELLED, reason=NEVER_STARTED)
    if row is None:
        return AgentNow(step=step)
    status = _status(step, run, row)
    retry_at = next_attempt_at(step, row) if status is AgentStatus.RETRYING else None
    return AgentNow(
        step=step,
        status=status,
        attempt=row.attempt,
        started_at=row.started_at,
        next_attempt_at=retry_at,
        error=row.error,
        reason=row.reason,
    )


def next_attempt_at(step: Step, row: AgentRunRow) -> datetime | None:
    """Give when the agent of a failed attempt may be expected to go on."""
    return row.ended_at and row.ended_at + timedelta(seconds=step.backoff.seconds(row.attempt, _ON_AVERAGE))


def _status(step: Step, run: RunRow, row: AgentRunRow) -> AgentStatus:
    """Give the state of the agent whose latest attempt is ``row``.

    An attempt that failed is the agent's end only if the run says so; in an unfinished run another one may follow. In
    a run that was cancelled, so is every agent that had not ended.
    """
    status = _status_so_far(step, run, row)
    return status if status.ended or run.status is not RunStatus.CANCELLED else AgentStatus.CANCELLED


def _status_so_far(step: Step, run: RunRow, row: AgentRunRow) -> AgentStatus:
    going_on = run.status.going_on
    if row.status is AgentStatus.RUNNING and not going_on:
        return AgentStatus.INTERRUPTED
    if row.status is AgentStatus.CANCELLED and run.status in {RunStatus.RUNNING, RunStatus.PAUSED}:
        return AgentStatus.WAITING  # its skip was not stored; it is looked at again
    if row.status is not AgentStatus.FAILED or step.agent in run.failed_agents:
        return row.status
    more = row.reason is None and row.attempt <= step.max_retries
    return AgentStatus.RETRYING if more and going_on else AgentStatus.WAITING
