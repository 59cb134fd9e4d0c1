"""How far a run is and when it will end, as plain JSON: worked out on reading, from its plan and its rows."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from typing_extensions import TypedDict  # pydantic asks for this one, for the server's documentation

from planner_graph.mirror.blocking import Blocked, blocked
from planner_graph.mirror.standings import AgentNow, agents_now, standings
from planner_graph.mirror.usage import total_usage
from planner_graph.planning.contents import PlanContents
from planner_graph.planning.forecast import NOTHING_LEFT, Forecast, forecast
from planner_graph.store.rows import AgentRunRow, RunRow
from planner_graph.types import AgentName, AgentStatus, RunStatus

NEARLY = 0.9999
"""Most of a run that can be over while anything is left of it."""


class AgentsStatus(TypedDict):
    """Agents by state, each list in execution order; those that retry or were interrupted are waiting."""

    running: list[str]
    completed: list[str]
    failed: list[str]
    waiting: list[str]
    skipped: list[str]


class ExecutionInfo(TypedDict):
    """Times are ISO 8601 in UTC; ``estimated_completion`` of a run that has ended is when it did."""

    start_time: str | None
    estimated_completion: str | None
    strategy: str
    total_agents: int


class Eta(TypedDict):
    """When the run should end: as likely sooner as later, and with nine chances in ten.

    The times are ``None`` while no clock is running; the seconds then count from when it goes on.
    """

    p50: str | None
    p90: str | None
    p50_seconds: float
    p90_seconds: float


class ProgressReport(TypedDict):
    """How far a run is.

    ``progress_percentage`` is the share of agents that completed, ``weighted_progress`` (0 to 1) the share of the work
    that is over, by estimated duration: running agents count in part, skipped ones not at all. ``eta`` is ``None`` for
    a run that has ended or is being cancelled. ``remaining_critical_path`` names the unfinished agents that decide over
    the end. ``blocked`` says why agents wait. ``usage`` sums up what all agents used of language models.
    """

    workflow_execution_id: str
    status: str
    current_step: int
    progress_percentage: int
    weighted_progress: float
    agents_status: AgentsStatus
    execution_info: ExecutionInfo
    counts: dict[str, int]
    eta: Eta | None
    remaining_critical_path: list[str]
    blocked: dict[str, Blocked]
    usage: dict[str, Any] | None


def progress_report(
    plan: PlanContents,
    run: RunRow,
    attempts: Sequence[AgentRunRow],
    now: datetime,
    *,
    outlook: Forecast | None = None,
) -> ProgressReport:
    """Report on a run; ``attempts`` are all of its rows in ``agent_runs``, ``now`` is aware of its time zone.

    ``outlook`` is a forecast of the run's end that was made before; without it one is made now.
    """
    agents = agents_now(plan, run, attempts)
    if run.status.ended:
        outlook = NOTHING_LEFT
    outlook = outlook or forecast(plan, standings(agents.values()), now.timestamp())
    statuses = _agents_status(agents.values(), ended=run.status.ended)
    eta = _eta(run.status, outlook, now)
    completion = _iso(run.ended_at) if run.status.ended else eta and eta["p50"]
    total = len(plan.steps)
    return ProgressReport(
        workflow_execution_id=run.run_id,
        status=run.status.value,
        current_step=run.current_step,
        progress_percentage=100 * len(statuses["completed"]) // total if total else 0,
        weighted_progress=_weighted(agents, outlook, now, ended=run.status.ended),
        agents_status=statuses,
        execution_info=ExecutionInfo(
            start_time=_iso(run.started_at),
            estimated_completion=completion,
            strategy=plan.strategy.value,
            total_agents=total,
        ),
        counts={
            "total": total,
            "running": len(statuses["running"]),
            "completed": len(statuses["completed"]),
            "failed": len(statuses["failed"]),
            "waiting": len(statuses["waiting"]),
            "skipped": len(statuses["skipped"]),
        },
        eta=eta,
        remaining_critical_path=[] if eta is None else list(outlook.remaining_critical_path),
        blocked={} if run.status.ended else blocked(plan, run.status, agents, now),
        usage=total_usage(row.usage for row in attempts),
    )


def _agents_status(agents: Iterable[AgentNow], *, ended: bool) -> AgentsStatus:
    """Sort agents by state; in a run that has ended nobody waits."""
    listed = list(agents)

    def names(belongs: Callable[[AgentStatus], bool]) -> list[str]:
        return [here.step.agent for here in listed if belongs(here.status)]

    return AgentsStatus(
        running=names(lambda status: status is AgentStatus.RUNNING),
        completed=names(lambda status: status is AgentStatus.COMPLETED),
        failed=names(lambda status: status is AgentStatus.FAILED),
        waiting=names(lambda status: not ended and not status.ended and status is not AgentStatus.RUNNING),
        skipped=names(lambda status: status is AgentStatus.SKIPPED),
    )


def _eta(status: RunStatus, outlook: Forecast, now: datetime) -> Eta | None:
    if status.ended or status is RunStatus.CANCELLING:
        return None
    running = status is RunStatus.RUNNING
    p50, p90 = _whole(outlook.p50_seconds_left), _whole(outlook.p90_seconds_left)
    return Eta(
        p50=_iso(now + timedelta(seconds=p50)) if running else None,
        p90=_iso(now + timedelta(seconds=p90)) if running else None,
        p50_seconds=p50,
        p90_seconds=p90,
    )


def _whole(seconds: float) -> float:
    """Round up to milliseconds."""
    return math.ceil(seconds * 1000) / 1000


def _weighted(agents: Mapping[AgentName, AgentNow], outlook: Forecast, now: datetime, *, ended: bool) -> float:
    """Give the share of the work that is over; of an agent that runs, the time it took of what it should take in all.

    Agents that were or will be skipped are no work; those that a run left undone when it ended are.
    """
    over, total, undone = 0.0, 0.0, False
    for agent, here in agents.items():
        weight = here.step.estimate.seconds
        if here.status in {AgentStatus.COMPLETED, AgentStatus.FAILED}:
            over += weight
            total += weight
        elif agent in outlook.seconds_left:
            total += weight
            undone = True
            if here.status is AgentStatus.RUNNING:
                elapsed = here.seconds(now)
                over += weight * elapsed / (elapsed + outlook.seconds_left[agent])
        elif ended and here.status is not AgentStatus.SKIPPED:
            total += here.step.expected_seconds
            undone = True
    if not undone:
        return 1.0
    return min(math.floor(over / total * 10_000) / 10_000, NEARLY) if total else 0.0


def _iso(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat() if time else None
