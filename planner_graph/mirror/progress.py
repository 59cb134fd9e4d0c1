"""How far a run is and when it will end, as plain JSON: worked out on reading, from its plan and its rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from typing_extensions import TypedDict  # pydantic asks for this one, for the server's documentation

from planner_graph.mirror.blocking import Blocked, blocked
from planner_graph.mirror.overdue import Overdue, overdue
from planner_graph.mirror.standings import AgentNow, agents_now, standings
from planner_graph.mirror.usage import total_usage
from planner_graph.planning.contents import PlanContents
from planner_graph.planning.forecast import NOTHING_LEFT, Forecast, forecast
from planner_graph.store.listing import percentage
from planner_graph.store.rows import AgentRunRow, RunRow
from planner_graph.types import AgentName, AgentStatus, RunStatus

NEARLY = 0.9999
"""Most of a run that can be over while anything is left of it."""


class AgentsStatus(TypedDict):
    """Agents by state, each list in execution order; each agent is in one of them.

    Those that retry or were interrupted are waiting, while their run may go on. ``cancelled`` are those that had not
    ended when their run was cancelled, ``interrupted`` those of which no end was stored when it ended otherwise.
    """

    running: list[str]
    completed: list[str]
    failed: list[str]
    waiting: list[str]
    skipped: list[str]
    cancelled: list[str]
    interrupted: list[str]


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
    that is over, by estimated duration: running agents count in part, skipped ones not at all. Of a run that ended
    otherwise than completed it is the share of the work that was done: what failed, was skipped because of a failure,
    or was cancelled, was not; neither figure says that all of it was. ``eta`` is ``None`` for a run that has ended or
    is being cancelled. ``remaining_critical_path`` names the unfinished agents that decide over the end. ``blocked``
    says why agents wait, ``overdue`` which ones run for longer than expected, and what happens then. ``usage`` sums up
    what all agents used of language models.
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
    overdue: dict[str, Overdue]
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
    statuses = _agents_status(agents.values(), run.status)
    eta = _eta(run.status, outlook, now)
    completion = _iso(run.ended_at) if run.status.ended else eta and eta["p50"]
    total = len(plan.steps)
    return ProgressReport(
        workflow_execution_id=run.run_id,
        status=run.status.value,
        current_step=run.current_step,
        progress_percentage=percentage(len(statuses["completed"]), total, run.status),
        weighted_progress=(_done(plan, agents, run.status) if run.status.ended else _over(plan, agents, outlook, now)),
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
            "cancelled": len(statuses["cancelled"]),
            "interrupted": len(statuses["interrupted"]),
        },
        eta=eta,
        remaining_critical_path=[] if eta is None else list(outlook.remaining_critical_path),
        blocked={} if run.status.ended else blocked(plan, run.status, agents, now),
        overdue=overdue(plan, run.status, agents, now),
        usage=total_usage(row.usage for row in attempts),
    )


def _agents_status(agents: Iterable[AgentNow], run: RunStatus) -> AgentsStatus:
    """Sort agents by state, each into one list; in a run that has ended none waits or runs."""
    lists = AgentsStatus(running=[], completed=[], failed=[], waiting=[], skipped=[], cancelled=[], interrupted=[])
    for here in agents:
        lists[_list_of(here.status, run)].append(here.step.agent)
    return lists


_List = Literal["running", "completed", "failed", "waiting", "skipped", "cancelled", "interrupted"]

_LISTS: Mapping[AgentStatus, _List] = {
    AgentStatus.COMPLETED: "completed",
    AgentStatus.FAILED: "failed",
    AgentStatus.SKIPPED: "skipped",
    AgentStatus.CANCELLED: "cancelled",
}
"""Where agents are listed that have ended."""


def _list_of(status: AgentStatus, run: RunStatus) -> _List:
    if status in _LISTS:
        return _LISTS[status]
    if run.ended:
        return "interrupted"
    return "running" if status is AgentStatus.RUNNING else "waiting"


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


def _over(plan: PlanContents, agents: Mapping[AgentName, AgentNow], outlook: Forecast, now: datetime) -> float:
    """Return the share of the work of an unfinished run that is over; of a running agent, its time of all it takes.

    Agents that were or will be skipped are no work. Not all is over while anything is left, or if something failed for
    which no fallback has made up: such a run may end as failed.
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
    return _nearly(over, total) if undone or _unrepaired(plan, agents) else 1.0


def _done(plan: PlanContents, agents: Mapping[AgentName, AgentNow], status: RunStatus) -> float:
    """Return the share of the work of a run that has ended which was done: all of it only if the run completed."""
    if status is RunStatus.COMPLETED:
        return 1.0
    done, total, unrepaired = 0.0, 0.0, _unrepaired(plan, agents)
    for agent, here in agents.items():
        weight = here.step.estimate.seconds if here.attempt else here.step.expected_seconds
        # The error of a skip is the failure that caused it; without one, there was nothing to do.
        no_work = here.status is AgentStatus.SKIPPED and here.error is None
        repaired = here.status is AgentStatus.FAILED and agent not in unrepaired
        if no_work or repaired:
            continue
        total += weight
        if here.status is AgentStatus.COMPLETED:
            done += weight
    return _nearly(done, total)


def _unrepaired(plan: PlanContents, agents: Mapping[AgentName, AgentNow]) -> set[AgentName]:
    """Return the agents that failed and for which no fallback has made up."""
    return set(plan.unrepaired({agent: here.status for agent, here in agents.items()}))


def _nearly(part: float, total: float) -> float:
    return min(math.floor(part / total * 10_000) / 10_000, NEARLY) if total else 0.0


def _iso(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat() if time else None
