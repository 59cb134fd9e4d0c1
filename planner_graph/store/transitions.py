"""Lets a run start, pause and end, and keeps the log of that: SQL on a connection whose transaction the caller holds.

Every change of a run takes its lock first, so that no two of them wait for each other, and appends an event.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from planner_graph.errors import LeaseLostError, RunEndedError, RunNotFoundError, RunNotResumableError
from planner_graph.redaction import redacted
from planner_graph.store.plain import jsonb, plain_json
from planner_graph.store.queries import query
from planner_graph.text import storable
from planner_graph.types import AgentName, AgentStatus, RunId, RunStatus

Connection = AsyncConnection[DictRow]

FENCED = "PGF01"
"""SQLSTATE of what a process writes that does not hold the run any more."""


async def start(  # noqa: PLR0913  # what is known of a start
    conn: Connection,
    run_id: RunId,
    *,
    expecting: RunStatus | None = None,
    token: int | None = None,
    at: datetime | None = None,
    works: Mapping[AgentName, str] | None = None,
) -> RunStatus:
    """Set a run running, or again running; agents that a process left behind as running wait once more.

    ``works`` says what will do the work of its agents.

    Gives the status that the run has now: if it is no longer the one that is expected, because it was asked to pause or
    to be cancelled meanwhile, that stays.

    Raises:
        RunNotFoundError: there is no such run.
        RunNotResumableError: it has ended.
        LeaseLostError: another process holds it.
    """
    status = await lock(conn, run_id, token)
    if status.ended:
        raise RunNotResumableError(run_id, f"it has ended as {status.value!r}")
    await _stop_agents(conn, run_id, AgentStatus.INTERRUPTED, "its process ended before it did")
    await conn.execute(query("pause_live_state"), {"run_id": run_id})
    if works:
        await conn.execute(query("set_works"), {"run_id": run_id, "works": jsonb(works)})
    stays = expecting is not None and status is not expecting and status in {RunStatus.PAUSING, RunStatus.CANCELLING}
    await conn.execute(query("start_run"), {"run_id": run_id, "stays": stays})
    await conn.execute(query("start_live_state"), {"run_id": run_id})
    await log(conn, run_id, "run_started", {"again": status is not RunStatus.PENDING}, at=at)
    return status if stays else RunStatus.RUNNING


async def pause(
    conn: Connection, run_id: RunId, reason: str, token: int | None = None, *, at: datetime | None = None
) -> RunStatus:
    """Say that nobody executes the run for now; agents still running were interrupted and wait once more.

    Gives the status that the run has now: if it was to be cancelled meanwhile, it is cancelled instead.

    Raises:
        RunNotFoundError: there is no such run.
        RunEndedError: it has ended, not by being cancelled.
    """
    reason = _one_line(reason)
    status = await lock(conn, run_id, token)
    if status in {RunStatus.CANCELLING, RunStatus.CANCELLED}:
        asked = await (await conn.execute(query("get_status"), {"run_id": run_id})).fetchone() or {}
        await finish(conn, run_id, RunStatus.CANCELLED, None, asked["status_reason"], ended_at=at, token=token)
        return RunStatus.CANCELLED
    if status.ended:
        raise RunEndedError(run_id, status.value)
    await _stop_agents(conn, run_id, AgentStatus.INTERRUPTED, reason)
    await conn.execute(query("pause_live_state"), {"run_id": run_id})
    await set_status(conn, run_id, RunStatus.PAUSED, reason)
    await log(conn, run_id, "run_paused", {"reason": reason}, at=at)
    return RunStatus.PAUSED


async def finish(  # noqa: PLR0913  # what is known of an end
    conn: Connection,
    run_id: RunId,
    status: RunStatus,
    result: Mapping[str, Any] | None,
    reason: str | None = None,
    *,
    ended_at: datetime | None = None,
    token: int | None = None,
) -> None:
    """Let a run end, now unless ``ended_at`` is known to be earlier; saying the same again changes nothing.

    Raises:
        RunNotFoundError: there is no such run.
        RunEndedError: it has ended otherwise.
        ValueError: in ``status`` a run has not ended.
    """
    if not status.ended:
        raise ValueError(f"a run does not end as {status.value!r}; pause or start it")
    before = await lock(conn, run_id, token)
    if before is status:
        return
    if before.ended:
        raise RunEndedError(run_id, before.value)
    stopped = AgentStatus.CANCELLED if status is RunStatus.CANCELLED else AgentStatus.INTERRUPTED
    await _stop_agents(conn, run_id, stopped, f"the run ended as {status.value!r}")
    await conn.execute(query("finish_live_state"), {"run_id": run_id})
    reason = _one_line(reason) if reason else None
    values = {
        "run_id": run_id,
        "status": status.value,
        "reason": reason,
        "result": None if result is None else jsonb(plain_json(result)),
        "ended_at": ended_at,
    }
    await conn.execute(query("finish_run"), values)
    await log(conn, run_id, "run_ended", {"status": status.value, "reason": reason}, at=ended_at)


async def set_status(conn: Connection, run_id: RunId, status: RunStatus, reason: str) -> None:
    """Give a run whose lock the transaction holds another status; whoever executes it reads that."""
    await conn.execute(query("set_status"), {"run_id": run_id, "status": status.value, "reason": reason})


async def amend(conn: Connection, run_id: RunId, status: RunStatus, result: Mapping[str, Any]) -> None:
    """Correct how a run ended; nothing else may change what has ended, and this logs nothing.

    Raises:
        RunNotFoundError: there is no such run.
        ValueError: it has not ended, or in ``status`` it would not have.
    """
    before = await lock(conn, run_id)
    if not (before.ended and status.ended):
        raise ValueError(f"run {run_id} is {before.value!r}: only an end is amended, by another one")
    values = {"run_id": run_id, "status": status.value, "result": jsonb(plain_json(result))}
    await conn.execute(query("amend_run"), values)


async def log(  # noqa: PLR0913  # what there is to say about an event
    conn: Connection,
    run_id: RunId,
    event: str,
    data: Mapping[str, Any],
    *,
    agent: str | None = None,
    at: datetime | None = None,
) -> None:
    """Append an event, of one ``agent`` or of the run itself, to the log of a run whose lock the transaction holds."""
    values = {"run_id": run_id, "event": event, "agent": agent, "data": jsonb(plain_json(data)), "at": at}
    await conn.execute(query("append_event"), values)


async def lock(conn: Connection, run_id: RunId, token: int | None = None) -> RunStatus:
    """Keep everyone else from changing a run until the transaction ends, and give its status.

    With the ``token`` of a lease, the transaction counts only if that lease is still good.

    Raises:
        RunNotFoundError: there is no such run.
        LeaseLostError: another process holds it.
    """
    cursor = await conn.execute(query("lock_run"), {"run_id": full_id(run_id)})
    row = await cursor.fetchone()
    if row is None:
        raise RunNotFoundError(run_id)
    if token is not None:
        try:
            await conn.execute(query("fence"), {"run_id": run_id, "token": token})
        except psycopg.Error as error:
            raise (LeaseLostError(run_id) if error.sqlstate == FENCED else error) from error
    return RunStatus(row["status"])


def full_id(run_id: str) -> uuid.UUID:
    """Read the full id of a run.

    Raises:
        RunNotFoundError: it is none.
    """
    try:
        return uuid.UUID(run_id)
    except ValueError:
        raise RunNotFoundError(run_id) from None


async def _stop_agents(conn: Connection, run_id: RunId, status: AgentStatus, reason: str) -> None:
    await conn.execute(query("stop_agent_runs"), {"run_id": run_id, "status": status.value, "reason": reason})


def _one_line(reason: str) -> str:
    return redacted(storable(" ".join(reason.split())))
