"""Works out what events of a run change: which attempts there are, who runs, completed, failed, waits.

Pure: whoever writes the tables reads the present standing, lets a :class:`Ledger` take the events, and writes what it
says has changed. Events that were taken before change nothing, so they may be told again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from planner_graph.compiler.events import (
    AgentEnded,
    AgentInterrupted,
    AgentStarted,
    AttemptFailed,
    Event,
    moment,
    timestamp,
)
from planner_graph.compiler.state import AgentRecord
from planner_graph.mirror.usage import total_usage
from planner_graph.store.rows import AgentRunRow
from planner_graph.types import AgentName, AgentStatus

_RAN_AGAIN = "it was cut off before its result was stored; the agent ran again"
_NOT_STORED = "it was cut off before its result was stored; the agent runs again"
_NOT_PLANNED = "it is not in the run's new plan"
LEFT_BEHIND = "its process ended before it did"
"""Why an attempt was interrupted that was running when its run went on."""

_UTC = "+00:00"
"""How times of our own end; PostgreSQL would read one without an offset in the time zone of the session."""

_UNTRUE = {
    AgentStatus.RUNNING: AgentStatus.INTERRUPTED,
    AgentStatus.COMPLETED: AgentStatus.INTERRUPTED,
    AgentStatus.SKIPPED: AgentStatus.CANCELLED,  # what never started cannot have been interrupted
}
"""What becomes of attempts whose results nobody has."""

Attempt = tuple[int, int]
"""Execution and attempt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Where the agents of a run are, by name; ``step`` is the furthest step that has begun.

    ``sequence`` is the number of the run's last event.
    """

    running: Sequence[AgentName] = ()
    completed: Sequence[AgentName] = ()
    failed: Sequence[AgentName] = ()
    waiting: Sequence[AgentName] = ()
    skipped: Sequence[AgentName] = ()
    step: int = 0
    sequence: int = 0


class Ledger:
    """The standing of the agents of one run, brought forward by events.

    ``attempts`` are all of the run, ``orders`` the places of its agents in the plan. Since :meth:`saved`, ``changed``
    holds the attempts to write, in the order they may be written, ``outputs`` what to show, ``withdrawn`` whose output
    not to show any more, and ``log`` the events that changed anything. Events hold plain JSON that can be stored.
    """

    def __init__(
        self, standing: Standing, attempts: Iterable[AgentRunRow] = (), orders: Mapping[AgentName, int] | None = None
    ) -> None:
        self.running = dict.fromkeys(standing.running)
        self.completed = dict.fromkeys(standing.completed)
        self.failed = dict.fromkeys(standing.failed)
        self.waiting = dict.fromkeys(standing.waiting)
        self.skipped = dict.fromkeys(standing.skipped)
        self._lists = (self.running, self.completed, self.failed, self.waiting, self.skipped)
        self._places = {
            AgentStatus.COMPLETED: self.completed,
            AgentStatus.FAILED: self.failed,
            AgentStatus.SKIPPED: self.skipped,
        }
        self.step = standing.step
        self.sequence = standing.sequence
        self._orders = orders or {}
        self._rows: dict[AgentName, dict[Attempt, AgentRunRow]] = {}
        for row in sorted(attempts, key=lambda row: (row.agent_name, row.execution, row.attempt)):
            self._rows.setdefault(row.agent_name, {})[row.execution, row.attempt] = row
        self.saved()

    @property
    def rows(self) -> dict[tuple[AgentName, Attempt], AgentRunRow]:
        """All attempts."""
        return {(agent, key): row for agent, rows in self._rows.items() for key, row in rows.items()}

    def saved(self) -> None:
        """Take note that everything is written."""
        self.changed: dict[tuple[AgentName, Attempt], AgentRunRow] = {}
        self.outputs: dict[AgentName, Any] = {}
        self.withdrawn: dict[AgentName, None] = {}
        self.log: list[Mapping[str, Any]] = []

    @property
    def usage(self) -> dict[str, Any] | None:
        """What all attempts have used."""
        return total_usage(row.usage for rows in self._rows.values() for row in rows.values())

    def attempts(self, agent: AgentName) -> list[AgentRunRow]:
        """Give the attempts of an agent, the latest one last."""
        return sorted(self._rows.get(agent, {}).values(), key=attrgetter("place"))

    def latest(self, agent: AgentName) -> AgentRunRow | None:
        """Give the latest attempt of an agent."""
        return max(self._rows.get(agent, {}).values(), key=attrgetter("place"), default=None)

    def take(self, events: Iterable[Event]) -> None:
        """Bring the standing forward by ``events``, in their order."""
        for event in events:
            agent = AgentName(event["agent"])
            self.step = max(self.step, self._orders.get(agent, 0))
            match event["event"]:
                case "agent_started":
                    new = self._start(agent, event)
                case "attempt_failed":
                    new = self._fail(agent, event)
                case "agent_warning":
                    new = True  # changes nothing but the log
                case "agent_interrupted":
                    new = self._interrupt(agent, event)
                case "agent_ended":
                    new = self._end(agent, event)
            if new:
                self._log(event)

    def stop(self, status: AgentStatus, at: datetime, why: str) -> None:
        """Let all attempts end that go on: as ``interrupted``, or as ``cancelled``; their agents wait once more."""
        for agent in list(self.running):
            self._move(agent, self.waiting)
        for row in [row for row in self.rows.values() if row.status is AgentStatus.RUNNING]:
            self._write(replace(row, status=status, ended_at=max(at, row.started_at or at), reason=why))

    def reopen(self, agent: AgentName, at: datetime, why: str) -> None:
        """Let an agent wait once more whose end, or whose start, the checkpoint does not know."""
        self._cut_off(agent, at, why)
        self._move(agent, self.waiting)
        self.log.append({"event": "agent_reopened", "agent": agent, "at": timestamp(at), "reason": why})

    def reconcile(self, records: Mapping[AgentName, AgentRecord], at: datetime, *, resumed: bool) -> None:
        """Make the standing that of a checkpoint which holds ``records``; agents without one have not ended.

        Agents that run are left alone, unless the run is being ``resumed``.
        """
        for agent in [agent for ended in self._places.values() for agent in ended]:
            if agent not in records:
                self.reopen(agent, at, _NOT_STORED)
            elif self._last_row(agent, records[agent])[0] is None:
                self.reopen(agent, at, _RAN_AGAIN)
        for agent in [agent for agent in self.running if resumed and agent not in records]:
            self.reopen(agent, at, LEFT_BEHIND)
        listed = {*self.running, *self.waiting}
        for agent in self._orders:
            if agent not in records and agent not in listed:
                self._move(agent, self.waiting)
        self.take(
            AgentEnded(event="agent_ended", agent=agent, at=record["ended_at"], record=record)
            for agent, record in records.items()
        )

    def replan(self, records: Mapping[AgentName, AgentRecord], again: Mapping[AgentName, str], at: datetime) -> None:
        """Make the standing that of a run under another plan, which keeps ``records``; ``again`` says why others go.

        The ledger must know the places of the agents in the new plan. What agents did that are not in it stays.
        """
        listed = [agent for place in self._lists for agent in place]
        for agent in [agent for agent in listed if agent not in self._orders]:
            self._move(agent, None)
            for row in [row for row in self._rows.get(agent, {}).values() if row.status is AgentStatus.RUNNING]:
                self._write(replace(row, status=AgentStatus.INTERRUPTED, ended_at=at, reason=_NOT_PLANNED))
        for agent, why in again.items():
            self.reopen(agent, at, why)
        self.step = 0
        self.reconcile(records, at, resumed=True)
        self.outputs |= {agent: records[agent]["output"] for agent in self.completed}

    def _start(self, agent: AgentName, event: AgentStarted) -> bool:
        attempt, at = event["attempt"], moment(event["at"])
        execution = self._execution(agent)
        known = self._row(agent, execution, attempt)
        if known and known.started_at == at:
            return False
        if known or (attempt == 1 and self._rows.get(agent)):
            execution += 1
        self._cut_off(agent, at, _RAN_AGAIN)
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
        return True

    def _fail(self, agent: AgentName, event: AttemptFailed) -> bool:
        execution, at = self._execution(agent), moment(event["at"])
        row = self._row(agent, execution, event["attempt"])
        if row and row.status is not AgentStatus.RUNNING:
            return False
        self._close(
            AgentRunRow(
                agent_name=agent,
                execution=execution,
                attempt=event["attempt"],
                status=AgentStatus.FAILED,
                started_at=at,
                ended_at=at,
                error=dict(event["error"]),
            )
        )
        self._move(agent, self.failed if event["retry_in_seconds"] is None else self.waiting)
        return True

    def _interrupt(self, agent: AgentName, event: AgentInterrupted) -> bool:
        row = self._row(agent, self._execution(agent), event["attempt"])
        if row is None or row.status is not AgentStatus.RUNNING:
            return False
        self._close(
            replace(
                row,
                status=AgentStatus.INTERRUPTED,
                ended_at=moment(event["at"]),
                reason=event["reason"],
                usage=event["usage"],
            )
        )
        self._move(agent, self.waiting)
        return True

    def _end(self, agent: AgentName, event: AgentEnded) -> bool:
        record = event["record"]
        status = AgentStatus(record["status"])
        place = self._places.get(status)
        known, row = self._last_row(agent, record)
        if known and known.status is status and known.reason == row.reason and place is not None and agent in place:
            if known != row:
                self._write(row)
            return False
        self._close(row)
        self._move(agent, place)
        if status is AgentStatus.COMPLETED:
            self.outputs[agent] = record["output"]
        return True

    def _last_row(self, agent: AgentName, record: AgentRecord) -> tuple[AgentRunRow | None, AgentRunRow]:
        """Give the row of the attempt that ended with ``record``, as it is and as it must be.

        Of an attempt whose failure was told, the record only adds why no other one followed.
        """
        status = AgentStatus(record["status"])
        execution = self._execution_of(agent, record)
        known = self._row(agent, execution, record["attempts"])
        error = None if status is AgentStatus.COMPLETED or not record["error"] else dict(record["error"])
        reason = record["reason"] or ("no reason was given" if status is AgentStatus.SKIPPED else None)
        if known and known.status is AgentStatus.FAILED and status is AgentStatus.FAILED:
            return known, replace(known, error=error or known.error, reason=reason, usage=record["usage"])
        if known:
            started_at = known.started_at  # what was told counts, and the row need not be copied for it
        else:
            started_at = moment(record["started_at"] or record["ended_at"]) if record["attempts"] else None
        row = AgentRunRow(
            agent_name=agent,
            execution=execution,
            attempt=record["attempts"],
            status=status,
            started_at=started_at,
            ended_at=moment(record["ended_at"]),
            error=error,
            reason=reason,
            usage=record["usage"],
        )
        return known, self._bounded(row, known)

    def _execution_of(self, agent: AgentName, record: AgentRecord) -> int:
        """Give the execution that ended with ``record``: the one that began when it says, else one that nobody told of.

        The executions of a run that was cut off may have been written without their results, or not at all.
        """
        latest = self._execution(agent)
        if not record["attempts"] or not record["started_at"]:
            return latest
        start = moment(record["started_at"])
        if (row := self._row(agent, latest, 1)) and row.started_at == start:
            return latest  # nearly always; what follows is for runs that were cut off
        began = {row.execution: row.started_at for row in reversed(self._rows.get(agent, {}).values()) if row.attempt}
        if not began:
            return latest
        return next((execution for execution, at in began.items() if at == start), latest + 1)

    def _close(self, row: AgentRunRow) -> None:
        """Let an attempt end."""
        if row.ended_at:
            self._cut_off(row.agent_name, row.ended_at, _RAN_AGAIN, but=(row.execution, row.attempt))
        self._write(self._bounded(row, self._row(row.agent_name, row.execution, row.attempt)))

    def _bounded(self, row: AgentRunRow, known: AgentRunRow | None) -> AgentRunRow:
        """Give the row of an attempt that ends; its ``started_at`` counts only if its start was never told.

        Clocks are set back now and then: an attempt ends no earlier than it started.
        """
        start, end = known.started_at if known else row.started_at, row.ended_at
        if start == row.started_at and not (start and end and end < start):
            return row
        return replace(row, started_at=start, ended_at=max(end, start) if start and end else end)

    def _cut_off(self, agent: AgentName, at: datetime, why: str, but: Attempt | None = None) -> None:
        """Mark attempts that cannot be true any more: a run that was resumed does not have their results."""
        rows = self._rows.get(agent)
        if not rows or (len(rows) == 1 and but in rows):
            return
        for row in [row for key, row in rows.items() if key != but and row.status in _UNTRUE]:
            ended_at = row.ended_at or max(at, row.started_at or at)
            self._write(replace(row, status=_UNTRUE[row.status], ended_at=ended_at, reason=why))

    def _execution(self, agent: AgentName) -> int:
        rows = self._rows.get(agent)
        return max(rows)[0] if rows else 1

    def _row(self, agent: AgentName, execution: int, attempt: int) -> AgentRunRow | None:
        return self._rows.get(agent, {}).get((execution, attempt))

    def _write(self, row: AgentRunRow) -> None:
        key = (row.execution, row.attempt)
        self._rows.setdefault(row.agent_name, {})[key] = row
        self.changed.pop((row.agent_name, key), None)
        self.changed[row.agent_name, key] = row

    def _move(self, agent: AgentName, place: dict[AgentName, None] | None) -> None:
        """Put an agent at the end of one list and out of all others."""
        for others in self._lists:
            if others is not place:
                others.pop(agent, None)
        if place is not None:
            place.setdefault(agent)
        if place is not self.completed:
            self.outputs.pop(agent, None)
            self.withdrawn[agent] = None

    def _log(self, event: Mapping[str, Any]) -> None:
        """Keep an event as it was told, its time with an offset."""
        at = event["at"]
        self.log.append(event if at.endswith(_UTC) else {**event, "at": timestamp(moment(at))})
