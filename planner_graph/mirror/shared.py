"""One mirror for all runs that a process executes at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from planner_graph.mirror.handler import PlanMirror
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.store.database import Database
from planner_graph.types import RunId


class SharedMirror:
    """Opens a mirror when the first run needs it, and closes it when the last one has ended."""

    def __init__(self, database: Database, settings: MirrorSettings | None = None) -> None:
        self._database = database
        self._settings = settings
        self._mirror: PlanMirror | None = None
        self._users = 0
        self._changing = asyncio.Lock()

    @asynccontextmanager
    async def following(self, run_id: RunId) -> AsyncIterator[PlanMirror]:
        """Give the mirror, which follows the agents of the run, whose start and end are the caller's to record."""
        mirror = await self._enter()
        try:
            with mirror.managed(run_id):
                yield mirror
        finally:
            await asyncio.shield(self._leave())

    async def _enter(self) -> PlanMirror:
        async with self._changing:
            if self._mirror is None or self._mirror.broken:
                self._mirror = await PlanMirror(self._database, settings=self._settings).__aenter__()
            self._users += 1
            return self._mirror

    async def _leave(self) -> None:
        async with self._changing:
            self._users -= 1
            if not self._users and self._mirror is not None:
                mirror, self._mirror = self._mirror, None
                await asyncio.to_thread(mirror.close)
