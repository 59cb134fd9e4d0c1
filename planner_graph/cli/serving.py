"""Runs the server for the command ``serve``; needs the extra ``server``."""

import logging
from contextlib import AsyncExitStack, nullcontext
from typing import Any

import uvicorn

from planner_graph.agents.factory import AgentFactory
from planner_graph.catalog.catalog import Catalog
from planner_graph.cli import interruptible, screen
from planner_graph.cli.agents import load
from planner_graph.cli.exits import ExitCode
from planner_graph.planning.planner import MasterPlanner
from planner_graph.server.app import build_app
from planner_graph.server.context import Context, open_context
from planner_graph.server.hosting import Agents
from planner_graph.server.settings import ServerSettings
from planner_graph.store.database import open_database


class Uvicorn(uvicorn.Server):
    """The web server; signals are the command's business."""

    def capture_signals(self) -> Any:
        """Leave signals alone."""
        return nullcontext()


class Service:
    """The server while it runs, and how it is asked to stop."""

    def __init__(self, settings: ServerSettings, catalog: Catalog, reference: str | None, dsn: str | None) -> None:
        self.settings = settings
        self.catalog = catalog
        self.reference = reference
        self.dsn = dsn
        self._web: Uvicorn | None = None
        self._context: Context | None = None

    async def carry_out(self) -> ExitCode:
        """Serve until somebody asks to stop."""
        factory = load(self.reference) if self.reference else AgentFactory.installed()
        agents = Agents(bodies=factory, reference=self.reference, load=_load)
        planner = MasterPlanner(self.catalog.extended(*factory.declared))
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(open_database(self.dsn))
            self._context = await stack.enter_async_context(open_context(database, planner, agents, self.settings))
            await self._serve(self._context)
        return ExitCode.COMPLETED

    async def _serve(self, context: Context) -> None:
        config = uvicorn.Config(
            build_app(context),
            host=self.settings.host,
            port=self.settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=int(self.settings.close_seconds),
        )
        self._web = Uvicorn(config)
        await self._web.serve()

    def stop(self) -> bool:
        """Let the server end."""
        if self._web is None:
            return False
        self._web.should_exit = True
        return True


def serve(settings: ServerSettings, catalog: Catalog, reference: str | None, dsn: str | None) -> ExitCode:
    """Serve until a signal comes, and give the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    service = Service(settings, catalog, reference, dsn)
    try:
        return interruptible.run(service.carry_out(), service.stop)
    except interruptible.Interrupted as stop:
        screen.tell("stopped; runs that went on are left for: planner-graph recover --all")
        if stop.busy:
            interruptible.leave(ExitCode.STOPPED)
        return ExitCode.STOPPED


def _load(reference: str | None) -> AgentFactory:
    return load(reference) if reference else AgentFactory.installed()
