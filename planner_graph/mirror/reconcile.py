"""Makes the tables of runs equal to their checkpoints, which are the truth: whatever a mirror lost is mended here."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from planner_graph.compiler.events import moment, pause_reason
from planner_graph.errors import CheckpointFault, CheckpointUnreadableError, PlannerGraphError, RunHeldError
from planner_graph.mirror import differences, tables
from planner_graph.mirror.checkpoint import CheckpointState, read_checkpoint
from planner_graph.mirror.differences import Difference, Said
from planner_graph.mirror.ledger import Ledger
from planner_graph.mirror.previews import lean_record
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.store import leases, transitions
from planner_graph.store.database import Database
from planner_graph.store.plain import as_read, plain_json
from planner_graph.store.queries import query
from planner_graph.store.repository import Repository
from planner_graph.store.transitions import Connection
from planner_graph.types import RunId, RunStatus

LEFT_BEHIND = "its process ended; resume it to go on"
"""Why a run is paused that said it was running while nobody executed it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconciliation:
    """What came of comparing the tables of a run with its checkpoint.

    ``written`` tells whether they were made equal. ``remark`` says why a run was rightly left alone, ``problem`` why it
    could not be compared, and ``problem_code``, if that is its checkpoint, what is wrong with that.
    """

    run_id: RunId
    differences: tuple[Difference, ...] = ()
    written: bool = False
    remark: str | None = None
    problem: str | None = None
    problem_code: CheckpointFault | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be done."""
        open_ones = [difference for difference in self.differences if not (self.written and difference.repairable)]
        return self.problem is None and not open_ones


async def reconcile(
    database: Database, run: str, *, dry_run: bool = False, settings: MirrorSettings | None = None
) -> Reconciliation:
    """Make the tables of a run, given by its id or the beginning of it, equal to its checkpoint.

    A run that says it is running, but that nobody executes, is paused. What differed is logged as ``run_reconciled``.
    With ``dry_run`` everything is left as it is. ``settings`` says how much of large outputs to show.

    Raises:
        RunNotFoundError: there is no such run.
        AmbiguousRunError: there is more than one.
        RunHeldError: a living process is executing it.
        PlanMismatchError: the stored plan is damaged, or the checkpoint was written by another one.
    """
    repository = Repository(database)
    run_id = (await repository.get_run(run)).run_id
    async with database.pool.connection() as conn, _held(conn, run_id):
        state = await read_checkpoint(database, run_id)
        settings = settings or MirrorSettings()
        async with conn.transaction(force_rollback=dry_run):
            found = await _Comparison(conn, state, settings).settle()
    return replace(found, written=False) if dry_run else found


async def reconcile_all(
    database: Database, *, dry_run: bool = False, settings: MirrorSettings | None = None
) -> list[Reconciliation]:
    """Make the tables of all runs equal to their checkpoints, oldest first; a fault of one run stops no other."""
    found = []
    for run_id in await Repository(database).run_ids():
        try:
            found.append(await reconcile(database, run_id, dry_run=dry_run, settings=settings))
        except RunHeldError:
            found.append(Reconciliation(run_id=run_id, remark="another process is executing it"))
        except CheckpointUnreadableError as error:
            found.append(Reconciliation(run_id=run_id, problem=str(error), problem_code=error.code))
        except PlannerGraphError as error:
            found.append(Reconciliation(run_id=run_id, problem=str(error)))
    return found


@asynccontextmanager
async def _held(conn: Connection, run_id: RunId) -> AsyncIterator[None]:
    """Hold a run for as long as the block lasts."""
    lease = await leases.acquire(conn, run_id)
    try:
        yield
    finally:
        await leases.release(conn, lease)


class _Comparison:
    """One run within one transaction."""

    def __init__(self, conn: Connection, state: CheckpointState, settings: MirrorSettings) -> None:
        self.conn = conn
        self.state = state
        self.run_id = state.run_id
        limit = settings.preview_of_each(len(state.plan.steps))
        self.records = {
            agent: lean_record(record, agent, limit, state.thread_id, state.plan.secrets)
            for agent, record in sorted(state.records.items(), key=lambda item: item[1]["ended_at"])
        }

    async def settle(self) -> Reconciliation:
        """Compare, and write what differs."""
        await transitions.lock(self.conn, self.run_id)
        said = Said.of(await self._said())
        remark = self._nothing_to_compare_with(said)
        found = [difference for difference in [self._status_difference(said)] if difference]
        ledger = (await tables.load(self.conn, [self.run_id]))[self.run_id]
        if remark is None and all(difference.repairable for difference in found):
            found += self._agents_differences(said, ledger)
        written = any(difference.repairable for difference in found)
        if written:
            await self._write(said, ledger, found)
        return Reconciliation(run_id=self.run_id, differences=tuple(found), written=written, remark=remark)

    async def _said(self) -> Mapping[str, Any]:
        cursor = await self.conn.execute(query("get_said"), {"run_id": self.run_id})
        return await cursor.fetchone() or {}

    def _nothing_to_compare_with(self, said: Said) -> str | None:
        """Say why the agents are left as they are.

        A run on its own thread that has no checkpoint starts from the beginning when it is resumed. One on a thread
        that somebody else named may have its checkpoints in another place.
        """
        if self.state.begun or said.status is RunStatus.PENDING:
            return None
        if self.state.removed_at:
            return f"its checkpoint was removed on {self.state.removed_at:%Y-%m-%d}, after it had ended"
        if said.status.ended:
            return "its checkpoint is gone, as it may be of a run that has ended"
        if not self.state.own:
            return f"there is no checkpoint of thread {self.state.thread_id!r} in this database"
        return None

    def _status_difference(self, said: Said) -> Difference | None:
        true = self._true_status(said)
        if true is None:
            return None
        if true is said.status:
            result = plain_json(self.state.result)
            if self.state.result is None or said.result in (result, as_read(result)):
                return None
            shown = [differences.short(value) for value in (said.result, result)]
            return Difference(agent=None, field="result", table=shown[0], checkpoint=shown[1])
        repairable = not said.status.ended or self.state.result is not None
        return Difference(
            agent=None, field="status", table=said.status.value, checkpoint=true.value, repairable=repairable
        )

    def _true_status(self, said: Said) -> RunStatus | None:
        """Give the status that the run must have; ``None`` if nobody can know better than the tables."""
        status = said.status
        if status is RunStatus.CANCELLED:  # somebody decided so, however far the run was
            return None
        if self.state.result is not None:
            return RunStatus(self.state.result["status"])
        if status.ended:
            return RunStatus.PAUSED if self.state.begun else None
        if status is RunStatus.CANCELLING:
            return RunStatus.CANCELLED
        going_on = status.going_on or (status is RunStatus.PENDING and self.state.begun)
        return RunStatus.PAUSED if going_on else None

    def _agents_differences(self, said: Said, ledger: Ledger) -> Iterator[Difference]:
        """Bring the ledger to what the checkpoint says, and give what that changes."""
        before = ledger.rows
        ledger.reconcile(self.records, datetime.now(UTC), resumed=True)
        if said.status.ended:
            ledger.waiting.clear()  # in a run that was cancelled nobody waits
        agents = list(self.state.plan.by_agent)
        yield from differences.standing_differences(said, ledger, agents)
        yield from differences.attempt_differences(said, before, ledger)
        true = differences.standings(ledger)
        moved = {agent for agent in agents if said.standings.get(agent) != true.get(agent)}
        for difference in differences.output_differences(said, self.state):
            agent = difference.agent
            if agent is None or agent in moved:  # an agent that has moved shows another output, or none any more
                continue
            if agent in self.records and difference.checkpoint is not None:
                ledger.outputs[agent] = self.records[agent]["output"]
            ledger.withdrawn[agent] = None
            yield difference

    async def _write(self, said: Said, ledger: Ledger, found: list[Difference]) -> None:
        await tables.save(self.conn, {self.run_id: ledger}, always=True)
        true, result = self._true_status(said), self.state.result
        if result is not None and true is not None:
            if said.status.ended:
                await transitions.amend(self.conn, self.run_id, true, result)
            else:
                last = max((moment(record["ended_at"]) for record in self.records.values()), default=None)
                await transitions.finish(self.conn, self.run_id, true, result, ended_at=last)
        elif true is RunStatus.CANCELLED:
            reason = "its process ended while it was being cancelled"
            await transitions.finish(self.conn, self.run_id, true, None, reason)
        elif true is RunStatus.PAUSED and not said.status.ended:
            await transitions.pause(self.conn, self.run_id, self._why_paused())
        told = [difference.as_json() for difference in found]
        await transitions.log(self.conn, self.run_id, "run_reconciled", {"differences": told})

    def _why_paused(self) -> str:
        asking = [question.agent for question in self.state.questions]
        return pause_reason(asking) if asking else LEFT_BEHIND
