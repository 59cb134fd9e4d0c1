"""The background writer of a mirror: takes entries without waiting, writes them in batches from a thread of its own."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime

from planner_graph.mirror.delivery import Delivery
from planner_graph.mirror.entries import Entry, Track
from planner_graph.mirror.expectation import expected_end
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.store.database import Database
from planner_graph.types import RunId

log = logging.getLogger(__name__)

OpenDatabase = Callable[[], AbstractAsyncContextManager[Database]]

FULL_NAP = 0.01
"""Seconds after which an agent looks again whether there is room in the queue."""

FORECAST_SECONDS = 0.02
"""Most seconds that forecasts may take at a time."""


class MirrorWriter:
    """A thread with an event loop and one connection of its own, so that neither agents nor their loop wait for SQL.

    Now and then it writes when the runs are expected to end.
    """

    def __init__(self, open_database: OpenDatabase, settings: MirrorSettings) -> None:
        self._open_database = open_database
        self._settings = settings
        self._queue: deque[tuple[Track, Entry | Future[None]]] = deque()
        self._followed: dict[Track, None] = {}
        self._beat_at = 0.0
        self._ready: Future[None] = Future()
        self._closing = False
        self._signalled = False
        self._thread = threading.Thread(target=self._serve, name="planner-graph-mirror", daemon=True)

    @property
    def open(self) -> bool:
        """Whether entries are taken."""
        return self._thread.is_alive() and not self._closing

    def start(self) -> Future[None]:
        """Begin; the future is done when the database is open, or holds why it cannot be opened."""
        self._thread.start()
        return self._ready

    def put(self, track: Track, entry: Entry) -> None:
        """Take an entry; never waits."""
        track.told += 1
        if not self.open:
            track.lose(1, "the mirror was closed while the run went on")
            return
        self._queue.append((track, entry))
        self._signal()

    async def room(self) -> None:
        """Wait for as long as the queue is full."""
        while len(self._queue) >= self._settings.queue_limit and self.open:  # noqa: ASYNC110  # seldom
            await asyncio.sleep(FULL_NAP)

    def flush(self, track: Track) -> Future[None]:
        """Give a future that is done when all that was told of a run is written or lost, or when it takes too long.

        The run is no longer followed then.
        """
        done: Future[None] = Future()
        if not self.open:
            done.set_result(None)
            return done
        self._queue.append((track, done))
        self._loop.call_soon_threadsafe(self._loop.call_later, self._settings.flush_seconds, _resolve, done)
        self._signal()
        return done

    def close(self) -> None:
        """Write what is left, for as long as a flush may take, and end."""
        if self.open:
            self._closing = True
            self._loop.call_soon_threadsafe(self._stop.set)
            self._signal()
        self._thread.join()

    def _signal(self) -> None:
        if not self._signalled:
            self._signalled = True
            self._loop.call_soon_threadsafe(self._wake.set)

    def _serve(self) -> None:
        why = "the mirror was closed before the database was back"
        try:
            asyncio.run(self._open_and_work())
        except BaseException as error:  # handed over to whoever opens the mirror, or to the reports
            if not self._ready.done():
                self._ready.set_exception(error)
            why = f"the mirror broke: {type(error).__name__}: {error}"
            log.debug("the mirror ended", exc_info=error)
        self._closing = True
        self._abandon(why)

    async def _open_and_work(self) -> None:
        async with self._open_database() as database:
            self._loop, self._wake, self._stop = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
            delivery = Delivery(database, patience_seconds=self._settings.patience_seconds)
            self._ready.set_result(None)
            work, stop = asyncio.create_task(self._work(delivery)), asyncio.create_task(self._stop.wait())
            try:
                await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
                with suppress(TimeoutError):
                    await asyncio.wait_for(work, self._settings.flush_seconds)
            finally:
                stop.cancel()
                await delivery.close()

    async def _work(self, delivery: Delivery) -> None:
        while self._queue or not self._closing:
            await self._pause()
            batch, flushes = self._drain()
            if batch:
                await delivery.deliver(batch)
            for done in flushes:
                _resolve(done)
            await self._beat(delivery)

    async def _pause(self) -> None:
        """Wait until there is something to do, and a little longer, so that more of it comes together."""
        if not self._queue and not self._closing:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._settings.heartbeat_seconds)
        self._wake.clear()
        if not self._closing:
            await asyncio.sleep(self._settings.delay_seconds)
        self._signalled = False

    def _drain(self) -> tuple[dict[Track, list[Entry]], list[Future[None]]]:
        """Take what has come in, up to a full batch."""
        batch: dict[Track, list[Entry]] = {}
        flushes: list[Future[None]] = []
        for _ in range(min(len(self._queue), self._settings.batch_limit)):
            track, entry = self._queue.popleft()
            if isinstance(entry, Future):
                flushes.append(entry)
                self._followed.pop(track, None)
            else:
                batch.setdefault(track, []).append(entry)
                self._followed[track] = None
        return batch, flushes

    async def _beat(self, delivery: Delivery) -> None:
        """Show now and then that runs are followed, and when they are expected to end."""
        now = time.monotonic()
        if now - self._beat_at >= self._settings.heartbeat_seconds:
            self._beat_at = now
            followed = [track for track in self._followed if track.problem is None]
            if followed:
                await delivery.touch(self._expectations(followed))

    def _expectations(self, followed: list[Track]) -> dict[RunId, datetime | None]:
        """Give when runs are expected to end; one after the other, as forecasts of many take time."""
        expected: dict[RunId, datetime | None] = dict.fromkeys((track.run_id for track in followed), None)
        until = time.monotonic() + FORECAST_SECONDS
        for track in followed:
            if time.monotonic() > until:
                break
            expected[track.run_id] = expected_end(track, datetime.now(UTC))
            self._followed[track] = self._followed.pop(track)  # its turn comes again after all others
        return expected

    def _abandon(self, why: str) -> None:
        """Say of everything that is still in the queue that it is lost."""
        while self._queue:
            track, entry = self._queue.popleft()
            if isinstance(entry, Future):
                _resolve(entry)
            else:
                track.lose(1, why)


def _resolve(done: Future[None]) -> None:
    if not done.done():
        done.set_result(None)
