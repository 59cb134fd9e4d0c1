"""Tells what happens in runs, as it happens, whichever processes execute them, to any number of subscribers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.rows import DictRow

from planner_graph.errors import DatabaseUnavailableError, RunNotFoundError
from planner_graph.store.connection import connect
from planner_graph.store.database import Database
from planner_graph.store.outages import may_pass, waits
from planner_graph.store.queries import query
from planner_graph.store.rows import EventRow
from planner_graph.store.transitions import Connection, full_id
from planner_graph.types import RunId, RunStatus

log = logging.getLogger(__name__)

PAGE = 200
"""Most events that are read for a subscriber at a time."""

LOOK_SECONDS = 3.0
"""How often the feed looks by itself, should it not have been told something."""

LONGEST_ANSWER_SECONDS = 10.0
"""After so long without an answer a connection is taken for lost."""

FAILURES = (psycopg.Error, DatabaseUnavailableError, TimeoutError)
"""What the database, or the lack of it, may raise."""


class RunFeed:
    """Reads the logs of runs and waits for what is added to them, for as long as the ``async with`` block lasts.

    Two connections serve all subscribers: one listens, one reads. A subscriber is nothing but a place in the log of its
    run, so a slow one costs no memory. While the database is away everybody waits, and misses nothing; ``problem`` says
    what is the matter then.
    """

    def __init__(self, database: Database, *, look_seconds: float = LOOK_SECONDS) -> None:
        self.problem: str | None = None
        self._database = database
        self._look_seconds = look_seconds
        self._subscribers: dict[RunId, dict[_Subscriber, None]] = {}
        self._reader = _Reader(database)

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
        """
        self._ears = await self._connected()
        self._listening = asyncio.create_task(self._listen())
        self._listening.add_done_callback(lambda _: self._wake_all())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the connections; whoever still follows a run gets nothing more."""
        self._listening.cancel()
        await asyncio.wait([self._listening])
        await self._ears.close()
        await self._reader.close()

    async def follow(self, run_id: RunId, after: int = 0, *, past_end: bool = False) -> AsyncIterator[EventRow]:
        """Give the events of a run after the one with this sequence number, in order, each once, as they come.

        Ends when the run has ended and all of it was given; with ``past_end`` it goes on, as an ended run may still be
        reconciled.

        Raises:
            RunNotFoundError: there is no such run.
        """
        run_id = RunId(str(full_id(run_id)))
        may_have_ended = True
        with self._subscribed(run_id, after) as subscriber, suppress(_ClosedError):
            while not self._closed():
                subscriber.wake.clear()
                # The status is asked first: if the run has ended by then, what is read afterwards is all of it.
                ended = may_have_ended and (await self._reader.status(run_id)).ended
                page = await self._reader.events(run_id, subscriber.cursor)
                for event in page:
                    subscriber.cursor = event.sequence
                    yield event
                may_have_ended = not past_end and (ended or any(event.event == "run_ended" for event in page))
                if len(page) == PAGE or (may_have_ended and not ended):
                    continue
                if may_have_ended:
                    return
                await subscriber.wake.wait()

    @contextmanager
    def _subscribed(self, run_id: RunId, after: int) -> "Iterator[_Subscriber]":
        subscriber = _Subscriber(after)
        self._subscribers.setdefault(run_id, {})[subscriber] = None
        try:
            yield subscriber
        finally:
            self._subscribers[run_id].pop(subscriber)
            if not self._subscribers[run_id]:
                self._subscribers.pop(run_id)

    def _closed(self) -> bool:
        """Tell whether the feed is closed; an error that ended it is raised."""
        if not self._listening.done():
            return False
        with suppress(asyncio.CancelledError):
            self._listening.result()
        return True

    async def _listen(self) -> None:
        """Wake those whose runs go on, for as long as the feed is open."""
        wait = waits()
        while True:
            try:
                if self._ears.closed:
                    self._ears = await self._connected()
                await self._look()
                self.problem, wait = None, waits()
                async for note in self._ears.notifies(timeout=self._look_seconds):
                    run_id, _, sequence = note.payload.partition(" ")
                    if sequence.isdecimal():
                        self._wake(RunId(run_id), int(sequence))
            except FAILURES as error:
                if not may_pass(error):
                    raise
                if self.problem is None:
                    log.info("the feed has lost the database, and tries again: %s", error)
                self.problem = _first_line(error)
                await self._ears.close()
                await asyncio.sleep(next(wait))

    async def _connected(self) -> Connection:
        connection = await connect(self._database.conninfo, self._database.target)
        try:
            await connection.execute(query("listen"))
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _look(self) -> None:
        """Look how far the runs are that somebody follows; so nothing that was not told stays unknown."""
        async with asyncio.timeout(LONGEST_ANSWER_SECONDS):
            followed = {"run_ids": list(self._subscribers)}
            rows = await (await self._ears.execute(query("get_last_sequences"), followed)).fetchall()
        for row in rows:
            self._wake(RunId(str(row["workflow_execution_id"])), row["last_sequence"])

    def _wake(self, run_id: RunId, sequence: int) -> None:
        for subscriber in self._subscribers.get(run_id, ()):
            if subscriber.cursor < sequence:
                subscriber.wake.set()

    def _wake_all(self) -> None:
        for subscribers in self._subscribers.values():
            for subscriber in subscribers:
                subscriber.wake.set()


class _Subscriber:
    """A place in the log of a run, and a bell that rings when there is more."""

    def __init__(self, after: int) -> None:
        self.cursor = after
        self.wake = asyncio.Event()


class _Reader:
    """A connection that reads for all subscribers, one after the other; waits until the database is there."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def events(self, run_id: RunId, after: int) -> list[EventRow]:
        """Give what comes next in the log of a run, a page at most."""
        rows = await self._fetch("get_events", {"run_id": run_id, "after": after, "limit": PAGE})
        return [EventRow.of(row) for row in rows]

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
        """Give the connection back."""
        self._closed = True
        if self._connection is not None:
            await self._connection.close()

    async def _fetch(self, name: str, values: dict[str, Any]) -> list[DictRow]:
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
        raise _ClosedError

    async def _connected(self) -> Connection:
        if self._closed:
            raise _ClosedError
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._database.conninfo, self._database.target)
        return self._connection


class _ClosedError(Exception):
    """The feed was closed while somebody read."""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [f"no answer within {LONGEST_ANSWER_SECONDS:g} s"])[0]
