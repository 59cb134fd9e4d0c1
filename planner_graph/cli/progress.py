"""What a run looks like while it goes on: events in, rows out. Knows neither a terminal nor a clock."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from planner_graph.compiler.events import Event, moment, own_event
from planner_graph.mirror.progress import ProgressReport, progress_report
from planner_graph.mirror.standings import agents_now
from planner_graph.mirror.usage import total_usage
from planner_graph.planning.contents import PlanContents
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

    ``attempts`` are those in the tables. ``since`` is when the run began, or went on, if it is going on.
    """

    def __init__(self, plan: PlanContents, run: RunRow, attempts: Iterable[AgentRunRow] = ()) -> None:
        self.plan = plan
        self.run = run
        self.since = run.started_at
        self.agents = {
            step.agent: AgentState(name=step.agent, estimate_seconds=step.estimate.seconds) for step in plan.steps
        }
        listed = [row for row in attempts if row.agent_name in self.agents]  # others were in an earlier plan
        for row in listed:
            self.agents[row.agent_name] = _restored(self.agents[row.agent_name], row)
        for agent, here in agents_now(plan, run, listed).items():
            before = self.agents[agent]
            ended_at = before.ended_at
            if here.status.at_work:
                ended_at = None
            elif ended_at is None and before.started_at:  # its process did not live to tell its end
                ended_at = max(run.updated_at, before.started_at)
            self.agents[agent] = replace(before, status=here.status, ended_at=ended_at)

    @classmethod
    def unbegun(cls, plan: PlanContents, run: RunRow) -> Self:
        """Give how a run stood before anything happened in it."""
        return cls(plan, replace(run, status=RunStatus.PENDING, started_at=None, ended_at=None, failed_agents=()))

    def begin(self, at: datetime) -> None:
        """Let the run begin, or go on: what it left unfinished waits once more."""
        self.run = replace(self.run, status=RunStatus.RUNNING, started_at=self.run.started_at or at, ended_at=None)
        self.since = at
        for agent in self.agents.values():
            if not agent.status.ended:
                anew = AgentState(name=agent.name, estimate_seconds=agent.estimate_seconds, usage=agent.usage)
                self.agents[agent.name] = anew

    def apply(self, event: Event) -> AgentState:
        """Take one event of an agent, and give how it stands now."""
        before = self.agents[AgentName(event["agent"])]
        at = moment(event["at"])
        match event["event"]:
            case "agent_started":
                first = event["attempt"] == 1
                after = replace(
                    before,
                    status=AgentStatus.RUNNING,
                    attempt=event["attempt"],
                    started_at=at if first else before.started_at,
                    ended_at=None,
                    latest=_attempt(before.name, event["attempt"], AgentStatus.RUNNING, at),
                )
            case "attempt_failed":
                error = dict(event["error"])
                row = replace(
                    _latest(before, event["attempt"], at), status=AgentStatus.FAILED, ended_at=at, error=error
                )
                status = AgentStatus.RUNNING if event["retry_in_seconds"] is None else AgentStatus.RETRYING
                after = replace(before, status=status, note=_note(row), latest=row)
            case "agent_interrupted":
                after = _stopped(before, AgentStatus.INTERRUPTED, at, event["reason"])
                after = replace(after, usage=total_usage([before.usage, event["usage"]]))
            case "agent_ended":
                record = event["record"]
                row = _latest(before, record["attempts"], at)
                row = replace(row, status=AgentStatus(record["status"]), ended_at=at, reason=record["reason"])
                after = replace(
                    before,
                    status=row.status,
                    attempt=record["attempts"],
                    ended_at=at,
                    note=record["reason"] or "",
                    latest=row,
                    usage=total_usage([before.usage, record["usage"]]),
                )
        self.agents[before.name] = after
        return after

    def replan(self, plan: PlanContents) -> None:
        """Let the run have another plan; what is known of the agents that are in both stays."""
        self.plan = plan
        self.agents = {
            step.agent: replace(
                self.agents.get(step.agent) or AgentState(name=step.agent, estimate_seconds=0.0),
                estimate_seconds=step.estimate.seconds,
            )
            for step in plan.steps
        }

    def take(self, row: EventRow) -> AgentState | None:
        """Take one event from the log of the run, and give how its agent stands now, if it is about one of the plan."""
        if row.agent_name and row.agent_name not in self.agents:
            return None
        match row.event:
            case "run_started":
                self.begin(row.at)
            case "run_paused":
                reason = str(row.data.get("reason") or "")
                self.run = replace(self.run, status=RunStatus.PAUSED, status_reason=reason, updated_at=row.at)
                self._stop(AgentStatus.INTERRUPTED, row.at, reason)
            case "run_ended":
                status = RunStatus(row.data["status"])
                self.run = replace(self.run, status=status, status_reason=row.data.get("reason"), ended_at=row.at)
                stopped = AgentStatus.CANCELLED if status is RunStatus.CANCELLED else AgentStatus.INTERRUPTED
                self._stop(stopped, row.at, f"the run ended as {status.value!r}")
            case "agent_reopened" if row.agent_name:
                before = self.agents[row.agent_name]
                reopened = AgentState(
                    name=before.name,
                    estimate_seconds=before.estimate_seconds,
                    note=str(row.data.get("reason") or ""),
                    usage=before.usage,
                )
                self.agents[before.name] = reopened
                return reopened
            case _:
                event = agent_event(row)
                return self.apply(event) if event else None
        return None

    def report(self, now: datetime) -> ProgressReport:
        """Report how far the run is, when it will end, and who waits for whom."""
        agents = self.agents.values()
        failed = tuple(agent.name for agent in agents if agent.status is AgentStatus.FAILED)
        rows = [agent.latest for agent in agents if agent.latest]
        report = progress_report(self.plan, replace(self.run, failed_agents=failed), rows, now)
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

    def _stop(self, status: AgentStatus, at: datetime, reason: str) -> None:
        for agent in self.agents.values():
            if agent.status.at_work:
                self.agents[agent.name] = _stopped(agent, status, at, reason)


def agent_event(row: EventRow) -> Event | None:
    """Give an event from the log of a run as its agent told it; ``None`` if it is of another kind."""
    return own_event({**row.data, "event": row.event, "agent": row.agent_name, "at": row.at.isoformat()})


def _restored(before: AgentState, row: AgentRunRow) -> AgentState:
    """Give how the agent of an attempt made earlier stands after it."""
    return replace(
        before,
        attempt=row.attempt,
        started_at=row.started_at if row.attempt <= 1 else before.started_at,
        ended_at=row.ended_at,
        note=_note(row),
        latest=row,
        usage=total_usage([before.usage, row.usage]),
    )


def _note(row: AgentRunRow) -> str:
    if row.reason or not row.error:
        return row.reason or ""
    return f"attempt {row.attempt} failed: {row.error.get('type')}: {row.error.get('message')}"


def _latest(agent: AgentState, number: int, at: datetime) -> AgentRunRow:
    """Give the attempt of an agent with this number, or one like it if its start was never told."""
    known = agent.latest
    return known if known and known.attempt == number else _attempt(agent.name, number, AgentStatus.RUNNING, at)


def _attempt(agent: AgentName, number: int, status: AgentStatus, at: datetime) -> AgentRunRow:
    return AgentRunRow(agent_name=agent, execution=1, attempt=number, status=status, started_at=at, ended_at=None)


def _stopped(agent: AgentState, status: AgentStatus, at: datetime, reason: str) -> AgentState:
    row = replace(_latest(agent, agent.attempt, at), status=status, ended_at=at, reason=reason)
    return replace(agent, status=status, ended_at=at, note=reason, latest=row)


def _rank(agent: AgentState) -> tuple[int, float]:
    """Rank by urgency; the finished by age, youngest first; ``sorted`` keeps execution order among equals."""
    age = -agent.ended_at.timestamp() if agent.ended_at else 0.0
    return _URGENCY[agent.status], age
