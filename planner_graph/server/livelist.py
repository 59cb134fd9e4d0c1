"""Tells any number of clients which runs have changed, from one reading of each change."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from planner_graph.mirror.feed import Changes, RunFeed
from planner_graph.mirror.log import FeedClosedError
from planner_graph.server.bells import Bells, rings
from planner_graph.server.frames import Frame, ping_frame, run_frame
from planner_graph.server.hosting import RunHost
from planner_graph.server.items import run_item
from planner_graph.server.live import Bursts, TooManyClientsError, TooSlowError
from planner_graph.server.ring import BURST
from planner_graph.server.settings import ServerSettings
from planner_graph.store.outages import Patience
from planner_graph.store.repository import Repository
from planner_graph.types import RunId

TURN_SECONDS = 0.2
"""How long what changes in a run is gathered before it is told again."""

SHARE_OF_TIME = 4
"""The list is read for no more than one part of the time in so many and one."""

MOST_RUNS = 2_000
"""Runs whose latest change is kept for clients that are behind."""

LOOK_BACK_SECONDS = 60.0
"""How much further than an outage lasted is looked back after it."""

FOREVER = 10 * 365 * 86_400.0
"""How long outages are waited for, in seconds: there is nothing else to do."""


class LiveList:
    """Has the changes of all runs read while there is a client, and keeps the latest of each run.

    A client is nothing but the number of the change it was told last. One that is behind is told how a run stands by
    then, not how it came there.
    """

    def __init__(self, feed: RunFeed, repository: Repository, host: RunHost, settings: ServerSettings) -> None:
        self._feed = feed
        self._repository = repository
        self._host = host
        self._settings = settings
        self._latest: dict[RunId, tuple[int, Frame]] = {}
        self._last = 0
        self._let_go = 0
        self._bells = Bells()
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def clients(self) -> int:
        """How many clients are told."""
        return len(self._bells)

    def close(self) -> None:
        """Tell no more; who is being told gets a :class:`FeedClosedError`."""
        self._closed = True
        self._bells.ring()

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[Bursts]:
        """Give the frames that a client is to be sent: of each run that changes from now on, how it stands.

        Raises:
            TooManyClientsError: there are too many clients.
            FeedClosedError: the list is closed, now or later.
            TooSlowError: later, when the client is too far behind.
        """
        if self.clients >= self._settings.max_clients:
            raise TooManyClientsError(self._settings.max_clients)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(lambda _: self._bells.ring())
        try:
            with self._bells.hung() as bell:
                async with aclosing(self._bursts(self._last, bell)) as bursts:
                    yield bursts
        finally:
            if not self._bells:
                self._reading.cancel()
                self._reading = None

    async def _bursts(self, told: int, bell: asyncio.Event) -> AsyncGenerator[list[Frame]]:
        while True:
            bell.clear()
            if self._closed or self._reading is None or self._reading.done():
                raise FeedClosedError
            if told < self._let_go:
                raise TooSlowError(f"more than {MOST_RUNS} changes were not read")
            news = self._after(told)
            if news:
                told = news[-1][0]
                yield [frame for _, frame in news]
            elif not await rings(bell, self._settings.ping_seconds):
                yield [ping_frame(datetime.now(UTC))]

    def _after(self, told: int) -> list[tuple[int, Frame]]:
        """Give the changes that come next, oldest first."""
        news = []
        for change in reversed(self._latest.values()):
            if change[0] <= told:
                break
            news.append(change)
        return news[: -BURST - 1 : -1]

    async def _read(self) -> None:
        clock = asyncio.get_running_loop().time
        patience = Patience(FOREVER, repair=self._repository.database.pool.check)
        with self._feed.changes() as changes:
            since = clock()
            while True:
                runs = await self._changed(changes, patience, since)
                since = clock()
                for listed in await patience.persist(partial(self._repository.listed, runs)):
                    self._keep(listed.run_id, run_frame(run_item(listed, self._host)))
                self._bells.ring()
                await asyncio.sleep(max(TURN_SECONDS, SHARE_OF_TIME * (clock() - since)))

    async def _changed(self, changes: Changes, patience: Patience, since: float) -> list[RunId]:
        """Wait for changes; after an outage all runs count that changed since before it."""
        runs, missed = await changes.take()
        if missed:
            seconds = asyncio.get_running_loop().time() - since + LOOK_BACK_SECONDS
            found = await patience.persist(lambda: self._repository.lately_changed(seconds))
            runs = list(dict.fromkeys([*runs, *found]))
        return runs

    def _keep(self, run_id: RunId, frame: Frame) -> None:
        self._latest.pop(run_id, None)
        self._last += 1
        self._latest[run_id] = (self._last, frame)
        while len(self._latest) > MOST_RUNS:
            self._let_go, _ = self._latest.pop(next(iter(self._latest)))
