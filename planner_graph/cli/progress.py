"""What a run looks like while it goes on: events in, rows out. Knows neither a terminal nor a clock."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from planner_graph.compiler.events import Event
from planner_graph.planning.contents import PlanContents
from planner_graph.store.rows import AgentRunRow
from planner_graph.types import AgentName, AgentStatus

ENDED = (AgentStatus.COMPLETED, AgentStatus.FAILED, AgentStatus.SKIPPED)
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
    """How one agent stands. ``started_at`` is the start of its first attempt, ``note`` what there is to say."""

    name: AgentName
    estimate_seconds: float
    status: AgentStatus = AgentStatus.WAITING
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    note: str = ""

    def seconds(self, now: datetime) -> float | None:
        """How long it has been at work, or was; ``None`` if it never began."""
        if self.started_at is None:
            return None
        return max(0.0, ((self.ended_at or now) - self.started_at).total_seconds())

    def fraction(self, now: datetime) -> float:
        """How much of it is done, 0 to 1; while it runs, time against estimate, which alone never makes it whole."""
        if self.status in ENDED:
            return 1.0 if self.status is AgentStatus.COMPLETED else 0.0
        return min(0.95, (self.seconds(now) or 0.0) / self.estimate_seconds)


class Progress:
    """How all agents of a run stand; ``agents`` are in execution order.

    ``attempts`` are those already made. What they left unfinished waits once more, unless shown ``as_stored``.
    """

    def __init__(self, plan: PlanContents, attempts: Iterable[AgentRunRow] = (), *, as_stored: bool = False) -> None:
        self.agents = {
            step.agent: AgentState(name=step.agent, estimate_seconds=step.estimate.seconds) for step in plan.steps
        }
        for row in attempts:
            self.agents[row.agent_name] = self._restored(row, as_stored=as_stored)

    def apply(self, event: Event) -> AgentState:
        """Take one event, and give how its agent stands now."""
        before = self.agents[AgentName(event["agent"])]
        at = datetime.fromisoformat(event["at"])
        match event["event"]:
            case "agent_started":
                first = event["attempt"] == 1
                after = replace(
                    before,
                    status=AgentStatus.RUNNING,
                    attempt=event["attempt"],
                    started_at=at if first else before.started_at,
                    ended_at=None,
                )
            case "attempt_failed":
                error = event["error"]
                note = f"attempt {event['attempt']} failed: {error['type']}: {error['message']}"
                status = AgentStatus.RUNNING if event["retry_in_seconds"] is None else AgentStatus.RETRYING
                after = replace(before, status=status, note=note)
            case "agent_interrupted":
                after = replace(before, status=AgentStatus.INTERRUPTED, note=event["reason"])
            case "agent_ended":
                record = event["record"]
                after = replace(
                    before,
                    status=AgentStatus(record["status"]),
                    attempt=record["attempts"],
                    ended_at=at,
                    note=record["reason"] or "",
                )
        self.agents[before.name] = after
        return after

    @property
    def ended(self) -> int:
        """How many agents need nothing more."""
        return sum(agent.status in ENDED for agent in self.agents.values())

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

    def _restored(self, row: AgentRunRow, *, as_stored: bool) -> AgentState:
        """Give how the agent of an attempt made earlier stands."""
        before = self.agents[row.agent_name]
        if row.status not in ENDED and not as_stored:
            return AgentState(name=before.name, estimate_seconds=before.estimate_seconds)
        anew = row.attempt <= 1
        return replace(
            before,
            status=row.status,
            attempt=row.attempt,
            started_at=row.started_at if anew else before.started_at,
            ended_at=row.ended_at,
            note=row.reason or "",
        )


def _rank(agent: AgentState) -> tuple[int, float]:
    """Rank by urgency; the finished by age, youngest first; ``sorted`` keeps execution order among equals."""
    age = -agent.ended_at.timestamp() if agent.ended_at else 0.0
    return _URGENCY[agent.status], age


def timer(seconds: float) -> str:
    """Write a running time: ``12.3 s``, then ``3:05``, then ``1:02:03``.

    >>> [timer(seconds) for seconds in (0.04, 12.34, 185, 3723)]
    ['0.0 s', '12.3 s', '3:05', '1:02:03']
    """
    if seconds < 59.95:  # noqa: PLR2004  # what is rounded up to 60 seconds is a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
