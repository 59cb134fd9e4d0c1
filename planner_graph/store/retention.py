"""Removes the checkpoints of runs that ended long ago, and of the server what counts no longer.

What the tables tell of the runs stays. A run that has ended is never gone on with, so nobody needs its checkpoints but
to read whole outputs. They go in small transactions, oldest checkpoint first: whoever reads a run meanwhile finds its
newest checkpoint whole, or none; whoever is killed in the middle leaves the rest to the next time.
"""

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from planner_graph.store.database import Database
from planner_graph.store.idempotency import KEY_SECONDS
from planner_graph.store.leases import SILENCE_SECONDS
from planner_graph.store.queries import query
from planner_graph.store.transitions import Connection
from planner_graph.types import RunId

TABLES = ("checkpoints", "checkpoint_writes", "checkpoint_blobs")
"""In the order in which they are emptied: what a checkpoint refers to goes after it."""

ROWS_AT_ONCE = 1_000
"""Rows that one transaction removes, unless said otherwise."""

_RUNS_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """What was removed of runs that ended ``before``, or would be.

    ``runs`` are those that had any, ``rows`` counts them by table, ``size`` is how many bytes they took, compressed as
    they are stored. ``skipped`` are runs that somebody held or was changing.
    """

    before: datetime
    runs: tuple[RunId, ...] = ()
    skipped: tuple[RunId, ...] = ()
    rows: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    size: int = 0


async def remove_checkpoints(
    database: Database, older_than_seconds: float, *, dry_run: bool = False, rows_at_once: int = ROWS_AT_ONCE
) -> Removal:
    """Remove the checkpoints of all runs that ended longer ago than this, by the clock of the database.

    With ``dry_run``, everything is left as it is. Several processes may do this at the same time. A run on a thread
    that somebody else named is left alone, as that thread may hold more than the run.
    """
    async with database.pool.connection() as conn:
        cursor = await conn.execute(query("removal_begins"), {"seconds": older_than_seconds})
        before = (await cursor.fetchone() or {})["before"]
        work = _Work(conn, before, dry_run=dry_run, rows_at_once=rows_at_once)
        async for run_id in work.candidates():
            await work.remove(run_id)
    return Removal(
        before=before.astimezone(UTC),
        runs=tuple(work.runs),
        skipped=tuple(work.skipped),
        rows=work.rows,
        size=work.size,
    )


async def remove_idempotency_keys(database: Database, *, dry_run: bool = False) -> int:
    """Remove the idempotency keys that count no longer; gives how many there were."""
    return await _remove_rows(database, "idempotency_keys", KEY_SECONDS, dry_run=dry_run)


async def remove_audit(database: Database, older_than_seconds: float, *, dry_run: bool = False) -> int:
    """Remove the entries of the audit log that are older than this; gives how many there were."""
    return await _remove_rows(database, "audit", older_than_seconds, dry_run=dry_run)


async def _remove_rows(database: Database, what: str, seconds: float, *, dry_run: bool) -> int:
    """Remove rows in small transactions, or count them."""
    removed = 0
    async with database.pool.connection() as conn:
        if dry_run:
            row = await (await conn.execute(query(f"count_{what}"), {"seconds": seconds})).fetchone()
            return int((row or {})["rows"])
        while True:
            cursor = await conn.execute(query(f"remove_{what}"), {"seconds": seconds, "limit": ROWS_AT_ONCE})
            removed += cursor.rowcount
            if cursor.rowcount < ROWS_AT_ONCE:
                return removed


class _Work:
    """One pass over all runs, on one connection."""

    def __init__(self, conn: Connection, before: datetime, *, dry_run: bool, rows_at_once: int) -> None:
        self.conn, self.before = conn, before
        self.dry_run, self.rows_at_once = dry_run, rows_at_once
        self.runs: list[RunId] = []
        self.skipped: list[RunId] = []
        self.rows = dict.fromkeys(TABLES, 0)
        self.size = 0

    async def candidates(self) -> AsyncIterator[RunId]:
        """Give the runs whose checkpoints may be removed, those that ended first coming first."""
        place = {"ended_at": datetime.min.replace(tzinfo=UTC), "run_id": uuid.UUID(int=0)}
        while True:
            values = {**place, "before": self.before, "limit": _RUNS_AT_ONCE}
            found = await (await self.conn.execute(query("list_removable"), values)).fetchall()
            for row in found:
                yield RunId(str(row["workflow_execution_id"]))
            if not found:
                return
            place = {"ended_at": found[-1]["ended_at"], "run_id": found[-1]["workflow_execution_id"]}

    async def remove(self, run_id: RunId) -> None:
        """Remove the checkpoints of one run, unless somebody has it."""
        before = sum(self.rows.values())
        try:
            while (more := await self._batch(run_id)) is True:
                pass
        except psycopg.errors.LockNotAvailable:
            more = None
        if more is None:
            self.skipped.append(run_id)
        elif sum(self.rows.values()) > before:
            self.runs.append(run_id)

    async def _batch(self, run_id: RunId) -> bool | None:
        """Remove some rows in one transaction; tells whether there may be more, or ``None`` if somebody has the run."""
        async with self.conn.transaction():
            await self.conn.execute(query("limit_lock_waits"))
            given = {"run_id": run_id, "before": self.before, "silence": SILENCE_SECONDS}
            row = await (await self.conn.execute(query("lock_removable"), given)).fetchone()
            if row is None:
                return None
            counts = await self._take(row["threads"])
            more = not self.dry_run and sum(rows for rows, _ in counts.values()) >= self.rows_at_once
            if not self.dry_run and not more:
                await self.conn.execute(query("note_removal"), {"run_id": run_id})
        for table, (rows, size) in counts.items():
            self.rows[table] += rows
            self.size += size
        return more

    async def _take(self, threads: list[str]) -> dict[str, tuple[int, int]]:
        """Remove rows, not more than may be at once, or measure all of them; gives rows and bytes by table."""
        counts = {}
        left = self.rows_at_once
        for table in TABLES:
            verb = "measure" if self.dry_run else "remove"
            values: dict[str, Any] = {"threads": threads, "limit": left}
            cursor = await self.conn.execute(query(f"{verb}_{table}"), values)
            row = await cursor.fetchone() or {}
            counts[table] = (row["rows"], row["bytes"])
            left -= row["rows"]
            if left <= 0 and not self.dry_run:
                break
        return counts
