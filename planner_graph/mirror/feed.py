"""Tells what happens in runs, as it happens, whichever processes execute them, to any number of subscribers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from planner_graph.mirror.log import FAILURES, LONGEST_ANSWER_SECONDS, PAGE, FeedClosedError, LogEnd, LogReader
from planner_graph.store.connection import connect
from planner_graph.store.database import Database
from planner_graph.store.outages import may_pass, waits
from planner_graph.store.queries import query
from planner_graph.store.rows import EventRow
from planner_graph.store.transitions import Connection, full_id
from planner_graph.types import RunId

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0
"""How often the feed looks by itself, should it not have been told something."""


class RunFeed:
    """Reads the logs of runs and waits for what is added to them, for as long as the ``async with`` block lasts.

    Three connections serve all subscribers: one listens, one reads what has just happened, and one what happened
    before, so that whoever catches up keeps nobody waiting. A subscriber is nothing but a place in the log of its run,
    so a slow one costs no memory. While the database is away everybody waits, and misses nothing; ``problem`` says what
    is the matter then.
    """

    def __init__(self, database: Database, *, look_seconds: float = LOOK_SECONDS) -> None:
        self.problem: str | None = None
        self._database = database
        self._look_seconds = look_seconds
        self._subscribers: dict[RunId, dict[_Subscriber, None]] = {}
        self._watchers: dict[Changes, None] = {}
        self._reader = LogReader(database)
        self._archivist = LogReader(database)

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
        await self._archivist.close()

    async def end_of_log(self, run_id: RunId) -> LogEnd:
        """Tell how far a run is by now.

        Raises:
            RunNotFoundError: there is no such run.
            FeedClosedError: the feed is closed.
        """
        return await self._archivist.end_of_log(RunId(str(full_id(run_id))))

    async def past(self, run_id: RunId, after: int, limit: int = PAGE) -> list[EventRow]:
        """Give the events of a run after the one with this sequence number, in order, so many at most.

        Raises:
            FeedClosedError: the feed is closed.
        """
        return await self._archivist.events(RunId(str(full_id(run_id))), after, limit)

    @contextmanager
    def changes(self) -> "Iterator[Changes]":
        """Take note of the runs in which something happens, whichever they are."""
        watcher = Changes()
        self._watchers[watcher] = None
        try:
            yield watcher
        finally:
            self._watchers.pop(watcher)

    async def follow(self, run_id: RunId, after: int = 0, *, past_end: bool = False) -> AsyncIterator[EventRow]:
        """Give the events of a run after the one with this sequence number, in order, each once, as they come.

        Ends when the run has ended and all of it was given; with ``past_end`` it goes on, as an ended run may still be
        reconciled.

        Raises:
            RunNotFoundError: there is no such run.
        """
        run_id = RunId(str(full_id(run_id)))
        may_have_ended = True
        with self._subscribed(run_id, after) as subscriber, suppress(FeedClosedError):
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
                if self.problem is not None:
                    self._tell_missed()
                self.problem, wait = None, waits()
                async for note in self._ears.notifies(timeout=self._look_seconds):
                    run_id, _, sequence = note.payload.partition(" ")
                    if sequence.isdecimal():
                        self._wake(RunId(run_id), int(sequence))
                        self._note(RunId(run_id))
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

    def _note(self, run_id: RunId) -> None:
        for watcher in self._watchers:
            watcher.runs[run_id] = None
            watcher.wake.set()

    def _tell_missed(self) -> None:
        for watcher in self._watchers:
            watcher.missed = True
            watcher.wake.set()

    def _wake_all(self) -> None:
        for subscribers in self._subscribers.values():
            for subscriber in subscribers:
                subscriber.wake.set()
        for watcher in self._watchers:
            watcher.closed = self._listening.done()
            watcher.wake.set()


class Changes:
    """Runs in which something happened since they were last taken.

    ``missed`` says that there may be others, as the database was away; ``closed`` that nothing more will come.
    """

    def __init__(self) -> None:
        self.runs: dict[RunId, None] = {}
        self.missed = False
        self.closed = False
        self.wake = asyncio.Event()

    async def take(self) -> tuple[list[RunId], bool]:
        """Wait until something happened, and give in which runs, and whether something may have been missed.

        Raises:
            FeedClosedError: the feed is closed.
        """
        await self.wake.wait()
        if self.closed:
            raise FeedClosedError
        self.wake.clear()
        taken, self.runs = list(self.runs), {}
        missed, self.missed = self.missed, False
        return taken, missed


class _Subscriber:
    """A place in the log of a run, and a bell that rings when there is more."""

    def __init__(self, after: int) -> None:
        self.cursor = after
        self.wake = asyncio.Event()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [f"no answer within {LONGEST_ANSWER_SECONDS:g} s"])[0]
