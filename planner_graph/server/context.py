"""What the routes of one server share, opened once and passed to all of them."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from planner_graph.clock import Clock, SystemClock
from planner_graph.mirror.feed import RunFeed
from planner_graph.planning.planner import MasterPlanner
from planner_graph.server.hosting import Agents, RunHost
from planner_graph.server.live import RunHub
from planner_graph.server.outlooks import Outlooks
from planner_graph.server.plans import Plans
from planner_graph.server.reports import Reports
from planner_graph.server.runlist import RunList
from planner_graph.server.settings import ServerSettings
from planner_graph.server.snapshots import RunSnapshots
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository


@dataclass(frozen=True, kw_only=True)
class Context:
    """The database, what plans, what executes runs, what tells their events, and the clock."""

    settings: ServerSettings
    database: Database
    repository: Repository
    planner: MasterPlanner
    host: RunHost
    feed: RunFeed
    hub: RunHub
    runs: RunList
    clock: Clock


@asynccontextmanager
async def open_context(
    database: Database, planner: MasterPlanner, agents: Agents, settings: ServerSettings
) -> AsyncIterator[Context]:
    """Open all that the routes need; at the end the runs that still go on are left for who recovers them.

    ``planner`` must know what the agents declare.

    Raises:
        DatabaseUnavailableError: the database cannot be reached.
    """
    repository, clock = Repository(database), SystemClock()
    host = RunHost(database, planner, agents, max_runs=settings.max_runs)
    with ThreadPoolExecutor(1) as workers:
        reports = Reports(repository, Plans(repository, workers), Outlooks(workers), clock)
        async with RunFeed(database) as feed, host:
            yield Context(
                settings=settings,
                database=database,
                repository=repository,
                planner=planner,
                host=host,
                feed=feed,
                hub=RunHub(
                    feed,
                    RunSnapshots(reports, repository),
                    ping_seconds=settings.ping_seconds,
                    slow_seconds=settings.slow_seconds,
                    most_clients=settings.max_clients,
                ),
                runs=RunList(feed, repository, ping_seconds=settings.ping_seconds, most_clients=settings.max_clients),
                clock=clock,
            )


async def shared(connection: HTTPConnection) -> Context:
    """Give the context of the server that a request or a WebSocket came to."""
    context: Context = connection.app.state.context
    return context


Shared = Annotated[Context, Depends(shared)]
"""The context, as a parameter of a route."""
