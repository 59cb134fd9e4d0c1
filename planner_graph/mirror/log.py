"""Reads the logs of runs, through outages of the database."""

import asyncio
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import DictRow

from planner_graph.errors import DatabaseUnavailableError, PlannerGraphError, RunNotFoundError
from planner_graph.store.connection import connect
from planner_graph.store.database import Database
from planner_graph.store.outages import may_pass, waits
from planner_graph.store.queries import query
from planner_graph.store.rows import EventRow
from planner_graph.store.transitions import Connection
from planner_graph.types import RunId, RunStatus

PAGE = 200
"""Most events that are read at a time."""

LONGEST_ANSWER_SECONDS = 10.0
"""After so long without an answer a connection is taken for lost."""

FAILURES = (psycopg.Error, DatabaseUnavailableError, TimeoutError)
"""What the database, or the lack of it, may raise."""


class FeedClosedError(PlannerGraphError, RuntimeError):
    """The feed that was to tell of a run was closed, as the process that told is about to end."""

    def __init__(self) -> None:
        super().__init__("nothing more is told of runs here; ask again, from the last event that was seen")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEnd:
    """How far the log of a run is, and the state that the run had then."""

    status: RunStatus
    last_sequence: int


class LogReader:
    """A connection that reads for all subscribers, one after the other; waits until the database is there."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._under_way: set[asyncio.Task[list[DictRow]]] = set()
        self._closed = False

    async def events(self, run_id: RunId, after: int, limit: int = PAGE) -> list[EventRow]:
        """Give what comes next in the log of a run, a page at most."""
        rows = await self._fetch("get_events", {"run_id": run_id, "after": after, "limit": limit})
        return [EventRow.of(row) for row in rows]

    async def end_of_log(self, run_id: RunId) -> LogEnd:
        """Give how far a run is.

        Raises:
            RunNotFoundError: there is no such run.
        """
        rows = await self._fetch("get_end_of_log", {"run_id": run_id})
        if not rows:
            raise RunNotFoundError(run_id)
        return LogEnd(status=RunStatus(rows[0]["status"]), last_sequence=rows[0]["last_sequence"])

    async def status(self, run_id: RunId) -> RunStatus:
        """Give the status of a run.

        Raises:
            RunNotFoundError: there is no such run.
        """
        rows = await self._fetch("get_status", {"run_id": run_id})
        if not rows:
            raise RunNotFoundError(run_id)
        return RunStatus(rows[0]["status"])

    async def close(self) -> None:
        """Break off what is being read, and give the connection back."""
        self._closed = True
        if self._under_way:
            for reading in self._under_way:
                reading.cancel()
            await asyncio.wait(self._under_way)
        if self._connection is not None:
            await self._connection.close()

    async def _fetch(self, name: str, values: dict[str, Any]) -> list[DictRow]:
        """Read rows; who stops waiting for them does not disturb the connection, which others read from next."""
        reading = asyncio.create_task(self._persist(name, values))
        self._under_way.add(reading)
        reading.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            if reading.cancelled() and self._closed:
                raise FeedClosedError from None
            raise

    async def _persist(self, name: str, values: dict[str, Any]) -> list[DictRow]:
        wait = waits()
        while not self._closed:
            try:
                async with self._turn, asyncio.timeout(LONGEST_ANSWER_SECONDS):
                    connection = await self._connected()
                    return await (await connection.execute(query(name), values)).fetchall()
            except FAILURES as error:
                if not may_pass(error):
                    raise
                if self._connection is not None:
                    await self._connection.close()
                await asyncio.sleep(next(wait))
        raise FeedClosedError

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._database.conninfo, self._database.target)
        return self._connection
