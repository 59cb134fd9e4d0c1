"""Reads the ledgers of runs from the tables and writes what changed in them; the caller holds the transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from planner_graph.mirror.ledger import Ledger, Standing
from planner_graph.store.plain import jsonb
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
    orders = {_id(row): row["orders"] for row in await (await conn.execute(query("get_orders"), of_runs)).fetchall()}
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
    attempts = [_attempts(run_id, ledger) for run_id, ledger in changed.items()]
    events = [_events(run_id, ledger) for run_id, ledger in changed.items()]
    states = [_state(run_id, ledger, (estimates or {}).get(run_id)) for run_id, ledger in changed.items()]
    ends = [{"workflow_execution_id": run_id, "sequence": ledger.sequence} for run_id, ledger in changed.items()]
    sums = [_sums(run_id, ledger) for run_id, ledger in changed.items()]
    async with conn.pipeline():
        await conn.execute(query("write_agent_runs"), {"rows": jsonb(attempts)})
        await conn.execute(query("write_events"), {"rows": jsonb(events)})
        await conn.execute(query("write_live_states"), {"rows": jsonb(states)})
        await conn.execute(query("write_plan_states"), {"rows": jsonb(sums)})
        await conn.execute(query("notify_events"), {"rows": jsonb(ends)})
    for ledger in changed.values():
        ledger.saved()


def _attempts(run_id: RunId, ledger: Ledger) -> dict[str, Any]:
    return {"workflow_execution_id": run_id, "attempts": list(ledger.changed.values())}


def _events(run_id: RunId, ledger: Ledger) -> dict[str, Any]:
    """Give the log of a ledger, which the database numbers from ``sequence`` on."""
    before = ledger.sequence
    ledger.sequence += len(ledger.log)
    return {"workflow_execution_id": run_id, "sequence": before, "events": ledger.log}


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
        "estimated_end": estimated_end.isoformat() if estimated_end else None,
        "sequence": ledger.sequence,
    }


def _sums(run_id: RunId, ledger: Ledger) -> dict[str, Any]:
    """Give what the row of the plan repeats of the live state, and the usage, which only it has."""
    return {
        "workflow_execution_id": run_id,
        "step": ledger.step,
        "completed": list(ledger.completed),
        "failed": list(ledger.failed),
        "usage": ledger.usage,
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
