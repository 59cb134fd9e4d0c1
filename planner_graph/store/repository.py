"""Everything the program asks of its tables about runs: accept, follow, end, find."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from psycopg.rows import DictRow

from planner_graph.campaign import Campaign
from planner_graph.errors import CampaignNotFoundError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store import accepting, answers, control, idempotency, leases, reading, transitions
from planner_graph.store.accepting import Acceptance
from planner_graph.store.answers import GivenAnswer
from planner_graph.store.commands import Answer, Command
from planner_graph.store.database import Database
from planner_graph.store.idempotency import KeyedRequest
from planner_graph.store.leases import Holder
from planner_graph.store.listing import Cursor, Listed, Wanted
from planner_graph.store.plain import exact_number
from planner_graph.store.queries import query
from planner_graph.store.rows import AgentRunRow, EventRow, Mark, RunRow, Vitals
from planner_graph.store.transitions import Connection
from planner_graph.types import AgentName, RunId, RunStatus

BeforeAccepted = Callable[[Connection, RunId], Awaitable[None]]
"""Writes what belongs to a run that is about to be accepted, in the same transaction."""

OnceAccepted = Callable[[Connection, RunId], Awaitable[None]]
"""Writes what belongs to a run that has just been accepted, in the same transaction."""


class Repository:
    """Runs in a database. Each method is one transaction; ids are full ids unless it says otherwise.

    Every method that is given the id of no run raises :class:`RunNotFoundError`, and every method that is given the
    ``token`` of a lease raises :class:`LeaseLostError` if another process holds the run by now.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    async def accept_run(  # noqa: PLR0913  # options, all by keyword
        self,
        run_id: RunId,
        campaign: Campaign,
        plan: ExecutionPlan,
        *,
        agents_reference: str | None = None,
        output_folder: str | None = None,
        origin: Mapping[str, Any] | None = None,
        works: Mapping[AgentName, str] | None = None,
        first: BeforeAccepted | None = None,
        then: OnceAccepted | None = None,
    ) -> None:
        """Store campaign and plan as a pending run: all of it or nothing; see :class:`accepting.Acceptance`.

        What ``first`` and ``then`` write belongs to it; what they raise keeps the run from being stored.
        """
        given = Acceptance(
            campaign=campaign,
            plan=plan,
            agents_reference=agents_reference,
            output_folder=output_folder,
            origin=origin or {},
            works=works or {},
        )
        async with self._transaction() as conn:
            if first is not None:
                await first(conn, run_id)
            await accepting.accept(conn, run_id, given)
            if then is not None:
                await then(conn, run_id)

    async def start_run(
        self,
        run_id: RunId,
        *,
        expecting: RunStatus | None = None,
        token: int | None = None,
        works: Mapping[AgentName, str] | None = None,
    ) -> RunStatus:
        """Set a run running, or again running; agents that a process left behind as running wait once more.

        ``works`` says what will do the work of its agents. Gives the status it has now; see :func:`transitions.start`.

        Raises:
            RunNotResumableError: it has ended.
        """
        async with self._transaction() as conn:
            return await transitions.start(conn, run_id, expecting=expecting, token=token, works=works)

    async def pause_run(self, run_id: RunId, reason: str, *, token: int | None = None) -> RunStatus:
        """Say that nobody executes the run for now; agents still running were interrupted and wait once more.

        Gives the status it has now: cancelled if that was asked for meanwhile; see :func:`transitions.pause`.

        Raises:
            RunEndedError: it has ended otherwise.
        """
        async with self._transaction() as conn:
            return await transitions.pause(conn, run_id, reason, token)

    async def finish_run(
        self,
        run_id: RunId,
        status: RunStatus,
        result: Mapping[str, Any] | None,
        reason: str | None = None,
        *,
        token: int | None = None,
    ) -> None:
        """Let a run end; saying the same again changes nothing.

        Raises:
            RunEndedError: it has ended otherwise.
            ValueError: in ``status`` a run has not ended.
        """
        async with self._transaction() as conn:
            await transitions.finish(conn, run_id, status, result, reason, token=token)

    async def command(self, run_id: RunId, command: Command, *, by: str, reason: str | None = None) -> Answer:
        """Ask for a run to be paused, resumed or cancelled; what is asked for a second time changes nothing.

        A process that executes the run hears of it within a second. ``by`` is who asks.

        Raises:
            CommandRefusedError: in its state this cannot be done.
        """
        async with self._transaction() as conn:
            return await control.command(conn, run_id, command, by=by, reason=reason)

    async def take_answers(
        self, run_id: RunId, interrupt_ids: Collection[str], *, token: int
    ) -> dict[str, GivenAnswer]:
        """Give the answers to these questions, by their ids; see :func:`answers.take`."""
        async with self._transaction() as conn:
            return await answers.take(conn, run_id, interrupt_ids, token)

    async def take_or_pause(
        self, run_id: RunId, interrupt_ids: Collection[str], reason: str, *, known: Collection[str], token: int
    ) -> tuple[RunStatus, dict[str, GivenAnswer]]:
        """Go on with answers, or pause; see :func:`answers.take_or_pause`.

        Raises:
            RunEndedError: the run has ended.
        """
        async with self._transaction() as conn:
            return await answers.take_or_pause(conn, run_id, interrupt_ids, reason, known=known, token=token)

    async def answers(self, run_id: RunId) -> dict[str, GivenAnswer]:
        """Give all answers that people gave in a run, by the questions' ids."""
        async with self._connection() as conn:
            return await answers.of_run(conn, run_id)

    async def holders(self, runs: Iterable[RunId]) -> dict[RunId, Holder]:
        """Give who executes which of these runs; those that nobody does are left out."""
        async with self._connection() as conn:
            return await leases.holders(conn, runs)

    async def get_run(self, run_id: str) -> RunRow:
        """Give the run with this id, or the one whose id begins with these (at least four) digits.

        Raises:
            AmbiguousRunError: more than one does.
        """
        async with self._connection() as conn:
            return await reading.find_run(conn, run_id)

    async def mark(self, run_id: str) -> Mark:
        """Give what tells whether a report on a run is still true; ``run_id`` as for :meth:`get_run`."""
        async with self._connection() as conn:
            return await reading.mark(conn, run_id)

    async def list_runs(self, limit: int = 20, status: RunStatus | None = None) -> list[RunRow]:
        """Give the latest runs, latest first; with ``status``, only those in it."""
        if status is None:
            rows = await self._fetch("list_runs", {"limit": limit})
        else:
            rows = await self._fetch("list_runs_in_status", {"limit": limit, "status": status.value})
        return [RunRow.of(row) for row in rows]

    async def find_runs(self, wanted: Wanted, limit: int = 50, after: Cursor | None = None) -> list[Listed]:
        """Give the latest runs that are wanted, latest first; with ``after``, those that come after it in the list."""
        return [Listed.of(row) for row in await self._fetch("find_runs", wanted.values(limit, after))]

    async def listed(self, run_ids: Collection[RunId], *, with_result: bool = False) -> list[Listed]:
        """Give these runs as the list shows them, latest first; ids of no run are left out."""
        values = {"run_ids": list(run_ids), "with_result": with_result, "silence": leases.SILENCE_SECONDS}
        return [Listed.of(row) for row in await self._fetch("list_these_runs", values)]

    async def lately_changed(self, seconds: float) -> list[RunId]:
        """Give the runs of which something was written within so many seconds, by the database's clock."""
        rows = await self._fetch("list_lately_changed", {"seconds": seconds})
        return [RunId(str(row["workflow_execution_id"])) for row in rows]

    async def count_open_runs(self) -> dict[RunStatus, int]:
        """Give how many runs have not ended, by status."""
        return {RunStatus(row["status"]): row["runs"] for row in await self._fetch("count_open_runs", {})}

    async def run_ids(self) -> list[RunId]:
        """Give the ids of all runs, oldest first."""
        return [RunId(str(row["workflow_execution_id"])) for row in await self._fetch("list_run_ids", {})]

    async def agent_runs(self, run_id: RunId) -> list[AgentRunRow]:
        """Give all attempts of all agents of a run, in the order they started."""
        async with self._connection() as conn:
            return await reading.agent_runs(conn, run_id)

    async def vitals(self, run_id: RunId) -> Vitals:
        """Give the signs of life of a run."""
        async with self._connection() as conn:
            return await reading.vitals(conn, run_id)

    async def left_behind(self) -> list[RunId]:
        """Give the runs that are to go on but that no living process executes, oldest first.

        Those that were accepted or changed only a moment ago are left out: somebody is about to execute them.
        """
        rows = await self._fetch("list_left_behind", {"silence": leases.SILENCE_SECONDS})
        return [RunId(str(row["workflow_execution_id"])) for row in rows]

    async def load_plan(self, run_id: RunId, *, verify: bool = True) -> ExecutionPlan:
        """Give the plan that a run has; to ``verify`` it takes longer than to read it.

        Raises:
            PlanMismatchError: the stored plan is not the one it was; its hash tells.
        """
        async with self._connection() as conn:
            return await reading.load_plan(conn, run_id, verify=verify)

    async def load_campaign(self, run_id: RunId) -> Campaign:
        """Give the campaign as the run accepted it, even if it was changed since."""
        async with self._connection() as conn:
            return await reading.load_campaign(conn, run_id)

    async def started_by(self, request: KeyedRequest) -> RunId | None:
        """Give the run that a request has started before; see :func:`idempotency.find`.

        Raises:
            KeyReusedError: another request has used its key.
        """
        async with self._transaction() as conn:
            return await idempotency.find(conn, request)

    async def store_campaign(self, campaign: Campaign) -> None:
        """Store a campaign, in place of the one of the same id."""
        async with self._transaction() as conn:
            await accepting.store_campaign(conn, campaign)

    async def stored_campaign(self, campaign: str) -> Campaign:
        """Give the campaign with this id.

        Raises:
            CampaignNotFoundError: there is none.
        """
        rows = await self._fetch("get_stored_campaign", {"campaign_key": campaign})
        if not rows:
            raise CampaignNotFoundError(campaign)
        return Campaign.model_validate(json.loads(rows[0]["campaign"], parse_int=exact_number))

    async def outputs(self, run_id: RunId) -> dict[AgentName, Any]:
        """Give the outputs of a run's agents as the live table shows them, the large ones cut short."""
        async with self._connection() as conn:
            return await reading.outputs(conn, run_id)

    async def events(self, run_id: RunId, after: int = 0, limit: int = 1_000) -> list[EventRow]:
        """Give the events of a run that came after the one with this sequence number, in order."""
        async with self._connection() as conn:
            return await reading.events(conn, run_id, after, limit)

    def _connection(self) -> AbstractAsyncContextManager[Connection]:
        return self.database.pool.connection()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._connection() as conn, conn.transaction():
            yield conn

    async def _fetch(self, name: str, values: Mapping[str, Any]) -> list[DictRow]:
        async with self._connection() as conn:
            return await (await conn.execute(query(name), values)).fetchall()
