"""What a run looks like while it goes on: events in, rows out. Knows neither a terminal nor a clock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from planner_graph.compiler.events import Event, own_event
from planner_graph.mirror.ledger import LEFT_BEHIND, Ledger, Standing
from planner_graph.mirror.progress import ProgressReport, progress_report
from planner_graph.mirror.standings import NEVER_STARTED, agent_now
from planner_graph.mirror.usage import total_usage
from planner_graph.planning.contents import PlanContents, Step
from planner_graph.store.rows import AgentRunRow, EventRow, RunRow
from planner_graph.types import AgentName, AgentStatus, RunStatus

_URGENCY = {
    status: rank
    for rank, statuses in enumerate(
        [
            (AgentStatus.RUNNING, AgentStatus.RETRYING),
            (AgentStatus.FAILED,),
            (AgentStatus.READY, AgentStatus.WAITING, AgentStatus.INTERRUPTED),
            (AgentStatus.SKIPPED, AgentStatus.CANCELLED),
            (AgentStatus.COMPLETED,),
        ]
    )
    for status in statuses
}
"""What is shown first where there is no room for all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentState:
    """How one agent stands. ``started_at`` is the start of its first attempt, ``note`` what there is to say.

    ``latest`` is its latest attempt as the tables have it, ``usage`` what all of its attempts used of language models.
    """

    name: AgentName
    estimate_seconds: float
    status: AgentStatus = AgentStatus.WAITING
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    note: str = ""
    latest: AgentRunRow | None = None
    usage: dict[str, Any] | None = None

    def seconds(self, now: datetime) -> float | None:
        """How long it has been at work, or was; ``None`` if it never began."""
        if self.started_at is None:
            return None
        return max(0.0, ((self.ended_at or now) - self.started_at).total_seconds())

    def fraction(self, now: datetime) -> float:
        """How much of it is done, 0 to 1; while it runs, time against estimate, which alone never makes it whole."""
        if self.status.ended:
            return 1.0 if self.status is AgentStatus.COMPLETED else 0.0
        return min(0.95, (self.seconds(now) or 0.0) / self.estimate_seconds)


class Progress:
    """How a run and all of its agents stand; ``agents`` are in execution order.

    A ledger, the mirror's own, takes the events, so that what is shown live is what the tables say. ``attempts`` are
    those in the tables. ``since`` is when the run began, or went on, if it is going on.
    """

    def __init__(self, plan: PlanContents, run: RunRow, attempts: Iterable[AgentRunRow] = ()) -> None:
        self.run = run
        self.since = run.started_at
        self._ledger = Ledger(Standing(failed=run.failed_agents), attempts)
        self._anew: dict[AgentName, str] = {}
        self.replan(plan)

    @classmethod
    def unbegun(cls, plan: PlanContents, run: RunRow) -> Self:
        """Give how a run stood before anything happened in it."""
        return cls(plan, replace(run, status=RunStatus.PENDING, started_at=None, ended_at=None, failed_agents=()))

    def begin(self, at: datetime) -> None:
        """Let the run begin, or go on: what it left unfinished waits once more."""
        self._ledger.stop(AgentStatus.INTERRUPTED, at, LEFT_BEHIND)
        self._anew |= {agent.name: "" for agent in self.agents.values() if not agent.status.ended}
        self.since = at
        self._set_run(status=RunStatus.RUNNING, started_at=self.run.started_at or at, ended_at=None)

    def stopping(self, status: RunStatus) -> None:
        """Note that the run is about to stop: ``pausing`` or ``cancelling``."""
        if self.run.status.going_on:
            self._set_run(status=status)

    def apply(self, event: Event) -> AgentState:
        """Take one event of an agent, and give how it stands now."""
        agent = AgentName(event["agent"])
        self._anew.pop(agent, None)
        self._ledger.take([event])
        self._ledger.saved()
        self.run = replace(self.run, failed_agents=tuple(self._ledger.failed))
        return self._look_at(self.plan.by_agent[agent])

    def replan(self, plan: PlanContents) -> None:
        """Let the run have another plan; what is known of the agents that are in both stays."""
        self.plan = plan
        self.agents: dict[AgentName, AgentState] = {}
        for step in plan.steps:
            self._look_at(step)

    def take(self, row: EventRow) -> AgentState | None:
        """Take one event from the log of the run, and give how its agent stands now, if it is about one of the plan."""
        if row.agent_name and row.agent_name not in self.agents:
            return None
        reason = str(row.data.get("reason") or "")
        match row.event:
            case "run_started":
                self.begin(row.at)
            case "run_pausing":
                self.stopping(RunStatus.PAUSING)
            case "run_cancelling":
                self.stopping(RunStatus.CANCELLING)
            case "run_paused":
                self._ledger.stop(AgentStatus.INTERRUPTED, row.at, reason)
                self._set_run(status=RunStatus.PAUSED, status_reason=reason, updated_at=row.at)
            case "run_ended":
                status = RunStatus(row.data["status"])
                stopped = AgentStatus.CANCELLED if status is RunStatus.CANCELLED else AgentStatus.INTERRUPTED
                self._ledger.stop(stopped, row.at, f"the run ended as {status.value!r}")
                self._set_run(status=status, status_reason=reason or None, ended_at=row.at)
            case "agent_reopened" if row.agent_name:
                self._ledger.reopen(row.agent_name, row.at, reason)
                self._anew[row.agent_name] = reason
                return self._look_at(self.plan.by_agent[row.agent_name])
            case _:
                event = agent_event(row)
                return self.apply(event) if event else None
        return None

    def report(self, now: datetime) -> ProgressReport:
        """Report how far the run is, when it will end, and who waits for whom."""
        agents = self.agents.values()
        report = progress_report(self.plan, self.run, [agent.latest for agent in agents if agent.latest], now)
        return {**report, "usage": total_usage(agent.usage for agent in agents)}

    @property
    def ended(self) -> int:
        """How many agents need nothing more."""
        return sum(agent.status.ended for agent in self.agents.values())

    def counts(self, agents: Iterable[AgentState] | None = None) -> dict[AgentStatus, int]:
        """Count agents by status, in order of urgency; what nobody is in is left out."""
        found = dict.fromkeys(_URGENCY, 0)
        for agent in self.agents.values() if agents is None else agents:
            found[agent.status] += 1
        return {status: count for status, count in found.items() if count}

    def rows(self, most: int) -> tuple[list[AgentState], dict[AgentStatus, int]]:
        """Give at most ``most`` agents to show, and how many of each status are left out.

        All agents in execution order if there is room; otherwise those that run, then the failed, then those that come
        next, then the finished, last one first.
        """
        everyone = list(self.agents.values())
        if len(everyone) <= most:
            return everyone, {}
        ranked = sorted(everyone, key=_rank)
        return ranked[:most], self.counts(ranked[most:])

    def _set_run(self, **changes: Any) -> None:
        """Let the run itself have changed, and so perhaps how its agents stand."""
        self._ledger.saved()
        self.run = replace(self.run, **changes, failed_agents=tuple(self._ledger.failed))
        for step in self.plan.steps:
            self._look_at(step)

    def _look_at(self, step: Step) -> AgentState:
        """Work out from its attempts how an agent stands; those of one that waits once more do not count any more."""
        attempts = self._ledger.attempts(step.agent)
        agent = AgentState(
            name=step.agent,
            estimate_seconds=step.estimate.seconds,
            note=self._anew.get(step.agent, ""),
            usage=total_usage(row.usage for row in attempts),
        )
        if attempts and step.agent not in self._anew:
            agent = _at_last_attempt(agent, step, self.run, attempts)
        elif self.run.status is RunStatus.CANCELLED:
            agent = replace(agent, status=AgentStatus.CANCELLED, note=NEVER_STARTED)
        self.agents[step.agent] = agent
        return agent


def agent_event(row: EventRow) -> Event | None:
    """Give an event from the log of a run as its agent told it; ``None`` if it is of another kind."""
    return own_event({**row.data, "event": row.event, "agent": row.agent_name, "at": row.at.isoformat()})


def _at_last_attempt(agent: AgentState, step: Step, run: RunRow, attempts: Sequence[AgentRunRow]) -> AgentState:
    """Give how an agent stands by its attempts; its time counts from the first one of its last execution.

    Of an agent that was kept from an earlier run there is only the last attempt, which began when the first one did.
    """
    row, status = attempts[-1], agent_now(step, run, attempts[-1]).status
    own = (attempt for attempt in attempts if attempt.execution == row.execution)
    started_at = None if row.attempt == 0 else next(own).started_at
    ended_at = None if status.at_work else row.ended_at
    if ended_at is None and started_at and not status.at_work:  # its process did not live to tell its end
        ended_at = max(run.updated_at, started_at)
    return replace(
        agent,
        status=status,
        attempt=row.attempt,
        started_at=started_at,
        ended_at=ended_at,
        note=_note(row),
        latest=row,
    )


def _note(row: AgentRunRow) -> str:
    if row.reason or not row.error:
        return row.reason or ""
    return f"attempt {row.attempt} failed: {row.error.get('type')}: {row.error.get('message')}"


def _rank(agent: AgentState) -> tuple[int, float]:
    """Rank by urgency; the finished by age, youngest first; ``sorted`` keeps execution order among equals."""
    age = -agent.ended_at.timestamp() if agent.ended_at else 0.0
    return _URGENCY[agent.status], age
