"""What a mirror has to write about a run, in order: events of its agents, and what happens to the run itself."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg.errors import LockNotAvailable

from planner_graph.compiler.events import Event
from planner_graph.compiler.state import AgentRecord
from planner_graph.errors import (
    LeaseLostError,
    PlanMismatchError,
    PlannerGraphError,
    RunHeldError,
    RunNotResumableError,
)
from planner_graph.mirror.ledger import Ledger
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.redaction import redacted
from planner_graph.store import accepting, leases, transitions
from planner_graph.store.accepting import Acceptance
from planner_graph.store.leases import Lease
from planner_graph.store.plain import plain_json, preview
from planner_graph.store.queries import query
from planner_graph.store.transitions import Connection
from planner_graph.types import AgentName, RunId, RunStatus

log = logging.getLogger(__name__)

LARGEST_NOTE = 10_000
"""Characters of JSON that the log keeps of each thing in a note, a question to a person for example."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False, kw_only=True, slots=True)
class Track:
    """One run as a mirror follows it.

    ``plan`` and ``ledger``, which is what the tables said last, are there for as long as the run is followed and nobody
    else writes its tables. ``told`` counts the entries, ``written`` those that are in the tables, ``lost`` those that
    never will be, for the reason ``problem``; ``held`` is the error to end the run with if another process has it, or
    it is gone. ``place`` is the thread, and where in it the run is. ``lease`` is the right to write it: that of the
    process that executes it, or the mirror's ``own``.
    """

    run_id: RunId
    plan: ExecutionPlan | None
    thread_id: str | None
    place: str | None = None
    lease: Lease | None = None
    own: bool = False
    ledger: Ledger | None = None
    told: int = 0
    written: int = 0
    lost: int = 0
    problem: str | None = None
    held: RunHeldError | LeaseLostError | None = None

    @property
    def names(self) -> set[str]:
        """By what the same run is known in other invocations."""
        return {self.run_id, self.place} if self.place else {self.run_id}

    def leave(self) -> None:
        """Keep nothing but the counts."""
        self.plan = self.ledger = None

    def refuse(self, error: PlannerGraphError) -> None:
        """Take note that nothing more of this run can be written."""
        self.problem = redacted(str(error))
        if isinstance(error, RunHeldError | LeaseLostError):
            self.held = error

    def lose(self, entries: int, problem: str) -> None:
        """Take note that entries will never be in the tables, nor any that follow them."""
        if not self.lost:
            log.warning("the tables do not follow run %s any more: %s", self.run_id, redacted(problem))
        self.lost += entries
        self.problem = self.problem or redacted(problem)


@dataclass(frozen=True, kw_only=True, slots=True)
class Begin:
    """A run begins, or goes on: it is found by its id or its thread, else accepted."""

    acceptance: Acceptance
    fresh: bool
    named: bool
    at: datetime = field(default_factory=_now)

    async def apply(self, conn: Connection, track: Track) -> None:
        """Make the run a running one; ``track`` gets the id under which it is known.

        Raises:
            RunHeldError: a process executes it.
            RunNotResumableError: it has ended, or its thread is another run's.
            PlanMismatchError: it was accepted with another plan.
        """
        found = await self._find(conn, track)
        if found is None:
            await accepting.accept(conn, track.run_id, self.acceptance, at=self.at)
        elif found["plan_hash"] != self.acceptance.plan.hash:
            raise PlanMismatchError(checkpoint_hash=found["plan_hash"], plan_hash=self.acceptance.plan.hash)
        lease = await leases.try_acquire(conn, track.run_id)
        if lease is None:  # its holder has just died: in a moment that is certain
            raise LockNotAvailable(f"run {track.run_id} may still be held by another process")
        track.lease, track.own = lease, True
        await transitions.start(conn, track.run_id, token=lease.token, at=self.at, works=self.acceptance.works)

    async def _find(self, conn: Connection, track: Track) -> Mapping[str, Any] | None:
        if self.named:
            cursor = await conn.execute(query("get_pinned_plan"), {"run_id": track.run_id})
            if found := await cursor.fetchone():
                return found
        thread = {"thread_id": self.acceptance.thread_id, "run_id": track.run_id}
        if self.acceptance.thread_id is None:
            return None
        if self.fresh:  # new input on a thread begins a new run; what was left of the one before is its history
            await conn.execute(query("release_thread"), thread)
            return None
        found = await (await conn.execute(query("find_run_of_thread"), thread)).fetchone()
        if found:
            other = RunId(str(found["workflow_execution_id"]))
            if self.named:
                raise RunNotResumableError(track.run_id, f"what goes on in its thread is run {other}")
            track.run_id = other
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A run goes on from a checkpoint that holds these records."""

    records: Mapping[AgentName, AgentRecord]


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Something worth logging that changes nothing."""

    event: str
    data: Mapping[str, Any]
    at: datetime = field(default_factory=_now)

    async def apply(self, conn: Connection, track: Track) -> None:
        """Log it."""
        data = {key: preview(plain_json(value), LARGEST_NOTE) for key, value in self.data.items()}
        await transitions.lock(conn, track.run_id)
        await transitions.log(conn, track.run_id, self.event, data, at=self.at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """Nobody executes the run for now."""

    reason: str
    at: datetime = field(default_factory=_now)

    async def apply(self, conn: Connection, track: Track) -> None:
        """Pause the run, and let others have it."""
        await transitions.pause(conn, track.run_id, self.reason, at=self.at)
        await _let_go(conn, track)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finish:
    """The run has ended."""

    status: RunStatus
    result: Mapping[str, Any]
    at: datetime = field(default_factory=_now)

    async def apply(self, conn: Connection, track: Track) -> None:
        """Let the run end, and let it go."""
        await transitions.finish(conn, track.run_id, self.status, self.result, ended_at=self.at)
        await _let_go(conn, track)


async def _let_go(conn: Connection, track: Track) -> None:
    if track.lease is not None:
        await leases.release(conn, track.lease)


Change = Begin | Note | Pause | Finish
"""Concerns the run itself."""

Entry = Event | Known | Change
