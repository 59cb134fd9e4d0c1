"""What all runs share that a process executes at the same time: who keeps their leases, who mirrors them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from planner_graph.compiler.bridge import in_thread
from planner_graph.mirror.handler import PlanMirror
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.runtime.keeper import LeaseKeeper
from planner_graph.store.database import Database
from planner_graph.store.outages import OUTAGE_SECONDS, Patience


@dataclass(frozen=True, slots=True)
class Services:
    """The two, open."""

    keeper: LeaseKeeper
    mirror: PlanMirror

    @property
    def broken(self) -> bool:
        """Whether no further run should rely on them."""
        return self.mirror.broken or self.keeper.broken


class SharedServices:
    """Opens services when the first run needs them, and closes them when the last one has ended.

    An outage of the database is waited for during ``outage_seconds``.
    """

    def __init__(
        self, database: Database, settings: MirrorSettings | None = None, outage_seconds: float = OUTAGE_SECONDS
    ) -> None:
        self._database = database
        self._outage_seconds = outage_seconds
        self._settings = settings
        self._services: Services | None = None
        self._users: dict[int, int] = {}
        self._changing = asyncio.Lock()

    @property
    def broken(self) -> bool:
        """Whether the services that are open have given up."""
        return self._services is not None and self._services.broken

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Services]:
        """Give the services; they are open for as long as the block lasts."""
        services = await self._enter()
        try:
            yield services
        finally:
            await asyncio.shield(self._leave(services))

    async def _enter(self) -> Services:
        async with self._changing:
            if self._services is None or self._services.broken:
                self._services = await Patience(self._outage_seconds).persist(self._opened)
            self._users[id(self._services)] = self._users.get(id(self._services), 0) + 1
            return self._services

    async def _opened(self) -> Services:
        keeper = LeaseKeeper(self._database)
        await keeper.open()
        try:
            mirror = await PlanMirror(self._database, settings=self._settings).__aenter__()
        except BaseException:
            await keeper.close()
            raise
        return Services(keeper, mirror)

    async def _leave(self, services: Services) -> None:
        async with self._changing:
            self._users[id(services)] -= 1
            if self._users[id(services)]:
                return
            del self._users[id(services)]
            if services is self._services:
                self._services = None
        await in_thread(services.mirror.close)
        await services.keeper.close()
