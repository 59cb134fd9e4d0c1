"""Leases: the right of one process to write a run, and the token that proves it."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import psycopg

from planner_graph.errors import RunHeldError
from planner_graph.store.plain import jsonb
from planner_graph.store.queries import query
from planner_graph.store.transitions import FENCED, Connection
from planner_graph.types import RunId, RunStatus

LEASE_SECONDS = 15.0
"""How long a lease lasts after its last renewal, by the clock of the database."""

SILENCE_SECONDS = 2.0
"""How long a holder whose session is gone must have been silent to be taken for dead; an outage ends sessions, too."""

LOCK_SECONDS = 1.0
"""How long taking a run over waits for what its holder is just writing, at a time."""

Using = Callable[[], AbstractAsyncContextManager[Connection]]
"""Gives a connection for a moment."""

_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """A run that this process may write."""

    run_id: RunId
    token: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """The process that holds a run; ``alive`` tells whether its session with the database is there."""

    name: str
    token: int
    acquired_at: datetime
    expires_at: datetime
    alive: bool


def this_process() -> str:
    """Give how this process calls itself as a holder of runs: host, process id, what tells it from an earlier one."""
    return _name_of(os.getpid())


async def acquire(conn: Connection, run_id: RunId, *, take_over: bool = False) -> Lease:
    """Become the one who writes a run.

    A holder that died is waited for, but not for longer than it takes to be sure of that. ``conn`` must be the one that
    renews the lease: its session stands for the process.

    Raises:
        RunHeldError: another process holds it, and ``take_over`` does not ask to fence that one out.
    """
    return await acquire_using(lambda: nullcontext(conn), run_id, take_over=take_over)


async def acquire_using(using: Using, run_id: RunId, *, take_over: bool = False) -> Lease:
    """Do as :func:`acquire`, with a connection that others use while this waits."""
    deadline = time.monotonic() + 2 * SILENCE_SECONDS
    while True:
        async with using() as conn:
            await conn.execute(query("end_frozen"), {"silence": SILENCE_SECONDS})
            try:
                lease = await try_acquire(conn, run_id, take_over=take_over)
            except psycopg.errors.LockNotAvailable:  # its holder is writing, or froze in the middle of that
                lease = None
        if lease is not None:
            return lease
        if time.monotonic() > deadline:
            raise RunHeldError(run_id, "which may have died just now")
        await asyncio.sleep(_POLL_SECONDS)


async def try_acquire(conn: Connection, run_id: RunId, *, take_over: bool = False) -> Lease | None:
    """Do as :func:`acquire`, but give ``None`` instead of waiting where the holder seems to have died a moment ago."""
    values = {
        "run_id": run_id,
        "holder": this_process(),
        "seconds": LEASE_SECONDS,
        "silence": SILENCE_SECONDS,
        "take_over": take_over,
        "lock_milliseconds": f"{1000 * LOCK_SECONDS:.0f}",
    }
    row = await (await conn.execute(query("acquire_lease"), values)).fetchone()
    if row is not None:
        return Lease(run_id=run_id, token=row["token"])
    holder = (await holders(conn, [run_id])).get(run_id)
    if holder is not None and holder.alive:
        raise RunHeldError(run_id, holder.name)
    return None


async def holders(conn: Connection, runs: Iterable[RunId]) -> dict[RunId, Holder]:
    """Give who holds which of these runs; those that nobody holds are left out."""
    rows = await (await conn.execute(query("get_holders"), {"run_ids": list(runs)})).fetchall()
    return {
        RunId(str(row["workflow_execution_id"])): Holder(
            name=row["holder"],
            token=row["token"],
            acquired_at=row["acquired_at"].astimezone(UTC),
            expires_at=row["expires_at"].astimezone(UTC),
            alive=row["has_session"],
        )
        for row in rows
    }


async def renew(conn: Connection, leases: Iterable[Lease]) -> dict[Lease, tuple[RunStatus, str | None]]:
    """Renew leases; gives status and reason of the run of each that is still good, leaving out those that are not."""
    values = {"leases": _rows(leases), "seconds": LEASE_SECONDS}
    rows = await (await conn.execute(query("renew_leases"), values)).fetchall()
    return {
        Lease(run_id=RunId(str(row["workflow_execution_id"])), token=row["token"]): (
            RunStatus(row["status"]),
            row["status_reason"],
        )
        for row in rows
    }


async def release(conn: Connection, lease: Lease) -> None:
    """Let others have a run."""
    await conn.execute(query("release_lease"), {"run_id": lease.run_id, "token": lease.token})


async def fence_all(conn: Connection, leases: Iterable[Lease]) -> None:
    """Let the rest of the transaction count only if these leases are still ours.

    Raises:
        psycopg.Error: one of them is not; see :func:`is_fenced`.
    """
    await conn.execute(query("fence_all"), {"leases": _rows(leases)})


def is_fenced(error: BaseException) -> bool:
    """Tell whether the database refused a write because another process holds the run."""
    return isinstance(error, psycopg.Error) and error.sqlstate == FENCED


@cache
def _name_of(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{secrets.token_hex(3)}"


def _rows(leases: Iterable[Lease]) -> Any:
    rows: list[Mapping[str, Any]] = [{"run_id": lease.run_id, "token": lease.token} for lease in leases]
    return jsonb(rows)
