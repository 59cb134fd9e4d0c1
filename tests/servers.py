"""A server for tests, on a free port of this machine, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from planner_graph.catalog.catalog import Catalog
from planner_graph.cli.serving import Uvicorn, listening, web_config
from planner_graph.planning.planner import MasterPlanner
from planner_graph.server.context import Context, open_context
from planner_graph.server.hosting import Agents
from planner_graph.server.settings import ServerSettings
from planner_graph.store.database import Database


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    address: str
    context: Context
    web: uvicorn.Server

    def url(self, path: str, scheme: str = "http") -> str:
        """Give the address of a resource."""
        return f"{scheme}://{self.address}/api/v2{path}"

    def stop(self) -> None:
        """Ask the server to end."""
        self.context.stop_telling()
        self.web.should_exit = True


@asynccontextmanager
async def serving(database: Database, **settings: Any) -> AsyncIterator[Served]:
    """Serve a database until the block ends."""
    agents = Agents(bodies={}, reference=None, load=lambda _: {})
    given = ServerSettings(**{"port": 0, "recover": False, "close_seconds": 1.0, **settings})
    async with open_context(database, MasterPlanner(Catalog.builtin()), agents, given) as context:
        listener = listening(given)
        host, port = listener.getsockname()[:2]
        web = Uvicorn(web_config(context))
        task = asyncio.create_task(web.serve([listener]))
        while not web.started:  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.001)
        served = Served(f"{host}:{port}", context, web)
        try:
            yield served
        finally:
            served.stop()
            await task
