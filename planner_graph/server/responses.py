"""What the routes answer."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from planner_graph.errors import CheckpointFault
from planner_graph.mirror.blocking import Blocked
from planner_graph.mirror.overdue import Overdue
from planner_graph.store.rows import AgentRunRow, EventRow
from planner_graph.types import AgentName, AgentStatus, RunId, RunStatus, Strategy

RUN_ID = "4f1c8a52-6f0e-4d0c-9a3c-8f6f3a1f6f0b"
AT = "2026-03-01T09:30:00Z"

ITEM: Any = {
    "workflow_execution_id": RUN_ID,
    "campaign": {"key": "spring", "name": "Spring sale"},
    "status": "running",
    "status_reason": None,
    "strategy": "adaptive",
    "total_agents": 7,
    "counts": {
        "running": 2,
        "completed": 3,
        "failed": 0,
        "skipped": 0,
        "waiting": 2,
        "cancelled": 0,
        "interrupted": 0,
    },
    "progress_percentage": 42,
    "started_at": AT,
    "ended_at": None,
    "created_at": AT,
    "estimated_completion_time": "2026-03-01T09:41:10Z",
    "left_behind": False,
}


class Answer(BaseModel):
    """Base of all answers: frozen, made by the server only."""

    model_config = ConfigDict(frozen=True)


class Health(Answer):
    """``ok``; what is wrong is told as a problem."""

    status: str = Field(examples=["ok"])


class StoredCampaign(Answer):
    """A campaign that was stored, with what it left out filled in."""

    id: str = Field(examples=["spring"])
    campaign: dict[str, Any]


class Prediction(Answer):
    """How long a campaign should take under one strategy: the makespan if all goes as estimated, and the P90."""

    strategy: Strategy
    makespan_seconds: float = Field(examples=[990.0])
    p90_seconds: float = Field(examples=[1447.2])


class DryRun(Answer):
    """A plan that was made and not stored; ``findings`` is empty, as what is wrong is told as a problem."""

    plan: dict[str, Any]
    plan_hash: str
    explanation: str
    mermaid: str
    predictions: list[Prediction]
    findings: list[dict[str, Any]] = []


class CampaignName(Answer):
    """The campaign of a run: its id and its name."""

    key: str
    name: str


class Counts(Answer):
    """How many agents stand where; together they are all of the run."""

    running: int
    completed: int
    failed: int
    skipped: int
    waiting: int
    cancelled: int = 0
    interrupted: int = 0


class RunItem(Answer):
    """A run as the list shows it. ``left_behind``: it is stored as running, but no living process executes it."""

    model_config = ConfigDict(json_schema_extra={"examples": [ITEM]})

    workflow_execution_id: RunId
    campaign: CampaignName
    status: RunStatus
    status_reason: str | None
    strategy: Strategy
    total_agents: int
    counts: Counts
    progress_percentage: int
    started_at: datetime | None
    ended_at: datetime | None
    created_at: datetime
    estimated_completion_time: datetime | None
    left_behind: bool


class RunList(Answer):
    """A page of runs; ``next_cursor`` asks for the next one, ``null`` on the last."""

    items: list[RunItem]
    next_cursor: str | None


class AskedQuestion(Answer):
    """What an agent asks a person; ``answered_by`` is who has answered it, if somebody has."""

    id: str
    agent: AgentName
    value: Any
    answered_by: str | None


class CheckpointProblem(Answer):
    """Why the checkpoint of a run cannot be read: all answers are from the tables, and it cannot be resumed."""

    reason_code: CheckpointFault = Field(examples=["damaged"])
    detail: str


class RunDetail(RunItem):
    """All that is known of a run but for its plan, its progress and its events.

    ``allowed_actions`` are those that would change something now. ``holder`` is the process that executes it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **ITEM,
                    "plan_hash": "9f" * 32,
                    "plan_revision": 1,
                    "last_sequence": 17,
                    "result": None,
                    "usage": None,
                    "holder": "host:4711:a1b2c3",
                    "allowed_actions": ["pause", "cancel"],
                    "questions": [],
                    "checkpoint_problem": None,
                    "checkpoints_removed_at": None,
                }
            ]
        }
    )

    plan_hash: str
    plan_revision: int
    last_sequence: int
    result: dict[str, Any] | None
    usage: dict[str, Any] | None
    holder: str | None
    allowed_actions: list[str]
    questions: list[AskedQuestion]
    checkpoint_problem: CheckpointProblem | None
    checkpoints_removed_at: datetime | None


class StartedRun(Answer):
    """A run that was accepted; ``links`` are the paths of what there is to know about it."""

    workflow_execution_id: RunId = Field(examples=[RUN_ID])
    status: RunStatus
    plan_hash: str
    links: dict[str, str] = Field(examples=[{"self": f"/api/v2/workflows/{RUN_ID}"}])


class Attempt(Answer):
    """One try of an agent; attempt 0 never started."""

    execution: int
    attempt: int
    status: AgentStatus
    started_at: datetime | None
    ended_at: datetime | None
    error: dict[str, Any] | None
    reason: str | None
    usage: dict[str, Any] | None

    @classmethod
    def of(cls, row: AgentRunRow) -> Self:
        """Make it of a row of the table ``agent_runs``."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class PlannedSpan(Answer):
    """When an agent should start and end, in seconds after the start of the run, if all goes as estimated."""

    agent: AgentName
    start_seconds: float
    end_seconds: float
    critical: bool


class ActualSpan(Answer):
    """When an attempt of an agent started and ended."""

    agent: AgentName
    execution: int
    attempt: int
    status: AgentStatus
    started_at: datetime | None
    ended_at: datetime | None


class Schedule(Answer):
    """What was planned and what came of it, for a Gantt chart; fallbacks are not planned."""

    planned: list[PlannedSpan]
    actual: list[ActualSpan]


class AgentInput(Answer):
    """Where an input comes from, an agent or ``campaign``, and its value as far as it is known; long ones are cut."""

    source: str
    value: Any = None


class AgentDetail(Answer):
    """One agent of a run. ``output`` is cut short if it is long; ``reference`` then says where the whole is.

    ``overdue`` is there while it runs for longer than expected, and says what happens then.
    """

    agent: AgentName
    step: dict[str, Any]
    status: AgentStatus
    reason: str | None
    error: dict[str, Any] | None
    attempts: list[Attempt]
    inputs: dict[str, AgentInput]
    output: Any
    truncated: bool
    reference: dict[str, Any] | None
    usage: dict[str, Any] | None
    waits_for: list[str]
    blocked: str | None
    overdue: Overdue | None = None

    @staticmethod
    def waiting(why: Blocked | None) -> dict[str, Any]:
        """Give the fields that say why an agent is not at work."""
        return {"waits_for": why["waits_for"] if why else [], "blocked": why["reason"] if why else None}


class EventItem(Answer):
    """One event of a run, numbered from 1 without a gap."""

    sequence: int
    event: str = Field(examples=["agent_started"])
    agent_name: AgentName | None
    at: datetime
    recorded_at: datetime
    data: dict[str, Any]

    @classmethod
    def of(cls, row: EventRow) -> Self:
        """Make it of a row of the table ``run_events``."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class EventList(Answer):
    """Events in order; ``last_sequence`` is the number of the run's latest one."""

    items: list[EventItem]
    last_sequence: int


class ControlResult(Answer):
    """What came of a command: the status that the run has now, and that in words."""

    status: RunStatus
    says: str


class CatalogView(Answer):
    """The agents and rules that plans are made of; ``with_code`` are the agents that can run here."""

    agents: dict[str, dict[str, Any]]
    rules: dict[str, dict[str, Any]]
    secrets: list[str]
    with_code: list[AgentName]


class History(Answer):
    """How agents did in past runs, as ``planner-graph history --json`` tells; ``latest_runs`` of one agent only."""

    agents: list[dict[str, Any]]
    latest_runs: list[dict[str, Any]] | None = None
