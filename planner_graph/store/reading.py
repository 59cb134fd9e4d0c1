"""Reads what the tables say about a run; SQL on a connection.

What is read with several of these functions belongs together only within a :func:`snapshot`.
"""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg.rows import DictRow

from planner_graph.campaign import Campaign
from planner_graph.errors import AmbiguousRunError, PlanMismatchError, RunNotFoundError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store.database import Database
from planner_graph.store.leases import SILENCE_SECONDS
from planner_graph.store.plain import exact_number
from planner_graph.store.queries import query
from planner_graph.store.rows import AgentRunRow, EventRow, Mark, RunRow, Vitals
from planner_graph.store.transitions import Connection, full_id
from planner_graph.types import AgentName, RunId, RunStatus

SHORTEST_PREFIX = 4
"""Fewest digits of a run's id by which it may be named."""

_DIGITS = 32


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Connection]:
    """Give a connection for reading, on which the tables stay as they are at the first look, until the block ends."""
    async with database.pool.connection() as conn, conn.transaction():
        await conn.execute(query("see_one_moment"))
        yield conn


async def find_run(conn: Connection, run: str) -> RunRow:
    """Give the run with this id, or the one whose id begins with these (at least four) digits.

    Raises:
        RunNotFoundError: there is no such run.
        AmbiguousRunError: there is more than one.
    """
    return RunRow.of(await _named(conn, "get_run", run))


async def mark(conn: Connection, run: str) -> Mark:
    """Give what tells whether a report on a run is still true; ``run`` as for :func:`find_run`.

    Raises:
        RunNotFoundError: there is no such run.
        AmbiguousRunError: there is more than one.
    """
    return Mark.of(await _named(conn, "get_mark", run))


async def load_plan(conn: Connection, run_id: RunId, *, verify: bool = True) -> ExecutionPlan:
    """Give the plan that a run has; to ``verify`` it takes longer than to read it.

    Raises:
        RunNotFoundError: there is no such run.
        PlanMismatchError: the stored plan is not the one it was; its hash tells.
    """
    row = await _one(conn, "get_plan", run_id)
    plan = ExecutionPlan.model_validate(json.loads(row["plan"], parse_int=exact_number))
    if verify and plan.hash != row["plan_hash"]:
        raise PlanMismatchError(checkpoint_hash=row["plan_hash"], plan_hash=plan.hash)
    return plan


async def load_campaign(conn: Connection, run_id: RunId) -> Campaign:
    """Give the campaign as the run accepted it, even if it was changed since.

    Raises:
        RunNotFoundError: there is no such run.
    """
    row = await _one(conn, "get_campaign", run_id)
    return Campaign.model_validate(json.loads(row["campaign"], parse_int=exact_number))


async def agent_runs(conn: Connection, run_id: RunId) -> list[AgentRunRow]:
    """Give all attempts of all agents of a run, in the order they started.

    Raises:
        RunNotFoundError: there is no such run.
    """
    rows = await (await conn.execute(query("get_agent_runs"), {"run_ids": [full_id(run_id)]})).fetchall()
    if not rows:
        await status(conn, run_id)
    return [AgentRunRow.of(row) for row in rows]


async def events(conn: Connection, run_id: RunId, after: int, limit: int) -> list[EventRow]:
    """Give at most ``limit`` events of a run that came after the one with this sequence number, in order.

    Raises:
        RunNotFoundError: there is no such run.
    """
    values = {"run_id": full_id(run_id), "after": after, "limit": limit}
    rows = await (await conn.execute(query("get_events"), values)).fetchall()
    if not rows:
        await status(conn, run_id)
    return [EventRow.of(row) for row in rows]


async def outputs(conn: Connection, run_id: RunId) -> dict[AgentName, Any]:
    """Give the outputs of a run's agents as the live table shows them, the large ones cut short.

    Raises:
        RunNotFoundError: there is no such run.
    """
    row = await _one(conn, "get_outputs", run_id)
    found: dict[AgentName, Any] = json.loads(row["outputs"], parse_int=exact_number)
    return found


async def status(conn: Connection, run_id: RunId) -> RunStatus:
    """Give the status of a run.

    Raises:
        RunNotFoundError: there is no such run.
    """
    return RunStatus((await _one(conn, "get_status", run_id))["status"])


async def vitals(conn: Connection, run_id: RunId) -> Vitals:
    """Give the signs of life of a run.

    Raises:
        RunNotFoundError: there is no such run.
    """
    return Vitals.of(await _one(conn, "get_vitals", run_id, silence=SILENCE_SECONDS))


async def _named(conn: Connection, name: str, run: str) -> DictRow:
    """Give the row of the one run whose id begins with these digits."""
    digits = run.replace("-", "").lower()
    if not SHORTEST_PREFIX <= len(digits) <= _DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise RunNotFoundError(run)
    bounds = {"lowest": uuid.UUID(digits.ljust(_DIGITS, "0")), "highest": uuid.UUID(digits.ljust(_DIGITS, "f"))}
    rows = await (await conn.execute(query(name), bounds)).fetchall()
    if not rows:
        raise RunNotFoundError(run)
    if len(rows) > 1:
        raise AmbiguousRunError(run, [str(row["workflow_execution_id"]) for row in rows])
    return rows[0]


async def _one(conn: Connection, name: str, run_id: RunId, **more: Any) -> DictRow:
    row = await (await conn.execute(query(name), {"run_id": full_id(run_id), **more})).fetchone()
    if row is None:
        raise RunNotFoundError(run_id)
    return row
