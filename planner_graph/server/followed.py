"""One run that clients follow: each of its events is read and encoded once, however many they are."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from planner_graph.mirror.feed import RunFeed
from planner_graph.mirror.log import FeedClosedError
from planner_graph.server.bells import Bells, rings
from planner_graph.server.frames import Frame, end_frame, event_frame, ping_frame
from planner_graph.server.ring import Ring
from planner_graph.types import RunId, RunStatus

Snapshots = Callable[[RunId], Coroutine[Any, Any, Frame]]
"""Says how a run stands at the moment, and after which event."""

PAGE = 50
"""Events that are read at a time for clients that catch up; one of them holds no more than these."""

SHARE_SECONDS = 0.25
"""For so long a snapshot is good enough for further clients: what came since, they are told as events."""


class FollowedRun:
    """Keeps the latest frames of a run, from when it is made until it is closed.

    Clients that are behind by more than that are served from the log: those that are behind alike, from one reading.
    """

    def __init__(self, feed: RunFeed, run_id: RunId, snapshots: Snapshots) -> None:
        self.bells = Bells()
        self._feed = feed
        self._run_id = run_id
        self._snapshots = snapshots
        self._ring = Ring(0)
        self._ended: RunStatus | None = None
        self._stopped = False
        self._pages: dict[int, asyncio.Task[list[Frame]]] = {}
        self._snapshot: asyncio.Task[Frame] | None = None
        self._snapshot_at = 0.0
        self._following: asyncio.Task[None] | None = None
        self._opening = asyncio.create_task(self._open())

    async def opened(self) -> None:
        """Wait until it is known how far the run is.

        Raises:
            RunNotFoundError: there is no such run.
            FeedClosedError: the feed is closed.
        """
        await asyncio.shield(self._opening)

    def stop(self) -> None:
        """Tell no more; clients learn it by a :class:`FeedClosedError`."""
        self._stopped = True
        if self._following is not None:
            self._following.cancel()
        self.bells.ring()

    def close(self) -> None:
        """Read no more, as no client is left."""
        self._stopped = True
        for task in (self._opening, self._following, self._snapshot, *self._pages.values()):
            if task is not None:
                task.cancel()

    async def bursts(self, after: int | None, bell: asyncio.Event, ping_seconds: float) -> AsyncGenerator[list[Frame]]:
        """Give a client the frames that it is to be sent, as they come, until the run has ended and all was told.

        First comes a snapshot, unless the client names an event ``after`` which it wants to go on. ``bell``, one of
        ``bells``, rings when there may be more. After ``ping_seconds`` without news comes a ping.

        Raises:
            FeedClosedError: it is closed.
        """
        if after is None or not await self._reaches(after):
            snapshot = await self._shared_snapshot()
            yield [snapshot]
            after = snapshot.sequence
        while True:
            bell.clear()
            self._check()
            frames = self._ring.after(after)
            if frames is None:
                frames, after = await self._past(after)
                yield frames
            elif frames:
                after = frames[-1].sequence
                yield frames
            elif self._ended:
                yield [end_frame(self._ended)]
                return
            elif not await rings(bell, ping_seconds):
                yield [ping_frame(datetime.now(UTC))]

    async def _open(self) -> None:
        end = await self._feed.end_of_log(self._run_id)
        self._ring = Ring(end.last_sequence)
        if end.status.ended:
            self._ended = end.status
        elif not self._stopped:
            self._following = asyncio.create_task(self._follow(end.last_sequence))
            self._following.add_done_callback(lambda _: self.bells.ring())

    async def _follow(self, after: int) -> None:
        status = None
        async for row in self._feed.follow(self._run_id, after):
            self._ring.add(event_frame(row))
            if row.event == "run_ended":
                status = RunStatus(row.data["status"])
            self.bells.ring()
        self._ended = status

    def _check(self) -> None:
        """Raise what has ended the following, unless it was the run's own end."""
        following = self._following
        if following is not None and following.done() and not self._ended:
            if not following.cancelled():
                following.result()
            raise FeedClosedError
        if self._stopped:
            raise FeedClosedError

    async def _reaches(self, sequence: int) -> bool:
        """Tell whether there is such an event; the ring may not have it yet."""
        return sequence <= self._ring.last or sequence <= (await self._feed.end_of_log(self._run_id)).last_sequence

    async def _shared_snapshot(self) -> Frame:
        now = asyncio.get_running_loop().time()
        if self._snapshot is None or (self._snapshot.done() and now > self._snapshot_at + SHARE_SECONDS):
            self._snapshot = asyncio.create_task(self._snapshots(self._run_id))
            self._snapshot_at = now
        return await asyncio.shield(self._snapshot)

    async def _past(self, after: int) -> tuple[list[Frame], int]:
        """Give frames from the log that come after this one, and the number of the last of them."""
        number = after // PAGE
        reading = self._pages.get(number)
        if reading is None:
            reading = self._pages[number] = asyncio.create_task(self._read(number))
            reading.add_done_callback(lambda _: self._pages.pop(number))
        frames = [frame for frame in await asyncio.shield(reading) if frame.sequence > after]
        return frames, frames[-1].sequence if frames else min((number + 1) * PAGE, self._ring.last)

    async def _read(self, number: int) -> list[Frame]:
        return [event_frame(row) for row in await self._feed.past(self._run_id, number * PAGE, PAGE)]
