"""What a mirror writes about runs, without its thread, and what the tables say then."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from planner_graph.campaign import Campaign
from planner_graph.compiler.events import Event
from planner_graph.mirror import tables
from planner_graph.mirror.progress import ProgressReport
from planner_graph.mirror.reading import get_workflow_progress
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.store.transitions import Connection
from planner_graph.types import RunId


async def accept(database: Database, plan: ExecutionPlan) -> RunId:
    """Accept a run of a plan."""
    run_id = RunId(str(uuid.uuid4()))
    await Repository(database).accept_run(run_id, Campaign(id=plan.campaign_id, type=plan.campaign_type), plan)
    return run_id


async def record(database: Database, run_id: RunId, events: Iterable[Event]) -> None:
    """Write events of a run in one transaction."""
    async with database.pool.connection() as conn, conn.transaction():
        await tell(conn, {run_id: events})


async def tell(conn: Connection, told: Mapping[RunId, Iterable[Event]]) -> None:
    """Write events of runs within the caller's transaction."""
    locked = await tables.lock(conn, told)
    ledgers = await tables.load(conn, locked)
    for run_id, ledger in ledgers.items():
        ledger.take(told[run_id])
    await tables.save(conn, ledgers)


async def progress(database: Database, run_id: str) -> ProgressReport:
    """Report how far a run is."""
    return await get_workflow_progress(database, run_id)


async def live(database: Database, run_id: RunId) -> dict[str, Any]:
    """Give the row of a run in ``workflow_state_live``."""
    async with database.pool.connection() as conn:
        cursor = await conn.execute("SELECT * FROM workflow_state_live WHERE workflow_execution_id = %s", [run_id])
        [row] = await cursor.fetchall()
        return row
