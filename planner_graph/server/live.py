"""Tells any number of clients what happens in runs, from one reading of each event."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from planner_graph.errors import PlannerGraphError
from planner_graph.mirror.feed import RunFeed
from planner_graph.mirror.log import FeedClosedError
from planner_graph.server.followed import FollowedRun, Snapshots
from planner_graph.server.frames import Frame
from planner_graph.server.settings import ServerSettings
from planner_graph.types import RunId

ResultT = TypeVar("ResultT")

Bursts = AsyncIterator[list[Frame]]
"""What a client is to be sent, as it comes: a few frames at a time."""

Send = Callable[[Frame], Awaitable[None]]
"""Sends a frame to a client, and waits for as long as its connection is full."""


class TooManyClientsError(PlannerGraphError, RuntimeError):
    """So many clients follow runs that no further one is taken."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} clients follow runs here already; try again later")


class TooSlowError(PlannerGraphError, TimeoutError):
    """A client does not read what it is sent."""

    def __init__(self, unread: str) -> None:
        super().__init__(f"too slow: {unread}; come back for the rest")


class RunHub:
    """Has the runs followed that clients ask for, each once, and lets it be when the last client has left.

    A client is a place in the log of its run, so one that is slow costs no memory, and neither the run nor other
    clients wait for it.
    """

    def __init__(self, feed: RunFeed, snapshots: Snapshots, settings: ServerSettings) -> None:
        self.clients = 0
        self._feed = feed
        self._snapshots = snapshots
        self._settings = settings
        self._runs: dict[RunId, FollowedRun] = {}
        self._closed = False

    def close(self) -> None:
        """Tell no more; who is being told gets a :class:`FeedClosedError`."""
        self._closed = True
        for run in self._runs.values():
            run.stop()

    @asynccontextmanager
    async def joined(self, run_id: RunId, after: int | None = None) -> AsyncIterator[Bursts]:
        """Give the frames that a client is to be sent; see :meth:`FollowedRun.bursts`.

        Raises:
            RunNotFoundError: there is no such run.
            TooManyClientsError: there are too many clients.
            FeedClosedError: the hub is closed.
        """
        if self._closed:
            raise FeedClosedError
        if self.clients >= self._settings.max_clients:
            raise TooManyClientsError(self._settings.max_clients)
        run = self._runs.get(run_id)
        if run is None:
            run = self._runs[run_id] = FollowedRun(self._feed, run_id, self._snapshots)
        self.clients += 1
        try:
            with run.bells.hung() as bell:
                await run.opened()
                async with aclosing(run.bursts(after, bell, self._settings.ping_seconds)) as bursts:
                    yield bursts
        finally:
            self.clients -= 1
            if not run.bells:
                self._runs.pop(run_id)
                run.close()


async def deliver(bursts: Bursts, send: Send, slow_seconds: float) -> None:
    """Send a client all frames that come for it.

    Raises:
        TooSlowError: it does not take them in.
        FeedClosedError: nothing more will come, though the run has not ended.
    """
    async for burst in bursts:
        try:
            async with asyncio.timeout(slow_seconds):
                for frame in burst:
                    await send(frame)
        except TimeoutError as error:
            raise TooSlowError(f"a few events were not read within {slow_seconds:g} s") from error


async def while_there(telling: Coroutine[Any, Any, ResultT], leaving: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Do both, until one is done, and give what that one gives; ``leaving`` waits for the client to go."""
    told, left = asyncio.create_task(telling), asyncio.create_task(leaving)
    try:
        done, _ = await asyncio.wait({told, left}, return_when=asyncio.FIRST_COMPLETED)
        return (left if left in done else told).result()
    finally:
        told.cancel()
        left.cancel()
        await asyncio.wait({told, left})
