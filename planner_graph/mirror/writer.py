"""The background writer of a mirror: takes entries without waiting, writes them in batches from a thread of its own."""

import asyncio
import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta

from planner_graph.mirror.delivery import Delivery
from planner_graph.mirror.entries import Entry, Track
from planner_graph.mirror.expectation import expected_end
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.store.database import Database
from planner_graph.store.outages import LAST_SECONDS

log = logging.getLogger(__name__)

OpenDatabase = Callable[[], AbstractAsyncContextManager[Database]]

Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]
"""Somebody who waits for room in the queue, and the loop to tell it in."""

FORECAST_SECONDS = 0.02
"""Most seconds that forecasts may take at a time."""


class MirrorWriter:
    """A thread with an event loop and one connection of its own, so that neither agents nor their loop wait for SQL.

    Now and then it writes when the runs are expected to end. Entries may come from any thread; a lock makes sure that
    each is either in the queue of a thread that still looks at it, or known to be lost.
    """

    def __init__(self, open_database: OpenDatabase, settings: MirrorSettings) -> None:
        self._open_database = open_database
        self._settings = settings
        self._lock = threading.Lock()
        self._queue: deque[tuple[Track, Entry | Future[None]]] = deque()
        self._waiters: list[Waiter] = []
        self._followed: dict[Track, float] = {}  # since when, by the monotonic clock
        self._longest = settings.flush_seconds
        self._flushing: set[Future[None]] = set()
        self._beat_at = 0.0
        self._ready: Future[None] = Future()
        self._delivery: Delivery | None = None
        self._taking = False
        self._closing = False
        self._signalled = False
        self._why_not = "the mirror is closed"
        self._thread = threading.Thread(target=self._serve, name="planner-graph-mirror", daemon=True)

    @property
    def open(self) -> bool:
        """Whether it was opened, and not closed since."""
        return self._ready.done() and not self._ready.exception() and not self._closing

    @property
    def broken(self) -> bool:
        """Whether it has ended without having been closed."""
        return self.open and not self._taking

    @property
    def obstacle(self) -> str | None:
        """Why nothing can be written at present."""
        return self._delivery.obstacle if self._delivery else None

    def start(self) -> Future[None]:
        """Begin; the future is done when the database is open, or holds why it cannot be opened."""
        self._ready.set_running_or_notify_cancel()  # whoever waits for it cannot cancel it
        self._thread.start()
        return self._ready

    def put(self, track: Track, entry: Entry) -> None:
        """Take an entry; never waits."""
        with self._lock:
            track.told += 1
            if self._taking:
                self._queue.append((track, entry))
                self._signal()
            else:
                track.lose(1, self._why_not)

    @property
    def full(self) -> bool:
        """Whether whoever tells more should wait for room: a glance, without the lock."""
        return self._taking and len(self._queue) >= self._settings.queue_limit

    async def room(self) -> None:
        """Wait for as long as the queue is full."""
        while True:
            with self._lock:
                if not self.full:
                    return
                loop = asyncio.get_running_loop()
                room = loop.create_future()
                self._waiters.append((loop, room))
            await room

    def flush(self, track: Track) -> Future[None]:
        """Give a future that is done when all that was told of a run is written or lost, or when it takes too long.

        The run is no longer followed then.
        """
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # whoever gives up waiting must not get in the way of the thread
        with self._lock:
            if self._taking:
                self._queue.append((track, done))
                # Not in the caller's context: the loop would keep it, and with it the graph, until the time is over.
                self._loop.call_soon_threadsafe(self._expect, done, context=contextvars.Context())
                self._signal()
                return done
        done.set_result(None)
        return done

    def hasten(self) -> None:
        """Let nobody wait for long any more, neither who flushes, now or later, nor who closes."""
        with self._lock:
            self._longest = min(self._longest, LAST_SECONDS)
            if self._taking:
                self._loop.call_soon_threadsafe(self._resolve_soon)

    def close(self) -> None:
        """Write what is left, for as long as a flush may take, and end."""
        with self._lock:
            if self._taking:
                self._taking = False
                self._loop.call_soon_threadsafe(self._stop)
            self._closing = True
        if self._thread.ident is not None:
            self._thread.join()

    def _expect(self, done: Future[None]) -> None:
        """Let a flush be done soon, or after the longest time it may take."""
        self._hurry.set()
        self._flushing.add(done)
        done.add_done_callback(self._flushing.discard)
        self._loop.call_later(self._longest, _resolve, done)

    def _resolve_soon(self) -> None:
        for done in tuple(self._flushing):
            self._loop.call_later(self._longest, _resolve, done)

    def _stop(self) -> None:
        for event in (self._stopped, self._hurry, self._wake):
            event.set()

    def _signal(self) -> None:
        if not self._signalled:
            self._signalled = True
            self._loop.call_soon_threadsafe(self._wake.set)

    def _serve(self) -> None:
        try:
            asyncio.run(self._open_and_work())
        except BaseException as error:  # handed over to whoever opens the mirror, or told in the reports
            if not self._ready.done():
                self._ready.set_exception(error)
                return
            log.exception("the mirror ended")

    async def _open_and_work(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake, self._hurry, self._stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()
        async with self._open_database() as database:
            delivery = self._delivery = Delivery(database, patience_seconds=self._settings.patience_seconds)
            self._taking = not self._closing
            self._ready.set_result(None)
            work, stop = asyncio.create_task(self._work(delivery)), asyncio.create_task(self._stopped.wait())
            why_not = "the mirror was closed before the database took everything"
            try:
                if self._taking:
                    await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
                with suppress(TimeoutError):
                    await asyncio.wait_for(work, self._longest)
            except BaseException as error:
                why_not = self._why_not = f"the mirror broke: {type(error).__name__}: {error}"
                raise
            finally:
                stop.cancel()
                self._abandon(why_not)
                await delivery.close()

    async def _work(self, delivery: Delivery) -> None:
        while self._queue or self._taking:
            await self._pause()
            await self._write(delivery)
            await self._beat(delivery)

    async def _write(self, delivery: Delivery) -> None:
        """Write what has come in, and tell those who wait for it."""
        batch, flushes = self._drain()
        try:
            if batch:
                await self._deliver(delivery, batch)
        finally:
            for done, track in flushes.items():
                track.leave()
                _resolve(done)

    async def _deliver(self, delivery: Delivery, batch: Mapping[Track, Sequence[Entry]]) -> None:
        """Write a batch; what is in it and neither written nor lost when this breaks off is lost."""
        settled = {track: track.written + track.lost + len(entries) for track, entries in batch.items()}
        try:
            await delivery.deliver(batch)
        except BaseException as error:
            why = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else "the mirror was closed"
            for track, count in settled.items():
                open_entries = count - track.written - track.lost
                if open_entries > 0:
                    track.lose(open_entries, delivery.obstacle or why)
            raise

    async def _pause(self) -> None:
        """Wait until there is something to do, and a little longer, so that more of it comes together."""
        if not self._queue and self._taking:
            await _within(self._settings.heartbeat_seconds, self._wake)
        self._wake.clear()
        if self._taking:
            await _within(self._settings.delay_seconds, self._hurry)
        self._hurry.clear()
        self._signalled = False

    def _drain(self) -> tuple[dict[Track, list[Entry]], dict[Future[None], Track]]:
        """Take what has come in, up to a full batch.

        Two invocations of one run, the second following right on the first, are in different batches: runs of a batch
        are written side by side.
        """
        batch: dict[Track, list[Entry]] = {}
        flushes: dict[Future[None], Track] = {}
        names: set[str] = set()
        for _ in range(min(len(self._queue), self._settings.batch_limit)):
            track, entry = self._queue[0]
            if isinstance(entry, Future):
                flushes[entry] = track
                self._followed.pop(track, None)
            elif track in batch:
                batch[track].append(entry)
            elif names.isdisjoint(track.names):
                names |= track.names
                batch[track] = [entry]
                self._followed.setdefault(track, time.monotonic())
            else:
                break
            self._queue.popleft()
        self._call_waiters()
        return batch, flushes

    def _call_waiters(self) -> None:
        """Let those go on who wait for room, if there is some."""
        with self._lock:
            if not self._waiters or self.full:
                return
            waiters, self._waiters = self._waiters, []
        for loop, room in waiters:
            with suppress(RuntimeError):  # that loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_release, room)

    async def _beat(self, delivery: Delivery) -> None:
        """Show now and then that runs are followed, and when they are expected to end."""
        now = time.monotonic()
        if now - self._beat_at >= self._settings.heartbeat_seconds:
            self._beat_at = now
            followed = [track for track in self._followed if track.problem is None]
            if followed:
                await delivery.touch(self._expectations(followed))

    def _expectations(self, followed: list[Track]) -> dict[Track, datetime | None]:
        """Give when runs are expected to end; one after the other, as forecasts of many take time.

        Of a run that has only just begun, or gone on, nothing is given: what its start says cannot be bettered yet.
        """
        expected: dict[Track, datetime | None] = dict.fromkeys(followed)
        started = time.monotonic()
        for track in followed:
            if time.monotonic() > started + FORECAST_SECONDS:
                break
            since = self._followed.pop(track)
            self._followed[track] = since  # its turn comes again after all others
            if started - since < self._settings.heartbeat_seconds:
                continue
            now = datetime.now(UTC)
            end = expected_end(track, now)
            expected[track] = end and max(end, now + timedelta(seconds=1.5 * self._settings.heartbeat_seconds))
        return expected

    def _abandon(self, why: str) -> None:
        """Take nothing any more, and say of everything that is still in the queue that it is lost."""
        with self._lock:
            self._taking = False
            while self._queue:
                track, entry = self._queue.popleft()
                if isinstance(entry, Future):
                    _resolve(entry)
                else:
                    track.lose(1, why)
        self._followed.clear()
        self._call_waiters()


def _resolve(done: Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _release(room: asyncio.Future[None]) -> None:
    if not room.done():
        room.set_result(None)


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for an event, but no longer than this."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
