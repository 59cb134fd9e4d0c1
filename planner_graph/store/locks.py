"""Grants a run to one executor at a time, over all processes."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from planner_graph.store.connection import connect
from planner_graph.store.queries import query
from planner_graph.types import RunId


class RunLocks:
    """Advisory locks of the database, all held by one connection of their own.

    They end with that connection: a process that dies gives its runs free at once, and so does a cut connection, which
    the process does not notice. ``held`` are the runs granted here; a database session may take its own lock twice.
    """

    def __init__(self, conninfo: str, target: str) -> None:
        self.held: set[RunId] = set()
        self._conninfo = conninfo
        self._target = target
        self._connection: AsyncConnection[DictRow] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def exclusive(self, run_id: RunId) -> AsyncIterator[bool]:
        """Hold the run for as long as the block lasts; gives ``False`` if someone else holds it."""
        if run_id in self.held:
            yield False
            return
        self.held.add(run_id)
        try:
            connection = await self._connected()
            cursor = await connection.execute(query("try_lock_run"), {"key": key_of(run_id)})
            granted = bool((await cursor.fetchone() or {}).get("granted"))
            try:
                yield granted
            finally:
                if granted:
                    with suppress(psycopg.OperationalError):  # a lost connection has given the lock back already
                        await connection.execute(query("unlock_run"), {"key": key_of(run_id)})
        finally:
            self.held.discard(run_id)

    async def close(self) -> None:
        """Give everything back."""
        if self._connection is not None:
            await self._connection.close()

    async def _connected(self) -> AsyncConnection[DictRow]:
        async with self._opening:
            if self._connection is None or self._connection.closed:
                self._connection = await connect(self._conninfo, self._target)
            return self._connection


def key_of(run_id: RunId) -> int:
    """Give the number that stands for a run among advisory locks: 64 bits, signed."""
    number = uuid.UUID(run_id).int
    return ((number >> 64) ^ number) % 2**64 - 2**63
