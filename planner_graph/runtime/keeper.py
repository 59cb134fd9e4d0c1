"""Keeps the leases of the runs that a process executes, and hears what others want of them."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg

from planner_graph.compiler.bridge import in_thread
from planner_graph.errors import DatabaseUnavailableError, PlannerGraphError
from planner_graph.store import leases, transitions
from planner_graph.store.connection import connect
from planner_graph.store.database import Database
from planner_graph.store.leases import Holder, Lease
from planner_graph.store.outages import is_outage
from planner_graph.store.transitions import Connection
from planner_graph.types import RunId, RunStatus

log = logging.getLogger(__name__)

BEAT_SECONDS = 0.5
"""How often leases are renewed, and so how long a command may take to arrive."""

T = TypeVar("T")

OnStatus = Callable[[RunStatus | None, str | None], None]
"""Is told a run's status and the reason for it at each renewal, or ``None`` when the run is lost to another process."""


@dataclass(frozen=True, slots=True)
class _Kept:
    on_status: OnStatus
    loop: asyncio.AbstractEventLoop


class LeaseKeeper:
    """A thread with a connection of its own, so that a lease lives on while agents keep the event loop busy.

    The session of its connection stands for the process: when that dies, the database notices at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[Lease, _Kept] = {}
        self._conn: Connection | None = None
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, name="planner-graph-leases", daemon=True)

    @property
    def broken(self) -> bool:
        """Whether it ended by itself."""
        return not self._thread.is_alive()

    async def open(self) -> None:
        """Begin.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
        """
        self._thread.start()
        await asyncio.wrap_future(self._ready)

    async def close(self) -> None:
        """End; leases that were not released last until they expire, or until the session's end is noticed."""
        self._loop.call_soon_threadsafe(self._stop.set)
        await in_thread(self._thread.join)

    async def hold(self, run_id: RunId, on_status: OnStatus, *, take_over: bool = False) -> Lease:
        """Take a run and keep it; ``on_status`` is called in the caller's event loop.

        Raises:
            RunHeldError: another process holds it.
        """
        caller = asyncio.get_running_loop()

        async def take() -> Lease:
            async with self._using() as conn:
                before = (await leases.holders(conn, [run_id])).get(run_id) if take_over else None
            lease = await leases.acquire_using(self._using, run_id, take_over=take_over)
            if before is not None:
                await self._note_take_over(lease, before)
            self._kept[lease] = _Kept(on_status, caller)
            return lease

        taking = asyncio.run_coroutine_threadsafe(take(), self._loop)
        try:
            return await asyncio.shield(asyncio.wrap_future(taking))
        except asyncio.CancelledError:  # the lease may be there before anybody hears of it
            asyncio.run_coroutine_threadsafe(self._give_back_when_taken(taking), self._loop)
            raise

    async def _note_take_over(self, lease: Lease, before: Holder) -> None:
        async with self._using() as conn, conn.transaction():
            await transitions.lock(conn, lease.run_id, lease.token)
            data = {"holder": before.name, "by": leases.this_process()}
            await transitions.log(conn, lease.run_id, "run_taken_over", data)

    async def let_go(self, lease: Lease) -> None:
        """Let others have a run; if the database is away, its lease expires by itself."""
        await self._run(self._give_back(lease))

    async def _give_back(self, lease: Lease) -> None:
        self._kept.pop(lease, None)
        with suppress(psycopg.Error, DatabaseUnavailableError):
            async with self._using() as conn:
                await leases.release(conn, lease)

    async def _give_back_when_taken(self, taking: Future[Lease]) -> None:
        with suppress(PlannerGraphError, psycopg.Error):
            await self._give_back(await asyncio.wrap_future(taking))

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _serve(self) -> None:
        try:
            asyncio.run(self._keep())
        except BaseException as error:  # handed over to whoever opens the keeper
            if not self._ready.done():
                self._ready.set_exception(error)
            else:
                log.exception("the keeper of leases broke; runs go on until another process takes them over")

    async def _keep(self) -> None:
        self._loop, self._stop, self._turn = asyncio.get_running_loop(), asyncio.Event(), asyncio.Lock()
        try:
            await self._connected()
            self._ready.set_result(None)
            while not self._stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), BEAT_SECONDS)
                await self._beat()
        finally:
            if self._conn is not None:
                await self._conn.close()

    async def _beat(self) -> None:
        """Renew all leases; an outage is waited out, as nobody else can take a run over meanwhile."""
        kept = dict(self._kept)
        if not kept:
            return
        try:
            async with self._using() as conn:
                held = await leases.renew(conn, kept)
        except (psycopg.Error, DatabaseUnavailableError) as error:
            if not is_outage(error):
                log.warning("leases cannot be renewed: %s", error)
            return
        for lease, run in kept.items():
            status, reason = held.get(lease, (None, None))
            if status is None:
                self._kept.pop(lease, None)
            with suppress(RuntimeError):  # its loop is closed: nobody executes it any more
                run.loop.call_soon_threadsafe(run.on_status, status, reason)

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[Connection]:
        """Give the connection, to one user at a time."""
        async with self._turn:
            yield await self._connected()

    async def _connected(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = await connect(self._database.conninfo, self._database.target)
        return self._conn
