"""Everything the program asks of its tables about runs: accept, follow, end, find."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from planner_graph.campaign import Campaign
from planner_graph.compiler.events import Event
from planner_graph.errors import (
    AmbiguousRunError,
    PlanMismatchError,
    RunEndedError,
    RunNotFoundError,
    RunNotResumableError,
)
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store import accepting
from planner_graph.store.database import Database
from planner_graph.store.ledger import Ledger, Standing
from planner_graph.store.plain import exact_number, plain_json
from planner_graph.store.queries import query
from planner_graph.store.rows import AgentRunRow, RunRow, in_utc
from planner_graph.text import storable
from planner_graph.types import AgentStatus, RunId, RunStatus

SHORTEST_PREFIX = 4
"""Fewest digits of a run's id by which it may be named."""

_DIGITS = 32


class Repository:
    """Runs in a database. Each method is one transaction; ids are full ids unless it says otherwise.

    Every method that is given the id of no run raises :class:`RunNotFoundError`.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def exclusive(self, run_id: RunId) -> AbstractAsyncContextManager[bool]:
        """Hold a run for as long as the ``async with`` block lasts; gives ``False`` if someone else holds it."""
        return self.database.locks.exclusive(run_id)

    async def accept_run(  # noqa: PLR0913  # each is a column of its own
        self,
        run_id: RunId,
        campaign: Campaign,
        plan: ExecutionPlan,
        *,
        agents_reference: str | None = None,
        output_folder: str | None = None,
        reasoning: str,
    ) -> None:
        """Store campaign and plan as a pending run: all of it or nothing.

        ``agents_reference`` says where the bodies come from (``module:attribute``), for whoever resumes the run.
        """
        async with self.database.pool.connection() as conn, conn.transaction(), conn.cursor() as cur:
            campaign_id = await _id_of(cur, "upsert_campaign", accepting.campaign_values(campaign))
            await cur.execute(query("delete_campaign_tasks"), {"campaign_id": campaign_id})
            await cur.executemany(query("insert_campaign_task"), accepting.task_values(campaign, campaign_id))
            values = accepting.plan_values(run_id, campaign, plan) | {
                "campaign_id": campaign_id,
                "agents_reference": agents_reference and storable(agents_reference),
                "output_folder": output_folder and storable(output_folder),
                "reasoning": storable(reasoning),
            }
            plan_id = await _id_of(cur, "insert_plan", values)
            await cur.executemany(query("insert_agent_dependency"), accepting.dependency_values(plan, plan_id))
            await cur.execute(query("insert_live_state"), accepting.live_values(run_id, plan, plan_id))

    async def start_run(self, run_id: RunId) -> None:
        """Set a run running, or again running; agents that a process left behind as running wait once more.

        Raises:
            RunNotResumableError: it has ended.
        """
        async with self.database.pool.connection() as conn, conn.transaction():
            status = await _lock(conn, run_id)
            if status.ended:
                raise RunNotResumableError(run_id, f"it has ended as {status.value!r}")
            await _stop_agents(conn, run_id, AgentStatus.INTERRUPTED, "its process ended before it did")
            await conn.execute(query("pause_live_state"), {"run_id": run_id})
            await conn.execute(query("start_run"), {"run_id": run_id})
            await conn.execute(query("start_live_state"), {"run_id": run_id})

    async def pause_run(self, run_id: RunId, reason: str) -> None:
        """Say that nobody executes the run for now; agents still running were interrupted and wait once more.

        Raises:
            RunEndedError: it has ended.
        """
        reason = storable(reason)
        async with self.database.pool.connection() as conn, conn.transaction():
            status = await _lock(conn, run_id)
            if status.ended:
                raise RunEndedError(run_id, status.value)
            await _stop_agents(conn, run_id, AgentStatus.INTERRUPTED, reason)
            await conn.execute(query("pause_live_state"), {"run_id": run_id})
            await conn.execute(query("pause_run"), {"run_id": run_id, "reason": reason})

    async def finish_run(
        self, run_id: RunId, status: RunStatus, result: Mapping[str, Any] | None, reason: str | None = None
    ) -> None:
        """Let a run end; saying the same again changes nothing.

        Raises:
            RunEndedError: it has ended otherwise.
            ValueError: in ``status`` a run has not ended.
        """
        if not status.ended:
            raise ValueError(f"a run does not end as {status.value!r}; use pause_run() or start_run()")
        async with self.database.pool.connection() as conn, conn.transaction():
            before = await _lock(conn, run_id)
            if before is status:
                return
            if before.ended:
                raise RunEndedError(run_id, before.value)
            stopped = AgentStatus.CANCELLED if status is RunStatus.CANCELLED else AgentStatus.INTERRUPTED
            await _stop_agents(conn, run_id, stopped, f"the run ended as {status.value!r}")
            await conn.execute(query("finish_live_state"), {"run_id": run_id})
            values = {
                "run_id": run_id,
                "status": status.value,
                "reason": reason and storable(reason),
                "result": None if result is None else Jsonb(plain_json(result)),
            }
            await conn.execute(query("finish_run"), values)

    async def record_events(self, run_id: RunId, events: Sequence[Event]) -> None:
        """Bring the tables forward by what the agents of a run did, in the order of ``events``.

        The same events given again change nothing.
        """
        agents = list(dict.fromkeys(event["agent"] for event in events))
        async with self.database.pool.connection() as conn, conn.transaction():
            ledger = await _open_ledger(conn, run_id, agents)
            ledger.take(events)
            async with conn.cursor() as cur:
                await cur.executemany(query("write_agent_run"), _attempt_values(run_id, ledger))
            lists = {
                "run_id": run_id,
                "step": ledger.step,
                "running": list(ledger.running),
                "completed": list(ledger.completed),
                "failed": list(ledger.failed),
                "waiting": list(ledger.waiting),
                "withdrawn": [agent for agent in agents if agent not in ledger.completed],
                "outputs": Jsonb(ledger.outputs),
            }
            await conn.execute(query("write_live_state"), lists)
            await conn.execute(query("write_plan_progress"), lists)

    async def get_run(self, run_id: str) -> RunRow:
        """Give the run with this id, or the one whose id begins with these (at least four) digits.

        Raises:
            AmbiguousRunError: more than one does.
        """
        digits = run_id.replace("-", "").lower()
        if not SHORTEST_PREFIX <= len(digits) <= _DIGITS or not set(digits) <= set("0123456789abcdef"):
            raise RunNotFoundError(run_id)
        bounds = {
            "lowest": uuid.UUID(digits.ljust(_DIGITS, "0")),
            "highest": uuid.UUID(digits.ljust(_DIGITS, "f")),
        }
        rows = await self._fetch("get_run", bounds)
        if not rows:
            raise RunNotFoundError(run_id)
        if len(rows) > 1:
            raise AmbiguousRunError(run_id, [str(row["workflow_execution_id"]) for row in rows])
        return RunRow.of(rows[0])

    async def list_runs(self, limit: int = 20, status: RunStatus | None = None) -> list[RunRow]:
        """Give the latest runs, latest first; with ``status``, only those in it."""
        if status is None:
            rows = await self._fetch("list_runs", {"limit": limit})
        else:
            rows = await self._fetch("list_runs_in_status", {"limit": limit, "status": status.value})
        return [RunRow.of(row) for row in rows]

    async def get_progress(self, run_id: RunId) -> dict[str, Any]:
        """Give how far a run is, as plain JSON.

        ``progress_percentage`` is the share of agents that completed; skipped agents are in no list and no count but
        the total.
        """
        row = await self._one("get_progress", run_id)
        agents: dict[str, list[str]] = {
            "running": row["current_agents_running"],
            "completed": row["completed_agents"],
            "failed": row["failed_agents"],
            "waiting": row["waiting_agents"],
        }
        total = row["total_agents"]
        start, end = in_utc(row["start_time"]), in_utc(row["estimated_completion_time"])
        return {
            "workflow_execution_id": run_id,
            "status": row["status"],
            "current_step": row["current_step"],
            "progress_percentage": 100 * len(agents["completed"]) // total if total else 0,
            "agents_status": agents,
            "execution_info": {
                "start_time": start.isoformat() if start else None,
                "estimated_completion": end.isoformat() if end else None,
                "strategy": row["execution_strategy"],
                "total_agents": total,
            },
            "counts": {"total": total, **{state: len(names) for state, names in agents.items()}},
        }

    async def agent_runs(self, run_id: RunId) -> list[AgentRunRow]:
        """Give all attempts of all agents of a run, in the order they started."""
        rows = await self._fetch("get_agent_runs", {"run_id": _valid(run_id)})
        if not rows:
            await self._one("get_progress", run_id)
        return [AgentRunRow.of(row) for row in rows]

    async def load_plan(self, run_id: RunId) -> ExecutionPlan:
        """Give the plan that a run was accepted with.

        Raises:
            PlanMismatchError: the stored plan is not the one it was; its hash tells.
        """
        row = await self._one("get_plan", run_id)
        plan = ExecutionPlan.model_validate(json.loads(row["plan"], parse_int=exact_number))
        if plan.hash != row["plan_hash"]:
            raise PlanMismatchError(checkpoint_hash=row["plan_hash"], plan_hash=plan.hash)
        return plan

    async def load_campaign(self, run_id: RunId) -> Campaign:
        """Give the campaign as the run accepted it, even if it was changed since."""
        row = await self._one("get_campaign", run_id)
        return Campaign.model_validate(json.loads(row["campaign"], parse_int=exact_number))

    async def _fetch(self, name: str, values: Mapping[str, Any]) -> list[DictRow]:
        async with self.database.pool.connection() as conn:
            cursor = await conn.execute(query(name), values)
            return await cursor.fetchall()

    async def _one(self, name: str, run_id: RunId) -> DictRow:
        rows = await self._fetch(name, {"run_id": _valid(run_id)})
        if not rows:
            raise RunNotFoundError(run_id)
        return rows[0]


async def _id_of(cur: AsyncCursor[DictRow], name: str, values: Mapping[str, Any]) -> uuid.UUID:
    """Insert a row and give its id."""
    await cur.execute(query(name), values)
    row = await cur.fetchone() or {}
    return uuid.UUID(str(row["id"]))


async def _lock(conn: AsyncConnection[DictRow], run_id: RunId) -> RunStatus:
    """Keep everyone else from changing a run until the transaction ends, and give its status.

    Every change of a run takes this lock first, so that no two of them wait for each other.
    """
    cursor = await conn.execute(query("lock_run"), {"run_id": _valid(run_id)})
    row = await cursor.fetchone()
    if row is None:
        raise RunNotFoundError(run_id)
    return RunStatus(row["status"])


async def _stop_agents(conn: AsyncConnection[DictRow], run_id: RunId, status: AgentStatus, reason: str) -> None:
    await conn.execute(query("stop_agent_runs"), {"run_id": run_id, "status": status.value, "reason": reason})


async def _open_ledger(conn: AsyncConnection[DictRow], run_id: RunId, agents: list[str]) -> Ledger:
    await _lock(conn, run_id)
    of_agents = {"run_id": run_id, "agents": agents}
    lists = await (await conn.execute(query("get_progress"), of_agents)).fetchone() or {}
    attempts = await (await conn.execute(query("get_attempts_of"), of_agents)).fetchall()
    orders = await (await conn.execute(query("get_orders_of"), of_agents)).fetchall()
    standing = Standing(
        running=lists["current_agents_running"],
        completed=lists["completed_agents"],
        failed=lists["failed_agents"],
        waiting=lists["waiting_agents"],
        step=lists["current_step"],
        total=lists["total_agents"],
    )
    return Ledger(
        standing, map(AgentRunRow.of, attempts), {row["agent_name"]: row["execution_order"] for row in orders}
    )


def _attempt_values(run_id: RunId, ledger: Ledger) -> Iterator[dict[str, Any]]:
    for row in ledger.changed.values():
        yield {
            "run_id": run_id,
            "agent_name": row.agent_name,
            "execution": row.execution,
            "attempt": row.attempt,
            "status": row.status.value,
            "started_at": row.started_at,
            "ended_at": row.ended_at,
            "error": None if row.error is None else Jsonb(row.error),
            "reason": row.reason,
            "usage": None if row.usage is None else Jsonb(row.usage),
        }


def _valid(run_id: RunId) -> uuid.UUID:
    try:
        return uuid.UUID(run_id)
    except ValueError:
        raise RunNotFoundError(run_id) from None
