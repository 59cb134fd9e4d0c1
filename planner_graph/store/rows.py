"""What the store gives back: frozen values made of database rows. All times are aware of UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from planner_graph.types import AgentName, AgentStatus, RunId, RunStatus, Strategy


def thread_of(run_id: RunId, revision: int) -> str:
    """Give the LangGraph thread of a run under one revision of its plan."""
    return f"{run_id}:{revision}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """One run. ``result`` is ``None`` until it ended; ``current_step`` is the furthest step that has begun.

    Of a run that ended long ago, ``checkpoints_removed_at`` says since when its checkpoints are gone, if they are.
    """

    run_id: RunId
    plan_id: str
    campaign_key: str
    campaign_name: str
    strategy: Strategy
    status: RunStatus
    status_reason: str | None
    total_agents: int
    estimated_duration_minutes: int | None
    current_step: int
    completed_agents: tuple[AgentName, ...]
    failed_agents: tuple[AgentName, ...]
    planning_reasoning: str | None
    plan_hash: str
    plan_revision: int
    thread_id: str
    agents_reference: str | None
    output_folder: str | None
    result: dict[str, Any] | None
    usage: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    checkpoints_removed_at: datetime | None = None

    @property
    def own_thread(self) -> bool:
        """Whether the run is on a thread of its own; else it is that of a graph which somebody invoked."""
        return self.thread_id == thread_of(self.run_id, self.plan_revision)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the queries ``get_run`` and ``list_runs``."""
        return cls(
            run_id=RunId(str(row["workflow_execution_id"])),
            plan_id=str(row["id"]),
            campaign_key=row["campaign_key"],
            campaign_name=row["campaign_name"],
            strategy=Strategy(row["execution_strategy"]),
            status=RunStatus(row["status"]),
            status_reason=row["status_reason"],
            total_agents=row["total_agents"],
            estimated_duration_minutes=row["estimated_duration_minutes"],
            current_step=row["current_step"],
            completed_agents=tuple(row["completed_agents"]),
            failed_agents=tuple(row["failed_agents"]),
            planning_reasoning=row["planning_reasoning"],
            plan_hash=row["plan_hash"],
            plan_revision=row["plan_revision"],
            thread_id=row["thread_id"],
            agents_reference=row["agents_reference"],
            output_folder=row["output_folder"],
            result=row["result"],
            usage=row["usage"],
            created_at=row["created_at"].astimezone(UTC),
            updated_at=row["updated_at"].astimezone(UTC),
            started_at=in_utc(row["started_at"]),
            ended_at=in_utc(row["ended_at"]),
            checkpoints_removed_at=in_utc(row["checkpoints_removed_at"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentRunRow:
    """One attempt of one agent in a run; attempt 0 is an agent that ended without ever starting.

    ``execution`` counts how often the run, being resumed, began the agent anew; ``attempt`` counts the tries within
    one execution. ``status`` is one of ``running``, ``completed``, ``failed``,
    ``skipped``, ``cancelled``, ``interrupted``.
    """

    agent_name: AgentName
    execution: int
    attempt: int
    status: AgentStatus
    started_at: datetime | None
    ended_at: datetime | None
    error: dict[str, Any] | None = None
    reason: str | None = None
    usage: dict[str, Any] | None = None

    @property
    def place(self) -> tuple[int, bool, int]:
        """Its place among the attempts of its agent: nothing follows in an execution that ended without ever starting.

        One that asked for approval, and was rejected, has asked in an attempt before.
        """
        return self.execution, self.attempt == 0, self.attempt

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the table ``agent_runs``."""
        return cls(
            agent_name=row["agent_name"],
            execution=row["execution"],
            attempt=row["attempt"],
            status=AgentStatus(row["status"]),
            started_at=in_utc(row["started_at"]),
            ended_at=in_utc(row["ended_at"]),
            error=row["error"],
            reason=row["reason"],
            usage=row["usage"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EventRow:
    """One event of a run; ``sequence`` counts from 1, ``agent_name`` is ``None`` where it is the run's own."""

    sequence: int
    event: str
    agent_name: AgentName | None
    at: datetime
    recorded_at: datetime
    data: dict[str, Any]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the table ``run_events``."""
        return cls(
            sequence=row["sequence"],
            event=row["event"],
            agent_name=row["agent_name"],
            at=row["at"].astimezone(UTC),
            recorded_at=row["recorded_at"].astimezone(UTC),
            data=row["data"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What changes whenever anything is written about a run; ``last_sequence`` numbers its latest event."""

    run_id: RunId
    status: RunStatus
    plan_hash: str
    updated_at: datetime
    last_sequence: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the query ``get_mark``."""
        return cls(
            run_id=RunId(str(row["workflow_execution_id"])),
            status=RunStatus(row["status"]),
            plan_hash=row["plan_hash"],
            updated_at=row["updated_at"],
            last_sequence=row["last_sequence"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Vitals:
    """Signs of life of a run.

    ``holder`` names the living process that has the right to execute it, if there is one. ``silent_seconds`` is how
    long ago the tables were told of it, by the database's clock: a run that is followed is mentioned every few seconds,
    whether or not anything happens.
    """

    status: RunStatus
    holder: str | None
    silent_seconds: float

    @property
    def held(self) -> bool:
        """Whether a living process has that right."""
        return self.holder is not None

    @property
    def left_behind(self) -> bool:
        """Whether nobody executes the run, though it is stored as running."""
        return self.status is RunStatus.RUNNING and not self.held

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the query ``get_vitals``."""
        return cls(status=RunStatus(row["status"]), holder=row["holder"], silent_seconds=row["silent_seconds"])


def in_utc(time: datetime | None) -> datetime | None:
    """Give the same moment in UTC."""
    return time.astimezone(UTC) if time else None
