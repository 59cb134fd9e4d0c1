"""Asks of runs what others want: pause, resume, cancel; SQL on a connection whose transaction the caller holds.

The status of a run is the message: the process that executes it reads it whenever it renews its lease.
"""

from planner_graph.errors import CommandRefusedError
from planner_graph.redaction import redacted
from planner_graph.store import leases, transitions
from planner_graph.store.commands import Answer, Command, answer
from planner_graph.store.queries import query
from planner_graph.store.transitions import Connection
from planner_graph.text import storable
from planner_graph.types import RunId, RunStatus


async def command(conn: Connection, run_id: RunId, wanted: Command, *, by: str, reason: str | None) -> Answer:
    """Let a run become what a command asks for, and log who asked, when and why.

    Raises:
        RunNotFoundError: there is no such run.
        CommandRefusedError: in its state this cannot be done.
    """
    reason = reason and redacted(reason)
    before = await transitions.lock(conn, run_id)
    holder = (await leases.holders(conn, [run_id])).get(run_id)
    if holder is not None and not await _hears(conn, run_id):
        raise CommandRefusedError(run_id, wanted.value, "a graph that its owner invoked runs it, stop that one")
    given = answer(before, wanted, held=holder is not None and holder.alive)
    if given.refused:
        raise CommandRefusedError(run_id, wanted.value, given.says)
    if given.status is before or given.execute:
        return given
    why = f"{wanted.value} asked for by {storable(by)}" + (f": {storable(reason)}" if reason else "")
    match given.status:
        case RunStatus.PAUSED:
            await transitions.pause(conn, run_id, why)
        case RunStatus.CANCELLED:
            await transitions.finish(conn, run_id, RunStatus.CANCELLED, None, why)
        case _:
            await transitions.set_status(conn, run_id, given.status, why)
            await transitions.log(conn, run_id, f"run_{given.status.value}", {"by": by, "reason": reason})
    return given


async def _hears(conn: Connection, run_id: RunId) -> bool:
    """Tell whether whoever executes a run hears commands: an orchestrator does, a graph of somebody's own does not."""
    cursor = await conn.execute(query("has_own_thread"), {"run_id": run_id})
    return bool((await cursor.fetchone() or {}).get("own"))
