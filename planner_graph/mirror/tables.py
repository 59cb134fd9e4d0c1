"""Reads the ledgers of runs from the tables and writes what changed in them; the caller holds the transaction."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from planner_graph.mirror.ledger import Ledger, Standing
from planner_graph.store.queries import query
from planner_graph.store.rows import AgentRunRow
from planner_graph.store.transitions import Connection
from planner_graph.types import RunId, RunStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """A run that nobody else changes until the transaction ends."""

    status: RunStatus
    sequence: int


async def lock(conn: Connection, runs: Iterable[RunId]) -> dict[RunId, Locked]:
    """Lock runs, in an order that all agree on; those that do not exist are left out."""
    cursor = await conn.execute(query("lock_runs"), {"run_ids": list(runs)})
    return {
        _id(row): Locked(status=RunStatus(row["status"]), sequence=row["last_sequence"])
        for row in await cursor.fetchall()
    }


async def load(conn: Connection, runs: Iterable[RunId]) -> dict[RunId, Ledger]:
    """Read the ledgers of runs."""
    of_runs = {"run_ids": list(runs)}
    if not of_runs["run_ids"]:
        return {}
    attempts: dict[RunId, list[AgentRunRow]] = {}
    for row in await (await conn.execute(query("get_agent_runs"), of_runs)).fetchall():
        attempts.setdefault(_id(row), []).append(AgentRunRow.of(row))
    orders: dict[RunId, dict[Any, int]] = {}
    for row in await (await conn.execute(query("get_orders"), of_runs)).fetchall():
        orders.setdefault(_id(row), {})[row["agent_name"]] = row["execution_order"]
    standings = await (await conn.execute(query("get_standings"), of_runs)).fetchall()
    return {_id(row): Ledger(_standing(row), attempts.get(_id(row), ()), orders.get(_id(row))) for row in standings}


async def save(
    conn: Connection,
    ledgers: Mapping[RunId, Ledger],
    estimates: Mapping[RunId, datetime] | None = None,
    *,
    always: bool = False,
) -> None:
    """Write what has changed in ledgers, and tell listeners; ``estimates`` are the ends that are expected of runs.

    With ``always`` lists and sums are written as well where no attempt has changed.
    """
    changed = {run_id: ledger for run_id, ledger in ledgers.items() if always or ledger.changed or ledger.log}
    if not changed:
        return
    events = [event for run_id, ledger in changed.items() for event in _numbered(run_id, ledger)]
    attempts = [_attempt(run_id, row) for run_id, ledger in changed.items() for row in ledger.changed.values()]
    states = [_state(run_id, ledger, (estimates or {}).get(run_id)) for run_id, ledger in changed.items()]
    async with conn.pipeline():
        await conn.execute(query("write_agent_runs"), {"rows": Jsonb(attempts)})
        await conn.execute(query("write_events"), {"rows": Jsonb(events)})
        await conn.execute(query("write_live_states"), {"rows": Jsonb(states)})
        await conn.execute(query("write_plan_states"), {"rows": Jsonb(states)})
        await conn.execute(query("notify_events"), {"rows": Jsonb(states)})
    for ledger in changed.values():
        ledger.saved()


def _numbered(run_id: RunId, ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Give the log of a ledger with the sequence numbers that come next."""
    for event in ledger.log:
        ledger.sequence += 1
        yield {
            "workflow_execution_id": run_id,
            "sequence": ledger.sequence,
            "event": event.event,
            "agent_name": event.agent,
            "at": event.at.isoformat(),
            "data": event.data,
        }


def _attempt(run_id: RunId, row: AgentRunRow) -> dict[str, Any]:
    return {
        "workflow_execution_id": run_id,
        "agent_name": row.agent_name,
        "execution": row.execution,
        "attempt": row.attempt,
        "status": row.status.value,
        "started_at": row.started_at.isoformat() if row.started_at else None,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
        "error": row.error,
        "reason": row.reason,
        "usage": row.usage,
    }


def _state(run_id: RunId, ledger: Ledger, estimated_end: datetime | None) -> dict[str, Any]:
    return {
        "workflow_execution_id": run_id,
        "step": ledger.step,
        "running": list(ledger.running),
        "completed": list(ledger.completed),
        "failed": list(ledger.failed),
        "waiting": list(ledger.waiting),
        "skipped": list(ledger.skipped),
        "withdrawn": list(ledger.withdrawn),
        "outputs": ledger.outputs,
        "usage": ledger.usage,
        "estimated_end": estimated_end.isoformat() if estimated_end else None,
        "sequence": ledger.sequence,
    }


def _standing(row: Mapping[str, Any]) -> Standing:
    return Standing(
        running=row["current_agents_running"],
        completed=row["completed_agents"],
        failed=row["failed_agents"],
        waiting=row["waiting_agents"],
        skipped=row["skipped_agents"],
        step=row["current_step"],
        sequence=row["last_sequence"],
    )


def _id(row: Mapping[str, Any]) -> RunId:
    return RunId(str(row["workflow_execution_id"]))
