"""Works out what events of a run change: which attempts there are, who runs, completed, failed, waits.

Pure: the repository reads the present standing, lets a :class:`Ledger` take the events, and writes what changed.
Events that were taken before change nothing, so a batch whose outcome is unknown may simply be sent again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from planner_graph.compiler.events import AgentEnded, AgentInterrupted, AgentStarted, AttemptFailed, Event
from planner_graph.store.plain import plain_json, preview
from planner_graph.store.rows import AgentRunRow
from planner_graph.text import storable
from planner_graph.types import AgentName, AgentStatus

OUTPUT_PREVIEW = 1_000
"""Most characters of one agent's output that the live table shows."""

ALL_PREVIEWS = 64_000
"""Most characters of all outputs together that the live table shows; a run of many agents shows less of each."""

_RAN_AGAIN = "it was cut off before its result was stored; the agent ran again"

Attempt = tuple[int, int]
"""Execution and attempt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Where the agents of a run are, by name; ``step`` is the furthest step that has begun, of ``total``."""

    running: Sequence[AgentName]
    completed: Sequence[AgentName]
    failed: Sequence[AgentName]
    waiting: Sequence[AgentName]
    step: int
    total: int


class Ledger:
    """The standing of the agents of one run, brought forward by events.

    ``attempts`` need only hold the agents that the events speak of, ``orders`` their places in the plan. Afterwards
    ``changed`` holds the attempts to write, in the order they may be written, and ``outputs`` what to show.
    """

    def __init__(
        self, standing: Standing, attempts: Iterable[AgentRunRow] = (), orders: Mapping[AgentName, int] | None = None
    ) -> None:
        self.running = dict.fromkeys(standing.running)
        self.completed = dict.fromkeys(standing.completed)
        self.failed = dict.fromkeys(standing.failed)
        self.waiting = dict.fromkeys(standing.waiting)
        self.step = standing.step
        self.changed: dict[tuple[AgentName, Attempt], AgentRunRow] = {}
        self.outputs: dict[AgentName, Any] = {}
        self._orders = orders or {}
        self._preview = min(OUTPUT_PREVIEW, ALL_PREVIEWS // max(standing.total, 1))
        self._rows: dict[AgentName, dict[Attempt, AgentRunRow]] = {}
        for row in sorted(attempts, key=lambda row: (row.agent_name, row.execution, row.attempt)):
            self._rows.setdefault(row.agent_name, {})[row.execution, row.attempt] = row

    def take(self, events: Iterable[Event]) -> None:
        """Bring the standing forward by ``events``, in their order."""
        for event in events:
            agent = AgentName(event["agent"])
            self.step = max(self.step, self._orders.get(agent, 0))
            match event["event"]:
                case "agent_started":
                    self._start(agent, event)
                case "attempt_failed":
                    self._fail(agent, event)
                case "agent_interrupted":
                    self._interrupt(agent, event)
                case "agent_ended":
                    self._end(agent, event)

    def _start(self, agent: AgentName, event: AgentStarted) -> None:
        attempt, at = event["attempt"], moment(event["at"])
        execution = self._execution(agent)
        known = self._row(agent, execution, attempt)
        if known and known.started_at == at:
            return
        if known or (attempt == 1 and self._rows.get(agent)):
            execution += 1
        self._cut_off(agent, at)
        self._write(
            AgentRunRow(
                agent_name=agent,
                execution=execution,
                attempt=attempt,
                status=AgentStatus.RUNNING,
                started_at=at,
                ended_at=None,
            )
        )
        self._move(agent, self.running)

    def _fail(self, agent: AgentName, event: AttemptFailed) -> None:
        execution, at = self._execution(agent), moment(event["at"])
        row = self._row(agent, execution, event["attempt"])
        if row and row.status is not AgentStatus.RUNNING:
            return
        self._close(
            AgentRunRow(
                agent_name=agent,
                execution=execution,
                attempt=event["attempt"],
                status=AgentStatus.FAILED,
                started_at=at,
                ended_at=at,
                error=plain_json(event["error"]),
            )
        )
        self._move(agent, self.failed if event["retry_in_seconds"] is None else self.waiting)

    def _interrupt(self, agent: AgentName, event: AgentInterrupted) -> None:
        row = self._row(agent, self._execution(agent), event["attempt"])
        if row is None or row.status is not AgentStatus.RUNNING:
            return
        self._close(
            replace(
                row,
                status=AgentStatus.INTERRUPTED,
                ended_at=moment(event["at"]),
                reason=storable(event["reason"]),
                usage=plain_json(event["usage"]),
            )
        )
        self._move(agent, self.waiting)

    def _end(self, agent: AgentName, event: AgentEnded) -> None:
        record = event["record"]
        status, ended_at = AgentStatus(record["status"]), moment(record["ended_at"])
        key = (self._execution(agent), record["attempts"])
        row = self._row(agent, *key)
        if row and row.status is status and row.status is not AgentStatus.FAILED:
            return
        reason = storable(record["reason"]) if record["reason"] else None
        if row and row.status is AgentStatus.FAILED and status is AgentStatus.FAILED:
            self._write(replace(row, reason=reason, usage=plain_json(record["usage"])))
        else:
            self._close(
                AgentRunRow(
                    agent_name=agent,
                    execution=key[0],
                    attempt=key[1],
                    status=status,
                    started_at=moment(record["started_at"] or record["ended_at"]) if record["attempts"] else None,
                    ended_at=ended_at,
                    error=plain_json(record["error"]) if status is not AgentStatus.COMPLETED else None,
                    reason=reason or ("no reason was given" if status is AgentStatus.SKIPPED else None),
                    usage=plain_json(record["usage"]),
                )
            )
        if status is AgentStatus.COMPLETED:
            self.outputs[agent] = preview(record["output"], self._preview)
        self._move(agent, {AgentStatus.COMPLETED: self.completed, AgentStatus.FAILED: self.failed}.get(status))

    def _close(self, row: AgentRunRow) -> None:
        """Let an attempt end; its ``started_at`` counts only if its start was never told.

        Clocks are set back now and then: an attempt ends no earlier than it started.
        """
        known = self._row(row.agent_name, row.execution, row.attempt)
        start = known.started_at if known else row.started_at
        end = row.ended_at
        if end:
            self._cut_off(row.agent_name, end, but=(row.execution, row.attempt))
        self._write(replace(row, started_at=start, ended_at=max(end, start) if start and end else end))

    def _cut_off(self, agent: AgentName, at: datetime, but: Attempt | None = None) -> None:
        """Mark attempts that cannot be true any more: a run that was resumed does not have their results."""
        for key, row in list(self._rows.get(agent, {}).items()):
            if key == but or row.status not in {AgentStatus.RUNNING, AgentStatus.COMPLETED}:
                continue
            ended_at = row.ended_at or max(at, row.started_at or at)
            self._write(replace(row, status=AgentStatus.INTERRUPTED, ended_at=ended_at, reason=_RAN_AGAIN))

    def _execution(self, agent: AgentName) -> int:
        return max((execution for execution, _ in self._rows.get(agent, {})), default=1)

    def _row(self, agent: AgentName, execution: int, attempt: int) -> AgentRunRow | None:
        return self._rows.get(agent, {}).get((execution, attempt))

    def _write(self, row: AgentRunRow) -> None:
        key = (row.execution, row.attempt)
        self._rows.setdefault(row.agent_name, {})[key] = row
        self.changed.pop((row.agent_name, key), None)
        self.changed[row.agent_name, key] = row

    def _move(self, agent: AgentName, place: dict[AgentName, None] | None) -> None:
        """Put an agent at the end of one list and out of all others."""
        for others in (self.running, self.completed, self.failed, self.waiting):
            if others is not place:
                others.pop(agent, None)
        if place is not None:
            place.setdefault(agent)
        if place is not self.completed:
            self.outputs.pop(agent, None)


def moment(text: str) -> datetime:
    """Read an ISO 8601 time; one without an offset is UTC."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
