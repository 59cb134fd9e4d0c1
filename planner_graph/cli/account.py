"""Takes account of a run: all there is to say about it at one moment, read from the database; as JSON for machines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from planner_graph.cli.progress import AgentState, Progress
from planner_graph.compiler.events import ASKS
from planner_graph.errors import Finding, InvalidInputError
from planner_graph.mirror.previews import shown_result
from planner_graph.mirror.progress import progress_report
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store import answers, reading
from planner_graph.store.answers import GivenAnswer
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import RunRow
from planner_graph.types import AgentName, AgentStatus, RunId, RunStatus

LONGEST_SILENCE = 30.0
"""Seconds after which a run is taken for dead or cut off that does not show any life; it should every two."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """All there is to say about a run at one moment.

    ``left_behind`` says that it is stored as running, but nobody executes it; of one that runs, ``silent_seconds`` is
    how long ago the tables were told of it. ``asking`` are agents that nobody has answered yet. ``files`` are the
    deliverables that were written, by name; ``picture`` is the plan's.
    """

    row: RunRow
    plan: ExecutionPlan
    progress: Progress
    figures: Mapping[str, Any]
    now: datetime
    left_behind: bool = False
    silent_seconds: float | None = None
    asking: tuple[AgentName, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    picture: Path | None = None

    @property
    def deliverables(self) -> dict[str, Any]:
        """The deliverables of a run that has ended, by name."""
        return dict((self.row.result or {}).get("deliverables", {}))

    @property
    def missing(self) -> list[str]:
        """Required deliverables that a run did not bring about."""
        return list((self.row.result or {}).get("missing", []))

    @property
    def excused(self) -> list[str]:
        """Deliverables that a run did not bring about because somebody rejected an agent."""
        return list((self.row.result or {}).get("excused", []))

    @property
    def outputs(self) -> dict[str, str]:
        """Which output each deliverable is."""
        return dict((self.row.result or {}).get("outputs", {}))


async def read_account(database: Database, run_id: RunId, now: datetime) -> Account:
    """Read from the database how a run stands, all of it at one moment.

    Raises:
        RunNotFoundError: there is no such run.
    """
    async with reading.snapshot(database) as conn:
        row, vitals = await reading.find_run(conn, run_id), await reading.vitals(conn, run_id)
        plan, attempts = await reading.load_plan(conn, run_id), await reading.agent_runs(conn, run_id)
        given = await answers.of_run(conn, run_id)
    stands = replace(row, status=RunStatus.PAUSED) if vitals.left_behind else row
    progress = Progress(plan, stands, attempts)
    return Account(
        row=row,
        plan=plan,
        progress=progress,
        figures={**progress_report(plan, stands, attempts, now), "status": row.status.value},
        now=now,
        left_behind=vitals.left_behind,
        silent_seconds=vitals.silent_seconds if row.status.going_on and not vitals.left_behind else None,
        asking=who_asks(progress, given.values()),
    )


def who_asks(progress: Progress, given: Iterable[GivenAnswer]) -> tuple[AgentName, ...]:
    """Name the agents that ask and that nobody has answered, in execution order; of a run that has ended, nobody."""
    if progress.run.status.ended:
        return ()
    answered = {answer.agent for answer in given if answer.taken_at is None}
    interrupted = [agent for agent in progress.agents.values() if agent.status is AgentStatus.INTERRUPTED]
    return tuple(agent.name for agent in interrupted if agent.note == ASKS and agent.name not in answered)


async def find_run(repository: Repository, run: str | None) -> RunRow:
    """Find a run by its id or the beginning of it; without ``run``, the latest one.

    Raises:
        InvalidInputError: there is no run at all.
        RunNotFoundError: there is no such run.
        AmbiguousRunError: there is more than one.
    """
    if run is not None:
        return await repository.get_run(run)
    latest = await repository.list_runs(limit=1)
    if not latest:
        problem = f"no run in the database {repository.database.target}"
        raise InvalidInputError([Finding(problem=problem, remedy="start one with: planner-graph run FILE")])
    return latest[0]


def account_json(account: Account) -> dict[str, Any]:
    """Give an account as plain values; times are ISO 8601 in UTC."""
    row = account.row
    return {
        **account.figures,
        "reason": row.status_reason,
        "left_behind": account.left_behind,
        "silent_seconds": account.silent_seconds,
        "asking": list(account.asking),
        "checkpoints_removed_at": _iso(row.checkpoints_removed_at),
        "campaign_id": account.plan.campaign_id,
        "plan_hash": row.plan_hash,
        "created_at": _iso(row.created_at),
        "started_at": _iso(row.started_at),
        "ended_at": _iso(row.ended_at),
        "agents": {agent.name: _agent_json(agent) for agent in account.progress.agents.values()},
        "deliverables": (shown_result(row.result, account.plan) or {}).get("deliverables", {}),
        "outputs": account.outputs,
        "missing": account.missing,
        "excused": account.excused,
        "files": {name: str(path) for name, path in account.files.items()},
    }


def _agent_json(agent: AgentState) -> dict[str, Any]:
    return {
        "status": agent.status.value,
        "attempts": agent.attempt,
        "started_at": _iso(agent.started_at),
        "ended_at": _iso(agent.ended_at),
        "reason": agent.note or None,
        "usage": agent.usage,
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
